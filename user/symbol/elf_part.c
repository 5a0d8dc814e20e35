/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/elf_part.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/*
 * Without these libelf would take the numbers of sections and segments from where they have 32
 * bits, and allocate for each.
 */
static bool has_sane_counts(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       header->e_phnum != PN_XNUM && header->e_shnum < ELF_PART_SECTIONS &&
	       (header->e_shnum != 0 || header->e_shoff == 0);
}

/* Are the tables that libelf reads whole of a bearable size? */
static bool has_sane_tables(Elf *elf)
{
	Elf_Scn *section = NULL;
	uint64_t sum = 0;

	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header))
			return false;
		if (header.sh_type != SHT_STRTAB && header.sh_type != SHT_SYMTAB &&
		    header.sh_type != SHT_DYNSYM && header.sh_type != SHT_NOTE)
			continue;
		if (header.sh_size > ELF_PART_TABLES - sum)
			return false;
		sum += header.sh_size;
	}
	return true;
}

static Elf *checked(Elf *elf)
{
	if (elf && elf_kind(elf) == ELF_K_ELF && has_sane_tables(elf))
		return elf;
	elf_end(elf);
	return NULL;
}

Elf *elf_part_open(int fd)
{
	Elf64_Ehdr header;

	elf_version(EV_CURRENT);
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) || !has_sane_counts(&header))
		return NULL;
	return checked(elf_begin(fd, ELF_C_READ, NULL));
}

Elf *elf_part_open_image(char *image, size_t size)
{
	Elf64_Ehdr header;

	elf_version(EV_CURRENT);
	if (size < sizeof(header))
		return NULL;
	memcpy(&header, image, sizeof(header));
	return has_sane_counts(&header) ? checked(elf_memory(image, size)) : NULL;
}

/* The next section that has contents in the file; NULL after the last. */
static Elf_Scn *next(Elf *elf, Elf_Scn *section, GElf_Shdr *header, const char **name)
{
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, header) || header->sh_type == SHT_NOBITS)
			continue;
		*name = elf_strptr(elf, names, header->sh_name);
		if (*name)
			return section;
	}
	return NULL;
}

Elf_Scn *elf_part_find(Elf *elf, const char *name, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;
	const char *candidate;

	while ((section = next(elf, section, header, &candidate)))
		if (strcmp(candidate, name) == 0)
			return section;
	return NULL;
}

const void *elf_part_bytes(Elf *elf, const char *name, size_t most, size_t *size)
{
	GElf_Shdr header;
	Elf_Scn *section = elf_part_find(elf, name, &header);
	Elf_Data *data = section && header.sh_size <= most ? elf_rawdata(section, NULL) : NULL;

	if (!data || !data->d_buf || !data->d_size)
		return NULL;
	*size = data->d_size;
	return data->d_buf;
}
