/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cfi_image: unwind information built entry by entry, of which everything is known.
 *
 * Shapes     an .eh_frame at link-time address IMAGE_FRAME; the only executable segment is
 *            [IMAGE_TEXT, IMAGE_TEXT_END). cfi_cie() begins a CIE, cfi_fde() an FDE of the CIE
 *            before it; what is put next are their instructions; cfi_end() ends them and fills in
 *            their length.
 */
#ifndef PYLEAKTRACE_TESTS_UNIT_CFI_IMAGE_H
#define PYLEAKTRACE_TESTS_UNIT_CFI_IMAGE_H

#include <dwarf.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unwind/table.h"

/* what compilers write */
#define PCREL4         (DW_EH_PE_pcrel | DW_EH_PE_sdata4)

#define IMAGE_FRAME    0x400000ull
#define IMAGE_TEXT     0x10000ull
#define IMAGE_TEXT_END 0x20000ull

struct cfi_image {
	uint8_t bytes[1 << 16];
	size_t size;
	size_t entry;     /* offset of the length of the entry that is being built */
	size_t cie;       /* of the last CIE */
	uint8_t encoding; /* of its functions' addresses */
	bool debug_frame;
};

static inline void cfi_put(struct cfi_image *image, uint64_t value, size_t size)
{
	assert_true(image->size + size + 64 <= sizeof(image->bytes));
	memcpy(image->bytes + image->size, &value, size);
	image->size += size;
}

/* Instructions or parts of them, a byte each. */
#define cfi_ops(image, ...)                                  \
	do {                                                 \
		static const uint8_t ops_[] = {__VA_ARGS__}; \
		for (size_t i_ = 0; i_ < sizeof(ops_); i_++) \
			cfi_put((image), ops_[i_], 1);       \
	} while (0)

static inline void cfi_end(struct cfi_image *image)
{
	uint32_t length = (uint32_t)(image->size - image->entry - 4);

	memcpy(image->bytes + image->entry, &length, 4);
}

/* in: augmentation: "zR" and so on; its data is put by the caller, or is that of cfi_cie() */
static inline void cfi_cie_head(struct cfi_image *image, const char *augmentation,
				uint8_t code_align)
{
	image->cie = image->entry = image->size;
	cfi_put(image, 0, 4);
	cfi_put(image, image->debug_frame ? UINT32_MAX : 0, 4);
	cfi_put(image, 1, 1);
	for (size_t i = 0; i <= strlen(augmentation); i++)
		cfi_put(image, (uint8_t)augmentation[i], 1);
	cfi_put(image, code_align, 1);
	cfi_put(image, 0x78, 1); /* data alignment -8 */
	cfi_put(image, 16, 1);   /* return address */
}

/* The CIE of a plain function: cfa = rsp + 8, return address at cfa - 8. */
static inline void cfi_cie(struct cfi_image *image, const char *augmentation, uint8_t encoding)
{
	cfi_cie_head(image, augmentation, 1);
	image->encoding = encoding;
	if (augmentation[0] == 'z') {
		cfi_put(image, 1, 1);
		cfi_put(image, encoding, 1);
	}
	cfi_ops(image, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	cfi_end(image);
}

static inline void cfi_fde_head(struct cfi_image *image)
{
	image->entry = image->size;
	cfi_put(image, 0, 4);
	cfi_put(image, image->debug_frame ? image->cie : image->size - image->cie, 4);
}

/* Only for encodings of 4 or 8 bytes, absolute or relative to where they are. */
static inline void cfi_fde(struct cfi_image *image, uint64_t start, uint64_t length)
{
	size_t width = (image->encoding & 0x0f) == DW_EH_PE_sdata4 ? 4 : 8;

	cfi_fde_head(image);
	if ((image->encoding & 0x70) == DW_EH_PE_pcrel)
		start -= IMAGE_FRAME + image->size;
	cfi_put(image, start, width);
	cfi_put(image, length, width);
	if (!image->debug_frame)
		cfi_put(image, 0, 1); /* no augmentation data */
}

/* A CIE and one function of it, IMAGE_TEXT + [0, 0x100), whose instructions come next. */
static inline void cfi_one(struct cfi_image *image)
{
	memset(image, 0, sizeof(*image));
	cfi_cie(image, "zR", DW_EH_PE_pcrel | DW_EH_PE_sdata4);
	cfi_fde(image, IMAGE_TEXT, 0x100);
}

/* Compile the first `size` bytes. */
static inline int cfi_compile_part(struct cfi_image *image, size_t size, struct unwind_table *table)
{
	struct unwind_section section = {.eh_frame = !image->debug_frame,
					 .size = size,
					 .text = {{IMAGE_TEXT, IMAGE_TEXT_END}},
					 .n_text = 1};
	int result;

	/* memory of its own, so that sanitizers see what is read behind its end; zeros as in
	 * section_load() */
	section.bytes = calloc(1, size + 64);
	assert_non_null(section.bytes);
	memcpy(section.bytes, image->bytes, size);
	section.bases = (struct reader_bases){.bytes = section.bytes,
					      .vaddr = image->debug_frame ? 0 : IMAGE_FRAME,
					      .text = IMAGE_TEXT,
					      .data = IMAGE_TEXT + 0x40};
	result = unwind_table_compile(table, &section, NULL);
	section_fini(&section);
	if (!result)
		assert_true(unwind_table_valid(table));
	return result;
}

static inline int cfi_compile(struct cfi_image *image, struct unwind_table *table)
{
	return cfi_compile_part(image, image->size, table);
}

/* ---- what a test works with ----------------------------------------------------------------- */

static struct cfi_image image;
static struct unwind_table table;

static inline const struct abi_unwind_rule *rule_at(uint64_t offset)
{
	return unwind_table_find(&table, IMAGE_TEXT + offset);
}

static inline void compile_one(void)
{
	cfi_end(&image);
	assert_int_equal(cfi_compile(&image, &table), 0);
	assert_int_equal(table.damaged, 0);
	assert_int_equal(table.n_functions, 1);
	assert_int_equal(rule_at(0x100)->kind, ABI_RULE_NONE);
}

static inline void assert_cfa(uint64_t at, enum abi_unwind_reg reg, int32_t offset)
{
	assert_int_equal(rule_at(at)->kind, ABI_RULE_CFA);
	assert_int_equal(rule_at(at)->reg, reg);
	assert_int_equal(rule_at(at)->offset, offset);
	assert_int_equal(rule_at(at)->ra, -1);
}

#endif
