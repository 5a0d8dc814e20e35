/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/bss.h"

#include <elf.h>
#include <string.h>

#include "target/remote_mem.h"

#define PAGE 4096ull

/* The mapping of the file's begin, before the one at `last`. */
static const struct map_range *find_begin(const struct maps *maps, size_t last)
{
	const struct map_range *file = &maps->ranges[last];

	for (size_t i = last + 1; i--;) {
		const struct map_range *range = &maps->ranges[i];

		if (range->inode == file->inode && range->dev_major == file->dev_major &&
		    range->dev_minor == file->dev_minor && !range->offset)
			return range;
	}
	return NULL;
}

uint64_t bss_end(const struct maps *maps, size_t i)
{
	Elf64_Phdr headers[BSS_HEADERS];
	uint64_t first = UINT64_MAX, end = 0, start;
	const struct map_range *begin;
	Elf64_Ehdr elf;

	if (!i || !maps->ranges[i - 1].inode || !maps->ranges[i - 1].writable ||
	    maps->ranges[i - 1].end != maps->ranges[i].start || maps->ranges[i].path[0])
		return 0;
	begin = find_begin(maps, i - 1);
	if (!begin || remote_read(maps->pid, begin->start, &elf, sizeof(elf)) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf.e_phentsize != sizeof(headers[0]) || elf.e_phnum > BSS_HEADERS ||
	    elf.e_phoff > begin->end - begin->start ||
	    remote_read(maps->pid, begin->start + elf.e_phoff, headers,
			elf.e_phnum * sizeof(headers[0])))
		return 0;
	for (size_t j = 0; j < elf.e_phnum; j++) {
		if (headers[j].p_type != PT_LOAD)
			continue;
		if (headers[j].p_vaddr < first)
			first = headers[j].p_vaddr;
		if (headers[j].p_vaddr + headers[j].p_memsz > end)
			end = headers[j].p_vaddr + headers[j].p_memsz;
	}
	start = maps->ranges[i].start;
	if (end <= first)
		return 0;
	end = begin->start + (end - (first & ~(PAGE - 1)) + PAGE - 1) / PAGE * PAGE;
	return end > start && end <= maps->ranges[i].end ? end : 0;
}
