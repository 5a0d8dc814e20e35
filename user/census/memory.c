/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "target/pagemap.h"
#include "target/remote_mem.h"
#include "target/sharing.h"

/* PAGEMAP_SCAN of linux/fs.h; Debian 12's is older than that */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan_argument {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define REGIONS         64 /* that are asked for at a time */
#define SCAN            _IOWR('f', 16, struct scan_argument)
#define SCAN_IS_PRESENT (1ull << 3)
#define SCAN_IS_SWAPPED (1ull << 4)

/* Less of a mapping in memory: it is not read where it is not known which pages these are. */
#define SPARSE_BYTES (1u << 20) /* and the mapping is larger than this */
#define SPARSE_SHARE 4          /* a fourth */

static bool is_sparse(const struct usage_range *range)
{
	return range && range->end - range->start > SPARSE_BYTES &&
	       range->resident < (range->end - range->start) / SPARSE_SHARE;
}

static int look_at_usage(struct memory *memory, struct err *err)
{
	int result = usage_read(&memory->usage, memory->pid, err);

	return result ? result : sharing_check_usage(&memory->usage, memory->pid, err);
}

int memory_open(struct memory *memory, pid_t pid, struct err *err)
{
	*memory = (struct memory){.pid = pid};
	memory->bytes = malloc(MEMORY_WINDOW);
	if (!memory->bytes)
		return err_set(err, ERR_FAILED, "no memory to read pid %d", (int)pid);
	memory->pagemap = pagemap_open(pid);
	return memory->pagemap < 0 ? look_at_usage(memory, err) : sharing_check(pid, err);
}

void memory_close(struct memory *memory)
{
	free(memory->bytes);
	memory->bytes = NULL;
	usage_free(&memory->usage);
	if (memory->pagemap >= 0)
		close(memory->pagemap);
	memory->pagemap = -1;
}

bool memory_is_heap(const struct map_range *range)
{
	if (!range->readable || !range->writable || range->shared || range->inode)
		return false;
	return !range->path[0] || !strcmp(range->path, "[heap]") ||
	       !strncmp(range->path, "[anon", 5);
}

void memory_begin(struct memory *memory, const struct map_range *range)
{
	struct usage_range *usage = usage_at(&memory->usage, range->start);

	memory->start = range->start;
	memory->length = 0;
	memory->end = range->end;
	memory->sparse = is_sparse(usage);
	if (memory->sparse && !usage->is_left_out) {
		usage->is_left_out = true;
		memory->sparse_bytes += usage->resident;
	}
}

/*
 * The populated parts of [start, end), as PAGEMAP_SCAN says; it looks at no more than the page
 * tables.
 *
 * return how many, at most n; -1: unavailable
 */
static int scan_regions(struct memory *memory, uint64_t start, uint64_t end,
			struct scan_region *regions, size_t n)
{
	struct scan_argument argument = {
		.size = sizeof(argument),
		.start = start,
		.end = end,
		.vec = (uint64_t)(uintptr_t)regions,
		.vec_len = n,
		.category_anyof_mask = SCAN_IS_PRESENT | SCAN_IS_SWAPPED,
		.return_mask = SCAN_IS_PRESENT | SCAN_IS_SWAPPED,
	};
	int found;

	if (memory->pagemap < 0 || memory->no_scan || start >= end)
		return -1;
	found = ioctl(memory->pagemap, SCAN, &argument);
	memory->no_scan = found < 0;
	return found;
}

/* in  words: of pagemap, one a page */
static void ask_present(struct memory *memory, size_t n_pages, uint64_t *words)
{
	ssize_t got = pagemap_read(memory->pagemap, memory->start, words, n_pages);

	memory->gone |= got == 0;
	for (size_t i = 0; i < n_pages; i++) {
		if (got < 0)
			words[i] = memory->sparse ? 0 : PAGE_PRESENT;
		else if (i >= (size_t)got)
			words[i] = 0;
		memory->present[i] = words[i] & PAGE_PRESENT;
		memory->swapped_pages += !!(words[i] & PAGE_SWAPPED);
	}
}

static void read_runs(struct memory *memory, struct remote_item *runs, size_t n, bool sole)
{
	if (sole)
		remote_read_sole(memory->pid, runs, n);
	else
		remote_read_many(memory->pid, runs, n);
	for (size_t i = 0; i < n; i++) {
		if (!runs[i].result)
			memory->read_bytes += runs[i].length;
		memory->gone |= runs[i].result == -ESRCH || runs[i].result == -EPERM;
	}
}

/* Fill the window from a page on, present pages only; each run of them is one read. */
static void fill(struct memory *memory, uint64_t address)
{
	struct remote_item runs[2][MEMORY_PAGES / 2 + 1]; /* shared ones, and the target's alone */
	uint64_t words[MEMORY_PAGES];
	size_t n_pages, n_runs[2] = {0};

	memory->start = address & ~(uint64_t)(MEMORY_PAGE - 1);
	memory->length = memory->end - memory->start < MEMORY_WINDOW ? memory->end - memory->start
								     : MEMORY_WINDOW;
	n_pages = memory->length / MEMORY_PAGE;
	ask_present(memory, n_pages, words);
	for (size_t i = 0; i < n_pages; i++) {
		uint8_t *page = memory->bytes + i * MEMORY_PAGE;
		bool sole = words[i] & PAGE_SOLE;

		if (!memory->present[i])
			memset(page, 0, MEMORY_PAGE);
		else if (i && memory->present[i - 1] && sole == !!(words[i - 1] & PAGE_SOLE))
			runs[sole][n_runs[sole] - 1].length += MEMORY_PAGE;
		else
			runs[sole][n_runs[sole]++] = (struct remote_item){
				memory->start + i * MEMORY_PAGE, page, MEMORY_PAGE, 0};
	}
	/* these first: the longer ago pagemap was asked, the less it says */
	read_runs(memory, runs[true], n_runs[true], true);
	read_runs(memory, runs[false], n_runs[false], false);
	if (memory->moved)
		memory->moved(memory->context, memory->read_bytes);
}

const uint8_t *memory_here(const struct memory *memory, uint64_t address, size_t length)
{
	if (address < memory->start || address - memory->start > memory->length ||
	    memory->length - (address - memory->start) < length)
		return NULL;
	return memory->bytes + (address - memory->start);
}

const uint8_t *memory_peek(struct memory *memory, uint64_t address, size_t length)
{
	const uint8_t *here = memory_here(memory, address, length);

	if (here)
		return here;
	if (address >= memory->end || memory->end - address < length)
		return NULL;
	fill(memory, address);
	return memory_here(memory, address, length);
}

bool memory_page_present(const struct memory *memory, uint64_t address)
{
	return memory->present[(address - memory->start) / MEMORY_PAGE];
}

/* The first page from this one on that is in memory or swapped out; at most the end of the
 * range. */
static uint64_t next_populated(struct memory *memory, uint64_t page)
{
	struct scan_region region;
	int n = memory->sparse ? 0 : scan_regions(memory, page, memory->end, &region, 1);

	if (n < 0 || (n > 0 && region.start < page))
		return page;
	return n > 0 ? region.start : memory->end;
}

uint64_t memory_after_absent(struct memory *memory, uint64_t page)
{
	uint64_t end = memory->start + memory->length;
	bool found = page != memory->start; /* something before it is there */

	for (page += MEMORY_PAGE; page < end; page += MEMORY_PAGE)
		if (memory_page_present(memory, page))
			return page;
	return found ? page : next_populated(memory, page);
}

static uint64_t clip(uint64_t page, uint64_t start, uint64_t end)
{
	uint64_t first = page > start ? page : start, last = page + MEMORY_PAGE;

	return (last < end ? last : end) - first;
}

/* Of [start, end), beyond the window, by PAGEMAP_SCAN. false: unavailable in this way. */
static bool scan_resident(struct memory *memory, uint64_t start, uint64_t end, uint64_t *sum)
{
	struct scan_region regions[REGIONS];
	uint64_t page = start & ~(uint64_t)(MEMORY_PAGE - 1);
	uint64_t found = 0;
	int n = REGIONS;

	/* it looks at page tables, of 512 pages each, and at the pages that are there */
	memory->asked_pages += 1 + (end - start) / MEMORY_PAGE / 512;
	while (n == REGIONS) {
		n = scan_regions(memory, page, end, regions, REGIONS);
		if (n < 0)
			return false;
		for (int i = 0; i < n; i++) {
			uint64_t from = regions[i].start > start ? regions[i].start : start,
				 to = regions[i].end < end ? regions[i].end : end;

			memory->asked_pages += 1 + (to - from) / MEMORY_PAGE;
			found += regions[i].categories & SCAN_IS_SWAPPED ? 0 : to - from;
			page = regions[i].end;
		}
	}
	*sum += found;
	return true;
}

/* The same by reading pagemap. */
static uint64_t read_resident(struct memory *memory, uint64_t start, uint64_t end)
{
	uint64_t words[MEMORY_PAGES], sum = 0, page = start & ~(uint64_t)(MEMORY_PAGE - 1);

	while (page < end) {
		uint64_t left = (end - page + MEMORY_PAGE - 1) / MEMORY_PAGE;
		size_t n = left < MEMORY_PAGES ? (size_t)left : MEMORY_PAGES;
		ssize_t got;

		if (memory->asked_pages >= MEMORY_ASKED_MAX)
			return sum + end - (page > start ? page : start);
		got = pagemap_read(memory->pagemap, page, words, n);
		memory->asked_pages += n;
		if (got < 1)
			break;
		n = (size_t)got;
		for (size_t i = 0; i < n; i++, page += MEMORY_PAGE)
			if (words[i] & PAGE_PRESENT)
				sum += clip(page, start, end);
	}
	return sum;
}

uint64_t memory_resident(struct memory *memory, uint64_t start, uint64_t end)
{
	uint64_t sum = 0, page = start & ~(uint64_t)(MEMORY_PAGE - 1);

	if (memory->pagemap < 0)
		return end - start;
	/* mostly it is a small part of the window */
	while (page < end && page >= memory->start && page - memory->start < memory->length) {
		if (memory_page_present(memory, page))
			sum += clip(page, start, end);
		page += MEMORY_PAGE;
	}
	start = page > start ? page : start;
	if (start >= end)
		return sum;
	if (memory->asked_pages >= MEMORY_ASKED_MAX)
		return sum + end - start;
	if (scan_resident(memory, start, end, &sum))
		return sum;
	return sum + read_resident(memory, start, end);
}
