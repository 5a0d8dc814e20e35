/* SPDX-License-Identifier: BSD-2-Clause
 *
 * elf_image: a small ELF program built by hand, of which everything is known, to be read whole or
 * damaged.
 *
 * Shapes     text at 0x401000 and data at 0x402000 when its type is ET_EXEC; the same, 0x400000
 *            lower, as ET_DYN. Dynamic symbols: `twice` in an old and a default version,
 *            `data_word`, `outside` (points nowhere), `imported` (undefined). Other symbols:
 *            `hidden`, `thread_word` (TLS). One section .PyRuntime in the data. The loader puts the
 *            address of `imported` at 16 in the data.
 */
#ifndef PYLEAKTRACE_TESTS_UNIT_ELF_IMAGE_H
#define PYLEAKTRACE_TESTS_UNIT_ELF_IMAGE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IMAGE_BASE 0x400000ull
#define IMAGE_PAGE 0x1000u

enum {
	SECTION_NULL,
	SECTION_TEXT,
	SECTION_RUNTIME,
	SECTION_DYNSYM,
	SECTION_DYNSTR,
	SECTION_VERSYM,
	SECTION_SYMTAB,
	SECTION_DYNAMIC,
	SECTION_RELA,
	SECTION_NAMES,
	N_SECTIONS,
};

#define IMAGE_STRINGS                                                                        \
	"\0twice\0data_word\0outside\0imported\0hidden\0thread_word\0libimage.so.1\0"        \
	".text\0.PyRuntime\0.dynsym\0.dynstr\0.gnu.version\0.symtab\0.dynamic\0.rela.plt\0." \
	"shstrtab"

struct elf_image {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	Elf64_Shdr sections[N_SECTIONS];
	Elf64_Sym dynsym[6];
	Elf64_Sym symtab[3];
	Elf64_Half versions[6];
	Elf64_Dyn dynamic[2];
	Elf64_Rela rela[2];
	char strings[sizeof(IMAGE_STRINGS)];
	char padding[2048];
	uint8_t text[256];
	uint8_t data[256];
};

static inline uint32_t image_string(const char *text)
{
	static const char strings[] = IMAGE_STRINGS;
	size_t i;

	for (i = 0; i < sizeof(strings); i += strlen(strings + i) + 1) {
		if (strcmp(strings + i, text) == 0)
			return (uint32_t)i;
	}
	return 0;
}

static inline Elf64_Sym image_symbol(const char *name, unsigned type, uint64_t value, uint64_t size,
				     unsigned section)
{
	return (Elf64_Sym){.st_name = image_string(name),
			   .st_info = (unsigned char)ELF64_ST_INFO(STB_GLOBAL, type),
			   .st_shndx = (Elf64_Half)section,
			   .st_value = value,
			   .st_size = size};
}

static inline Elf64_Shdr image_section(const char *name, unsigned type, uint64_t address,
				       uint64_t offset, uint64_t size, uint64_t entry)
{
	return (Elf64_Shdr){.sh_name = image_string(name),
			    .sh_type = type,
			    .sh_flags = address ? SHF_ALLOC : 0,
			    .sh_addr = address,
			    .sh_offset = offset,
			    .sh_size = size,
			    .sh_addralign = 8,
			    .sh_link = SECTION_DYNSTR,
			    .sh_entsize = entry};
}

