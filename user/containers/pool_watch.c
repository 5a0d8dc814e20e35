/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/pool_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "containers/pool_births.h"
#include "probe/session_maps.h"
#include "probe/session_watch.h"
#include "python/object.h"
#include "target/remote_mem.h"

/* to read a pool between two changes */
#define TRIES 64

struct snapshot {
	struct pool_place place;
	uint8_t bytes[POOL_SIZE_MAX];
	size_t hits; /* that came before */
	bool taken;
};

/* Blocks of one stack and one type that stayed. */
struct group {
	uint32_t site;
	unsigned type;
	uint64_t stayed;
};

struct pool_watch {
	const struct target *target;
	struct session *session;
	uint32_t pool_size;
	struct snapshot pools[CONTAINER_WATCH_MAX];
	unsigned n;
	bool known;
	double followed_s;
	struct group *groups;
	size_t n_groups, room;
	struct {
		char name[PY_TYPE_NAME_MAX];
		uint64_t address, stayed;
	} types[POOL_WATCH_TYPES];
	unsigned n_types;
	/* while one pool is looked at */
	struct pool_births births;
};

struct pool_watch *pool_watch_new(const struct target *target, struct session *session,
				  const struct pool_place *places, unsigned n)
{
	struct pool_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->target = target;
	watch->session = session;
	watch->pool_size = target->runtime.layout.arena_size / 64;
	watch->n = n;
	for (unsigned i = 0; i < n; i++)
		watch->pools[i].place = places[i];
	return watch;
}

void pool_watch_free(struct pool_watch *watch)
{
	if (watch)
		free(watch->groups);
	free(watch);
}

/* ---- the beginning -------------------------------------------------------------------------- */

static bool read_pool(const struct pool_watch *watch, uint64_t address, uint8_t *bytes)
{
	return watch->pool_size <= POOL_SIZE_MAX &&
	       !remote_read(watch->target->process.pid, address, bytes, watch->pool_size);
}

/* A change that is on its way has been made, but is not counted: then the first free block is
 * another one than the last change left. */
static bool take_snapshot(struct pool_watch *watch, unsigned i)
{
	struct snapshot *pool = &watch->pools[i];
	uint64_t first;
	size_t after;

	session_class_hits(watch->session, &pool->hits);
	if (!read_pool(watch, pool->place.address, pool->bytes))
		return false;
	session_class_hits(watch->session, &after);
	memcpy(&first, pool->bytes + POOL_FREE, sizeof(first));
	return after == pool->hits && (int64_t)first == session_watch(watch->session, i)->last;
}

void pool_watch_begin(struct pool_watch *watch)
{
	for (unsigned i = 0; i < watch->n; i++)
		for (unsigned try = 0; try < TRIES && !watch->pools[i].taken; try++)
			watch->pools[i].taken = take_snapshot(watch, i);
}

/* ---- the end -------------------------------------------------------------------------------- */

static bool is_of(const struct session_view *view, uint32_t site, unsigned number)
{
	if (site < ABI_FIRST_SITE)
		return site == number;
	return site < view->n_sites && view->sites[site].domain == number;
}

/* The changes of one pool since its snapshot. NULL: memory is out */
static struct pool_change *changes_of(const struct pool_watch *watch, unsigned number, size_t *n)
{
	const struct snapshot *pool = &watch->pools[number];
	struct session_view view;
	size_t n_hits;
	const struct abi_class_hit *hits = session_class_hits(watch->session, &n_hits);
	struct pool_change *changes = malloc((n_hits + 1) * sizeof(*changes));
	uint32_t first;

	*n = 0;
	memcpy(&first, pool->bytes + POOL_FREE, sizeof(first));
	session_look(watch->session, &view);
	for (size_t i = pool->hits; i < n_hits && changes; i++) {
		if (!is_of(&view, hits[i].site, number))
			continue;
		/* the difference of two addresses, cut off: so is the sum */
		first += (uint32_t)hits[i].step;
		changes[(*n)++] = (struct pool_change){hits[i].time_ns, hits[i].site, first};
	}
	return changes;
}

static unsigned type_index(struct pool_watch *watch, const struct py_type *type)
{
	const char *name = type ? type->name : "[buffer]";

	for (unsigned i = 0; i < watch->n_types; i++)
		if (strcmp(watch->types[i].name, name) == 0)
			return i;
	if (watch->n_types == POOL_WATCH_TYPES)
		return POOL_WATCH_TYPES;
	snprintf(watch->types[watch->n_types].name, PY_TYPE_NAME_MAX, "%s", name);
	watch->types[watch->n_types].address = type ? type->address : HEAP_WATCH_BUFFERS;
	return watch->n_types++;
}

