/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/pages.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "census/memory.h"
#include "target/pagemap.h"
#include "target/remote_mem.h"

struct pages {
	pid_t pid;
	int pagemap;
	uint64_t address[PAGES_KEPT]; /* 0: none */
	uint8_t bytes[PAGES_KEPT][MEMORY_PAGE];
};

struct pages *pages_new(pid_t pid)
{
	struct pages *pages = calloc(1, sizeof(*pages));

	if (!pages)
		return NULL;
	pages->pid = pid;
	pages->pagemap = pagemap_open(pid);
	return pages;
}

void pages_free(struct pages *pages)
{
	if (!pages)
		return;
	if (pages->pagemap >= 0)
		close(pages->pagemap);
	free(pages);
}

static bool is_present(const struct pages *pages, uint64_t page)
{
	uint64_t flags;

	return pages->pagemap < 0 ||
	       (pagemap_read(pages->pagemap, page, &flags, 1) == 1 && flags & PAGE_PRESENT);
}

bool pages_read(struct pages *pages, uint64_t address, uint64_t *value)
{
	uint64_t page = address & ~(uint64_t)(MEMORY_PAGE - 1);
	size_t slot = page / MEMORY_PAGE % PAGES_KEPT;

	if (address % 8 || !page || page > INT64_MAX)
		return false;
	if (pages->address[slot] != page) {
		pages->address[slot] = 0;
		if (!is_present(pages, page) ||
		    remote_read(pages->pid, page, pages->bytes[slot], MEMORY_PAGE))
			return false;
		pages->address[slot] = page;
	}
	memcpy(value, pages->bytes[slot] + (address - page), sizeof(*value));
	return true;
}
