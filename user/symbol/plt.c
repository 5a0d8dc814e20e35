/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/plt.h"

#include <stdbool.h>
#include <string.h>

#include <gelf.h>

#define SECTIONS_MAX 65536
#define ENTRY        16     /* bytes; of .plt.got without endbr64 8 */
#define BRANCH       0xf2   /* the prefix bnd */
#define JMP_MODRM    0x25ff /* jmp *disp32(%rip) */

/* The section .plt* that holds the address. */
static bool find_section(Elf *elf, uint64_t vaddr, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((section = elf_nextscn(elf, section)) && elf_ndxscn(section) < SECTIONS_MAX) {
		const char *name;

		if (!gelf_getshdr(section, header) || header->sh_type != SHT_PROGBITS ||
		    vaddr < header->sh_addr || vaddr - header->sh_addr >= header->sh_size)
			continue;
		name = elf_strptr(elf, names, header->sh_name);
		if (name && strncmp(name, ".plt", 4) == 0)
			return true;
	}
	return false;
}

/* Where the word is through which an entry jumps; 0: it does not. */
static uint64_t word_of(Elf *elf, const GElf_Shdr *header, uint64_t start, size_t size)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	uint64_t offset = header->sh_offset + (start - header->sh_addr);
	Elf_Data *data = offset > INT64_MAX
				 ? NULL
				 : elf_getdata_rawchunk(elf, (int64_t)offset, size, ELF_T_BYTE);
	const uint8_t *bytes = data ? data->d_buf : NULL;
	uint16_t opcode;
	int32_t distance;
	size_t at = 0;

	if (!bytes || data->d_size < size)
		return 0;
	if (memcmp(bytes, endbr64, sizeof(endbr64)) == 0)
		at += sizeof(endbr64);
	if (bytes[at] == BRANCH)
		at++;
	if (at + sizeof(opcode) + sizeof(distance) > size)
		return 0;
	memcpy(&opcode, bytes + at, sizeof(opcode));
	memcpy(&distance, bytes + at + sizeof(opcode), sizeof(distance));
	if (opcode != JMP_MODRM)
		return 0;
	return start + at + sizeof(opcode) + sizeof(distance) + (uint64_t)(int64_t)distance;
}

static const char *name_in(Elf *elf, const GElf_Shdr *header, Elf_Scn *section, uint64_t word)
{
	Elf_Data *data = elf_getdata(section, NULL), *symbols;
	GElf_Shdr symbols_header;
	GElf_Rela entry;
	Elf_Scn *other = elf_getscn(elf, header->sh_link);

	if (!other || !gelf_getshdr(other, &symbols_header) || symbols_header.sh_type != SHT_DYNSYM)
		return NULL;
	symbols = elf_getdata(other, NULL);
	for (unsigned i = 0; data && symbols && i < PLT_BYTES / sizeof(entry); i++) {
		GElf_Sym symbol;

		if (!gelf_getrela(data, (int)i, &entry))
			break;
		if (entry.r_offset == word && GELF_R_SYM(entry.r_info) &&
		    gelf_getsym(symbols, (int)GELF_R_SYM(entry.r_info), &symbol))
			return elf_strptr(elf, symbols_header.sh_link, symbol.st_name);
	}
	return NULL;
}

const char *plt_target(Elf *elf, uint64_t vaddr, uint64_t *start)
{
	GElf_Ehdr file;
	GElf_Shdr header;
	Elf_Scn *section = NULL;
	const char *name = NULL;
	uint64_t word, size, left = PLT_BYTES;

	if (!gelf_getehdr(elf, &file) || file.e_machine != EM_X86_64 ||
	    !find_section(elf, vaddr, &header))
		return NULL;
	size = header.sh_entsize == ENTRY / 2 ? ENTRY / 2 : ENTRY;
	*start = vaddr - (vaddr - header.sh_addr) % size;
	word = word_of(elf, &header, *start, size);
	while (word && !name && (section = elf_nextscn(elf, section)) &&
	       elf_ndxscn(section) < SECTIONS_MAX)
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA &&
		    header.sh_size <= left) {
			left -= header.sh_size;
			name = name_in(elf, &header, section, word);
		}
	return name;
}
