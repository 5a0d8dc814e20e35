/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/pool_find.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/pool.h"
#include "census/memory.h"
#include "target/maps.h"
#include "target/pagemap.h"
#include "target/remote_mem.h"

#define BATCH 512

/* Larger ranges are reservations: the shadow of a sanitizer, a sandbox. */
#define RANGE_MAX (64ull << 30)

#define NEXT      offsetof(struct abi_pool_header, next_pool)

/* A pool with free blocks. */
struct member {
	uint64_t address, next, kind;
};

struct search {
	pid_t pid;
	uint32_t pool_size, block_size;
	int pagemap; /* -1: every page counts as being there */
	size_t n_read;
	struct member *members; /* by address */
	size_t n;
};

static bool serves(const struct search *search, const struct abi_pool_header *header)
{
	uint32_t size = ABI_POOL_BLOCK_SIZE(&header->size, search->pool_size);

	return size == search->block_size && ABI_POOL_CLASS_AGREES(&header->size, size) &&
	       header->n_used && header->n_used < (search->pool_size - ABI_POOL_HEADER) / size &&
	       header->free && header->next_pool && header->next_pool % 8 == 0;
}

static void look_at(struct search *search, uint64_t address, size_t n)
{
	struct abi_pool_header headers[BATCH];
	struct remote_item items[BATCH];
	uint32_t pages = search->pool_size / PAGEMAP_PAGE;
	uint64_t words[BATCH];
	size_t n_there = 0;

	/* asking for a page that is not there would bring it in */
	if (pagemap_read(search->pagemap, address, words, n * pages) != (ssize_t)(n * pages))
		for (size_t i = 0; i < n * pages; i++)
			words[i] = search->pagemap < 0 ? PAGE_PRESENT : 0;
	for (size_t i = 0; i < n; i++) {
		if (!(words[i * pages] & PAGE_PRESENT))
			continue;
		items[n_there] = (struct remote_item){.address = address + i * search->pool_size,
						      .buffer = &headers[n_there],
						      .length = sizeof(headers[0])};
		n_there++;
	}
	n = n_there;
	search->n_read += n;
	remote_read_many(search->pid, items, n);
	for (size_t i = 0; i < n && search->n < POOL_FIND_RING; i++) {
		struct member *member = &search->members[search->n];

		if (items[i].result || !serves(search, &headers[i]))
			continue;
		*member = (struct member){items[i].address, headers[i].next_pool, 0};
		memcpy(&member->kind, &headers[i].size, sizeof(member->kind));
		search->n++;
	}
}

static void look_at_range(struct search *search, const struct map_range *range)
{
	uint32_t pages = search->pool_size / PAGEMAP_PAGE;
	uint64_t at =
		(range->start + search->pool_size - 1) / search->pool_size * search->pool_size;

	while (at + search->pool_size <= range->end && search->n_read < POOL_FIND_HEADERS) {
		size_t n = (range->end - at) / search->pool_size;

		n = n < BATCH / pages ? n : BATCH / pages;
		look_at(search, at, n);
		at += n * search->pool_size;
	}
}

static int compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static const struct member *member_at(const struct search *search, uint64_t address)
{
	const struct member key = {.address = address};

	return bsearch(&key, search->members, search->n, sizeof(key), compare);
}

/* The pool that serves: what follows the header that is no pool. NULL: it is not found. */
static const struct member *find_head(const struct search *search)
{
	for (size_t i = 0; i < search->n; i++) {
		uint64_t entry = search->members[i].next, head;

		if (member_at(search, entry) || remote_read_u64(search->pid, entry + NEXT, &head))
			continue;
		if (member_at(search, head))
			return member_at(search, head);
	}
	return NULL;
}

static unsigned take(struct pool_place places[CONTAINER_WATCH_MAX], const struct search *search)
{
	const struct member *member = find_head(search);
	unsigned n = 0;

	while (member && n < CONTAINER_WATCH_MAX) {
		for (unsigned i = 0; i < n; i++)
			if (places[i].address == member->address)
				return n;
		places[n++] = (struct pool_place){member->address, member->kind};
		member = member_at(search, member->next);
	}
	return n;
}

int pool_find(struct pool_place places[CONTAINER_WATCH_MAX], unsigned *n,
	      const struct target *target, uint32_t block_size, struct err *err)
{
	struct search search = {.pid = target->process.pid,
				.pool_size = target->runtime.layout.arena_size / 64,
				.block_size = block_size,
				.pagemap = pagemap_open(target->process.pid),
				.members = malloc(POOL_FIND_RING * sizeof(*search.members))};
	struct maps maps;
	int result;

	*n = 0;
	if (!search.members)
		result = err_set(err, ERR_FAILED, "no memory to look for pools");
	else if (search.pool_size < PAGEMAP_PAGE || search.pool_size > BATCH * PAGEMAP_PAGE)
		result = -ERR_TARGET;
	else
		result = maps_read(&maps, search.pid, err);
	if (!result) {
		for (size_t i = 0; i < maps.n_ranges; i++)
			if (memory_is_heap(&maps.ranges[i]) &&
			    maps.ranges[i].end - maps.ranges[i].start <= RANGE_MAX)
				look_at_range(&search, &maps.ranges[i]);
		maps_fini(&maps);
		qsort(search.members, search.n, sizeof(*search.members), compare);
		*n = take(places, &search);
		if (!*n)
			result = err_set(err, ERR_TARGET, "no pool of %u bytes has free blocks",
					 block_size);
	}
	if (search.pagemap >= 0)
		close(search.pagemap);
	free(search.members);
	return result;
}

static bool has(const struct pool_place *places, unsigned n, uint64_t address)
{
	for (unsigned i = 0; i < n; i++)
		if (places[i].address == address)
			return true;
	return false;
}

void pool_find_again(struct pool_place *places, unsigned n, const struct target *target,
		     uint32_t block_size)
{
	struct pool_place now[CONTAINER_WATCH_MAX];
	unsigned n_now;

	if (pool_find(now, &n_now, target, block_size, NULL))
		return;
	for (unsigned i = 0; i < n && n_now < n; i++)
		if (!has(now, n_now, places[i].address))
			now[n_now++] = places[i];
	memcpy(places, now, n * sizeof(*places));
}