static inline void image_sections(struct elf_image *image, uint64_t data)
{
	Elf64_Shdr *sections = image->sections;

#define PART(field) offsetof(struct elf_image, field), sizeof(image->field)
	sections[SECTION_TEXT] =
		image_section(".text", SHT_PROGBITS, data - IMAGE_PAGE, PART(text), 0);
	sections[SECTION_RUNTIME] = image_section(".PyRuntime", SHT_PROGBITS, data + 64,
						  offsetof(struct elf_image, data) + 64, 128, 0);
	sections[SECTION_DYNSYM] =
		image_section(".dynsym", SHT_DYNSYM, 0, PART(dynsym), sizeof(Elf64_Sym));
	sections[SECTION_DYNSTR] = image_section(".dynstr", SHT_STRTAB, 0, PART(strings), 0);
	sections[SECTION_VERSYM] =
		image_section(".gnu.version", SHT_GNU_versym, 0, PART(versions), 2);
	sections[SECTION_VERSYM].sh_link = SECTION_DYNSYM;
	sections[SECTION_SYMTAB] =
		image_section(".symtab", SHT_SYMTAB, 0, PART(symtab), sizeof(Elf64_Sym));
	sections[SECTION_DYNAMIC] =
		image_section(".dynamic", SHT_DYNAMIC, 0, PART(dynamic), sizeof(Elf64_Dyn));
	sections[SECTION_RELA] =
		image_section(".rela.plt", SHT_RELA, 0, PART(rela), sizeof(Elf64_Rela));
	sections[SECTION_RELA].sh_link = SECTION_DYNSYM;
	sections[SECTION_NAMES] = image_section(".shstrtab", SHT_STRTAB, 0, PART(strings), 0);
#undef PART
}

/* type: ET_EXEC or ET_DYN */
static inline void image_build(struct elf_image *image, unsigned type)
{
	uint64_t base = type == ET_EXEC ? IMAGE_BASE : 0, text = base + IMAGE_PAGE,
		 data = text + IMAGE_PAGE;

	memset(image, 0, sizeof(*image));
	image->header = (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
						 ELFDATA2LSB, EV_CURRENT},
				     .e_type = (Elf64_Half)type,
				     .e_machine = EM_X86_64,
				     .e_version = EV_CURRENT,
				     .e_phoff = offsetof(struct elf_image, segments),
				     .e_shoff = offsetof(struct elf_image, sections),
				     .e_ehsize = sizeof(Elf64_Ehdr),
				     .e_phentsize = sizeof(Elf64_Phdr),
				     .e_phnum = 2,
				     .e_shentsize = sizeof(Elf64_Shdr),
				     .e_shnum = N_SECTIONS,
				     .e_shstrndx = SECTION_NAMES};
	image->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
					  .p_flags = PF_R | PF_X,
					  .p_offset = offsetof(struct elf_image, text),
					  .p_vaddr = text,
					  .p_filesz = sizeof(image->text),
					  .p_memsz = sizeof(image->text)};
	image->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
					  .p_flags = PF_R | PF_W,
					  .p_offset = offsetof(struct elf_image, data),
					  .p_vaddr = data,
					  .p_filesz = sizeof(image->data),
					  .p_memsz = sizeof(image->data) + 512};
	image_sections(image, data);
	image->dynsym[1] = image_symbol("twice", STT_FUNC, text + 16, 8, SECTION_TEXT);
	image->dynsym[2] = image_symbol("twice", STT_FUNC, text + 32, 9, SECTION_TEXT);
	image->dynsym[3] = image_symbol("data_word", STT_OBJECT, data + 8, 8, SECTION_RUNTIME);
	image->dynsym[4] =
		image_symbol("outside", STT_OBJECT, 0x7fff00000000ull, 8, SECTION_RUNTIME);
	image->dynsym[5] = image_symbol("imported", STT_FUNC, 0, 0, SHN_UNDEF);
	image->symtab[1] = image_symbol("hidden", STT_GNU_IFUNC, text + 48, 10, SECTION_TEXT);
	image->symtab[2] = image_symbol("thread_word", STT_TLS, 24, 8, SECTION_TEXT);
	image->versions[1] = 0x8000 | 2; /* hidden: for old binaries */
	image->versions[2] = 3;
	image->versions[3] = image->versions[4] = image->versions[5] = 1;
	image->dynamic[0] =
		(Elf64_Dyn){.d_tag = DT_SONAME, .d_un.d_val = image_string("libimage.so.1")};
	image->rela[0] =
		(Elf64_Rela){.r_offset = data, .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE)};
	image->rela[1] =
		(Elf64_Rela){.r_offset = data + 16, .r_info = ELF64_R_INFO(5, R_X86_64_JUMP_SLOT)};
	memcpy(image->strings, IMAGE_STRINGS, sizeof(image->strings));
	for (unsigned i = 0; i < sizeof(image->text); i++)
		image->text[i] = (uint8_t)i;
}

#endif