static struct group *group_of(struct pool_watch *watch, uint32_t site, unsigned type)
{
	for (size_t i = 0; i < watch->n_groups; i++)
		if (watch->groups[i].site == site && watch->groups[i].type == type)
			return &watch->groups[i];
	if (watch->n_groups == watch->room) {
		size_t room = watch->room ? 2 * watch->room : 64;
		struct group *groups = realloc(watch->groups, room * sizeof(*groups));

		if (!groups)
			return NULL;
		watch->groups = groups;
		watch->room = room;
	}
	watch->groups[watch->n_groups] = (struct group){.site = site, .type = type};
	return &watch->groups[watch->n_groups++];
}

static void add_block(struct pool_watch *watch, struct py_types *types, uint64_t address,
		      const uint8_t *block, uint32_t site)
{
	uint32_t size = watch->births.block_size;
	size_t length = size < PY_BLOCK_HEAD_MAX ? size : PY_BLOCK_HEAD_MAX;
	unsigned type = type_index(watch, py_block_type(types, address, size, block, length));
	struct group *group = type < POOL_WATCH_TYPES ? group_of(watch, site, type) : NULL;

	if (!group)
		return;
	group->stayed++;
	watch->types[type].stayed++;
}

/* What has become of the blocks that were given out until then? */
static void look_at_blocks(struct pool_watch *watch, struct py_types *types, uint64_t address,
			   const uint8_t *bytes, const struct pool_change *changes,
			   uint64_t until_ns)
{
	struct pool now;

	if (pool_parse(&now, bytes, address, watch->pool_size) != POOL_LIVE)
		return;
	for (uint32_t i = 0; i < now.n_blocks; i++) {
		size_t born = watch->births.born[i];
		uint64_t offset = POOL_HEADER + (uint64_t)i * now.block_size;

		if (born == POOL_NOT_BORN || changes[born].time_ns > until_ns ||
		    pool_block_is_free(&now, i))
			continue;
		add_block(watch, types, address + offset, bytes + offset, changes[born].site);
	}
}

static void look_at_pool(struct pool_watch *watch, struct py_types *types, unsigned i,
			 uint64_t until_ns)
{
	const struct snapshot *pool = &watch->pools[i];
	uint8_t bytes[POOL_SIZE_MAX];
	struct pool_change *changes;
	size_t n;

	if (!pool->taken || !read_pool(watch, pool->place.address, bytes))
		return;
	changes = changes_of(watch, i, &n);
	if (changes)
		pool_births_find(&watch->births, pool->bytes, pool->place.address, watch->pool_size,
				 changes, n);
	if (changes && watch->births.known) {
		watch->known = true;
		look_at_blocks(watch, types, pool->place.address, bytes, changes, until_ns);
	}
	free(changes);
}

void pool_watch_end(struct pool_watch *watch, uint64_t until_ns, double followed_s)
{
	struct py_types *types = py_types_new(watch->target->process.pid, &watch->target->runtime);

	watch->followed_s = followed_s;
	for (unsigned i = 0; i < watch->n && types; i++)
		look_at_pool(watch, types, i, until_ns);
	py_types_free(types);
}

static void fill_row(struct pool_watch *watch, struct watch_hits *hits, struct profile *about,
		     unsigned type, struct heap_watch_row *row)
{
	struct heap_watch_instances *instances = profile_alloc(about, sizeof(*instances));
	struct watch_hits_site *sites =
		profile_alloc(about, (watch->n_groups + 1) * sizeof(*sites));
	size_t n = 0;

	for (size_t i = 0; i < watch->n_groups; i++)
		if (watch->groups[i].type == type)
			sites[n++] = (struct watch_hits_site){
				.site = watch->groups[i].site,
				.inserted = watch->groups[i].stayed,
			};
	*instances = (struct heap_watch_instances){.known = true,
						   .sampled = true,
						   .made = watch->types[type].stayed,
						   .followed_s = watch->followed_s};
	row->instances = instances;
	row->path = row->type = profile_str(about, watch->types[type].name, -1);
	row->address = watch->types[type].address;
	watch_hits_take_sites(hits, about, sites, n, row);
}

struct heap_watch *pool_watch_report(struct pool_watch *watch, struct watch_hits *hits,
				     struct profile *about)
{
	struct heap_watch *report = heap_watch_new(about, watch->n_types);

	for (unsigned i = 0; report && i < watch->n_types; i++)
		fill_row(watch, hits, about, i, &report->rows[i]);
	return report;
}
