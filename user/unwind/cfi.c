/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/cfi.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cfi_cie {
	uint64_t offset;            /* in the section */
	struct cfi_program program; /* its own instructions first, then a model for its functions */
	struct cfi_state initial;
	bool usable;            /* all of it was understood */
	bool sized;             /* 'z': FDEs say how many bytes of augmentation they have */
	uint8_t fde_more_bytes; /* else: bytes between an FDE's addresses and its instructions */
};

/* ---- CIEs ----------------------------------------------------------------------------------- */

/* What the letters of the augmentation string announce. False: there is one that is not known. */
static bool read_augmentation(struct cfi_cie *out, const Dwarf_CIE *cie,
			      const struct reader_bases *bases)
{
	const char *letter = cie->augmentation;
	struct reader reader = {.at = cie->augmentation_data,
				.end = cie->augmentation_data + cie->augmentation_data_size};

	if (letter[0] == 'e' && letter[1] == 'h') /* gcc 2; its pointer was skipped by libdw */
		letter += 2;
	out->sized = *letter == 'z';
	letter += out->sized;
	for (; *letter; letter++) {
		if (*letter == 'R') {
			out->program.pointer_encoding = (uint8_t)reader_fixed(&reader, 1);
		} else if (*letter == 'P') {
			uint8_t encoding = (uint8_t)reader_fixed(&reader, 1);

			reader_pointer(&reader, encoding & ~DW_EH_PE_indirect,
				       (encoding & 0x70) == DW_EH_PE_aligned ? bases : NULL);
		} else if (*letter == 'L') {
			reader_fixed(&reader, 1);
		} else if (*letter == 'S') {
			out->initial.signal = true;
		} else {
			/* letters behind it are not understood; R is, if it was before */
			return out->sized && !reader.bad;
		}
	}
	return !reader.bad;
}

/* Execute a CIE's instructions and keep what functions need of it. */
static bool read_cie(struct cfi_cie *out, const Dwarf_CIE *cie,
		     const struct unwind_section *section)
{
	const uint8_t *end = section->bytes + section->size;

	if (!cie->augmentation || cfi_reg(cie->return_address_register) != CFI_RA ||
	    cie->initial_instructions > cie->initial_instructions_end ||
	    cie->initial_instructions_end > end || cie->augmentation_data > end ||
	    cie->augmentation_data_size > (size_t)(end - cie->augmentation_data))
		return false;
	out->fde_more_bytes = cie->fde_augmentation_data_size;
	out->program = (struct cfi_program){.start = cie->initial_instructions,
					    .end = cie->initial_instructions_end,
					    .bases = &section->bases,
					    .code_align = cie->code_alignment_factor,
					    .data_align = cie->data_alignment_factor,
					    .pointer_encoding = DW_EH_PE_absptr};
	return read_augmentation(out, cie, &section->bases) &&
	       cfi_run_initial(&out->program, &out->initial) == 0;
}

static int add_cie(struct cfi *cfi, uint64_t offset, const Dwarf_CIE *cie, struct err *err)
{
	struct cfi_cie *slot;

	if (cfi->n_cies == CFI_MAX_CIES)
		return err_set(err, ERR_FAILED, "its unwind information has more than %d CIEs",
			       CFI_MAX_CIES);
	if (cfi->n_cies == cfi->capacity) {
		uint32_t wanted = cfi->capacity ? cfi->capacity * 2 : 16;
		struct cfi_cie *cies = realloc(cfi->cies, wanted * sizeof(*cies));

		if (!cies)
			return err_set(err, ERR_FAILED, "out of memory");
		cfi->cies = cies;
		cfi->capacity = wanted;
	}
	slot = &cfi->cies[cfi->n_cies++];
	memset(slot, 0, sizeof(*slot));
	slot->offset = offset;
	slot->usable = read_cie(slot, cie, cfi->section);
	return 0;
}

/* They were read in the order of the section. */
static const struct cfi_cie *find_cie(const struct cfi *cfi, uint64_t offset)
{
	uint32_t low = 0, high = cfi->n_cies;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (cfi->cies[middle].offset == offset)
			return &cfi->cies[middle];
		if (cfi->cies[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- entries -------------------------------------------------------------------------------- */

/* libdw wants it for the size of an address and the order of bytes. */
static const unsigned char ident[EI_NIDENT] = {ELFMAG0,    ELFMAG1,     ELFMAG2,   ELFMAG3,
					       ELFCLASS64, ELFDATA2LSB, EV_CURRENT};

/*
 * The entry at cfi->next, which is moved behind it.
 *
 * return 1, 0: there are no more, -EINVAL: damaged
 */
static int next_entry(struct cfi *cfi, uint64_t *offset, Dwarf_CFI_Entry *entry)
{
	Elf_Data data = {.d_buf = cfi->section->bytes,
			 .d_type = ELF_T_BYTE,
			 .d_version = EV_CURRENT,
			 .d_size = cfi->section->size};
	Dwarf_Off next = cfi->next;
	int result;

	*offset = cfi->next;
	if (cfi->next >= cfi->section->size)
		return 0;
	result = dwarf_next_cfi(ident, &data, cfi->section->eh_frame, cfi->next, &next, entry);
	if (result > 0) {
		cfi->next = cfi->section->size;
		return 0;
	}
	/* damage that hides where the entry ends is the end of the walk */
	cfi->next = next > cfi->next ? next : cfi->section->size;
	return result == 0 ? 1 : -EINVAL;
}

int cfi_init(struct cfi *cfi, const struct unwind_section *section, struct err *err)
{
	Dwarf_CFI_Entry entry;
	uint64_t offset;
	int result;

	*cfi = (struct cfi){.section = section};
	/* all of them first: in .debug_frame they may come behind their functions */
	while ((result = next_entry(cfi, &offset, &entry))) {
		if (result < 0 || !dwarf_cfi_cie_p(&entry))
			continue;
		result = add_cie(cfi, offset, &entry.cie, err);
		if (result) {
			cfi_fini(cfi);
			return result;
		}
	}
	cfi->next = 0;
	return 0;
}

void cfi_fini(struct cfi *cfi)
{
	free(cfi->cies);
	*cfi = (struct cfi){0};
}

static int read_function(const struct cfi *cfi, const Dwarf_FDE *fde, struct cfi_function *function)
{
	const struct cfi_cie *cie = find_cie(cfi, fde->CIE_pointer);
	struct reader reader = {.at = fde->start, .end = fde->end};
	uint64_t length;

	if (!cie || !cie->usable || fde->start > fde->end)
		return -EINVAL;
	function->start =
		reader_pointer(&reader, cie->program.pointer_encoding, &cfi->section->bases);
	length = reader_pointer(&reader, cie->program.pointer_encoding, NULL);
	reader_skip(&reader, cie->sized ? reader_uleb(&reader) : cie->fde_more_bytes);
	if (reader.bad || __builtin_add_overflow(function->start, length, &function->end))
		return -EINVAL;
	function->program = cie->program;
	function->program.start = reader.at;
	function->program.end = reader.end;
	function->initial = &cie->initial;
	return 0;
}

int cfi_next(struct cfi *cfi, struct cfi_function *function)
{
	Dwarf_CFI_Entry entry;
	uint64_t offset;
	int result;

	while ((result = next_entry(cfi, &offset, &entry)) > 0) {
		if (dwarf_cfi_cie_p(&entry))
			continue;
		result = read_function(cfi, &entry.fde, function);
		/* functions of no length are what linkers leave of discarded ones */
		if (result || function->start < function->end)
			return result ? result : 1;
	}
	return result;
}
