/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/survivors.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/xorshift.h"
#include "python/object.h"
#include "python/pool.h"
#include "probe/map_reader.h"
#include "snapshot/weight.h"
#include "target/remote_mem.h"
#include "probe/session_maps.h"

/* heads that are read at one time */
#define HEADS          64

#define TYPE_BUFFER    0u /* index into `types` */

#define POOL_BLOCK_MAX 512u /* larger ones are malloc's */

/* What is kept of a survivor; the rest of struct survivor follows. */
struct record {
	uint64_t address, born_ns;
	uint64_t size;
	float weight;
	uint32_t site;
	uint16_t type;
	uint8_t domain;
	bool gone;
	bool followed;      /* in the map of live blocks: its free will be seen, in a window */
	uint32_t born_turn; /* turns[domain] of its window */
	uint32_t age;       /* windows that it was seen to outlive */
};

struct survivors {
	const struct process *process;
	struct py_types *types;
	uint32_t pool_size; /* of pymalloc */
	/* what survivors_look() has found, by address, and how long that took */
	struct record seen[SURVIVORS_PER_WINDOW];
	uint32_t n_seen;
	uint64_t look_ns;
	uint64_t n_map; /* blocks in the map at the last survivors_take(), those of other domains
			   too */
	char *names[SURVIVORS_TYPES];
	unsigned n_names;
	uint64_t random;

	uint32_t turns[ABI_DOMAINS]; /* windows so far */
	int blocks_fd;               /* of the last window; -1: there was none */

	struct lock lock; /* of the records */
	struct record *records;
	uint32_t n, next_check;
};

static unsigned name_index(struct survivors *survivors, const char *name)
{
	for (unsigned i = 0; i < survivors->n_names; i++)
		if (strcmp(survivors->names[i], name) == 0)
			return i;
	if (survivors->n_names == SURVIVORS_TYPES)
		return SURVIVORS_TYPE_UNKNOWN;
	survivors->names[survivors->n_names] = strdup(name);
	return survivors->names[survivors->n_names] ? survivors->n_names++ : SURVIVORS_TYPE_UNKNOWN;
}

struct survivors *survivors_new(const struct process *process, const struct py_runtime *runtime,
				struct err *err)
{
	struct survivors *survivors = calloc(1, sizeof(*survivors));

	if (survivors) {
		survivors->process = process;
		survivors->pool_size = runtime->layout.arena_size / 64;
		survivors->random = XORSHIFT_SEED;
		survivors->n_map = UINT64_MAX;
		survivors->blocks_fd = -1;
		lock_init(&survivors->lock, LOCK_RANK_SURVIVORS);
		survivors->types = py_types_new(process->pid, runtime);
		survivors->records = calloc(SURVIVORS_MAX, sizeof(*survivors->records));
	}
	if (!survivors || !survivors->types || !survivors->records ||
	    name_index(survivors, "[buffer]") != TYPE_BUFFER ||
	    name_index(survivors, "?") != SURVIVORS_TYPE_UNKNOWN) {
		survivors_free(survivors);
		err_set(err, ERR_FAILED, "out of memory");
		return NULL;
	}
	return survivors;
}

void survivors_free(struct survivors *survivors)
{
	if (!survivors)
		return;
	for (unsigned i = 0; i < survivors->n_names; i++)
		free(survivors->names[i]);
	py_types_free(survivors->types);
	free(survivors->records);
	lock_destroy(&survivors->lock);
	free(survivors);
}

/* ---- types ---------------------------------------------------------------------------------- */

/* What the blocks hold now, HEADS at most: types[i], or SURVIVORS_TYPE_UNKNOWN where it cannot be
 * read. */
static void read_types(struct survivors *survivors, const struct record *records, uint32_t n,
		       unsigned *types)
{
	uint8_t heads[HEADS][PY_BLOCK_HEAD_MAX];
	struct remote_item items[HEADS];

	for (uint32_t i = 0; i < n; i++)
		items[i] = (struct remote_item){.address = records[i].address,
						.buffer = heads[i],
						.length = records[i].size < PY_BLOCK_HEAD_MAX
								  ? records[i].size
								  : PY_BLOCK_HEAD_MAX};
	remote_read_many(survivors->process->pid, items, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct py_type *type = NULL;

		types[i] = SURVIVORS_TYPE_UNKNOWN;
		if (items[i].result)
			continue;
		if (records[i].domain != ABI_MMAP)
			type = py_block_type(survivors->types, records[i].address, records[i].size,
					     heads[i], items[i].length);
		types[i] = type ? name_index(survivors, type->name) : TYPE_BUFFER;
	}
}

/*
 * A buffer says nothing of itself, but pymalloc does of its block: it is among the free ones of its
 * pool. What is no pool is another allocator's.
 */
static bool is_free(const struct survivors *survivors, const struct record *record)
{
	uint64_t base = record->address & ~(uint64_t)(survivors->pool_size - 1), offset;
	uint8_t bytes[POOL_SIZE_MAX];
	struct pool pool;
	enum pool_state state;
	uint32_t index;

	if (record->domain != ABI_OBJECT || record->type != TYPE_BUFFER ||
	    record->size > POOL_BLOCK_MAX || survivors->pool_size < POOL_HEADER ||
	    survivors->pool_size > POOL_SIZE_MAX ||
	    remote_read(survivors->process->pid, base, bytes, survivors->pool_size))
		return false;
	state = pool_parse(&pool, bytes, base, survivors->pool_size);
	offset = record->address - base;
	if (state != POOL_LIVE || offset < POOL_HEADER)
		return state == POOL_EMPTY;
	index = (uint32_t)(offset - POOL_HEADER) / pool.block_size;
	return index >= pool.n_blocks || pool_block_is_free(&pool, index);
}

static int by_address(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/*
 * The type that a block had while its window recorded is the one that it was made for; it is gone
 * when it has another by now.
 */
static void join_look(const struct survivors *survivors, struct record *record)
{
	const struct record *seen =
		bsearch(record, survivors->seen, survivors->n_seen, sizeof(*seen), by_address);

	if (record->domain == ABI_MMAP)
		return;
	if (seen && seen->born_ns == record->born_ns) {
		if (seen->type != record->type && seen->type != SURVIVORS_TYPE_UNKNOWN) {
			record->type = seen->type;
			record->gone = true;
		}
	} else if (record->domain == ABI_OBJECT && survivors->n_seen < SURVIVORS_PER_WINDOW) {
		/* its place may have been given out again after the window: whose it was then is
		 * not known */
		record->gone = true;
	}
}

static void name_all(struct survivors *survivors, struct record *records, uint32_t n)
{
	unsigned types[HEADS];

	py_types_begin(survivors->types);
	for (uint32_t at = 0; at < n; at += HEADS) {
		uint32_t some = n - at < HEADS ? n - at : HEADS;

		read_types(survivors, &records[at], some, types);
		for (uint32_t i = 0; i < some; i++)
			records[at + i].type = (uint16_t)types[i];
	}
}

/* ---- before the end of a window ------------------------------------------------------------- */

/* births up to here, in percent of the window so far: its first half will be a little longer */
#define LOOK_BORN 60u

struct look {
	struct survivors *survivors;
	unsigned domains;
	uint64_t began_ns, until_ns;
};

static void see_living(void *context, uint64_t address, const struct abi_block *block)
{
	const struct look *look = context;
	struct survivors *survivors = look->survivors;

	if (!(look->domains >> block->domain & 1) || block->time_ns < look->began_ns ||
	    block->time_ns > look->until_ns || survivors->n_seen == SURVIVORS_PER_WINDOW)
		return;
	survivors->seen[survivors->n_seen++] = (struct record){
		.address = address,
		.born_ns = block->time_ns,
		.size = block->size,
		.domain = (uint8_t)block->domain,
	};
}

void survivors_look(struct survivors *survivors, const struct session_view *view, unsigned domains,
		    uint64_t began_ns, uint64_t now_ns)
{
	struct look look = {.survivors = survivors,
			    .domains = domains & ~(1u << ABI_MMAP),
			    .began_ns = began_ns,
			    .until_ns = began_ns + (now_ns - began_ns) * LOOK_BORN / 100};
	uint64_t start = clock_now_ns();

	survivors->n_seen = 0;
	map_blocks_each(view->blocks_fd, see_living, &look, NULL);
	name_all(survivors, survivors->seen, survivors->n_seen);
	qsort(survivors->seen, survivors->n_seen, sizeof(survivors->seen[0]), by_address);
	survivors->look_ns = clock_now_ns() - start;
}

uint64_t survivors_look_ns(struct survivors *survivors, uint64_t most_ns)
{
	/* the whole map is gone through, while the target is slow: of another part that is traced
	 * all the time it may have millions */
	if (survivors->n_map > SURVIVORS_LOOK_MAX)
		return UINT64_MAX;
	if (survivors->look_ns <= most_ns)
		return survivors->look_ns;
	survivors->look_ns /= 2; /* it may be less by then */
	return UINT64_MAX;
}

/* ---- the end of a window -------------------------------------------------------------------- */

/* It is not followed any longer: nothing of it stays in the map. */
static void unfollow(const struct survivors *survivors, struct record *record)
{
	if (record->followed)
		map_block_remove(survivors->blocks_fd, record->address);
	record->followed = false;
}

/* One window's survivors while they are read: a sample of equal chances when there are many. */
struct harvest {
	struct survivors *survivors;
	int map_fd;
	uint64_t began_ns, ended_ns;
	unsigned domains;
	struct survivors_taken *taken;
	uint64_t n_map;
	struct record records[SURVIVORS_PER_WINDOW];
	uint32_t n;
	uint64_t old[SURVIVORS_MAX]; /* addresses of blocks of earlier windows */
	uint32_t n_old;
};

static void see(struct survivors *survivors, struct harvest *harvest, uint64_t address,
		const struct abi_block *block)
{
	uint64_t quarter = (harvest->ended_ns - harvest->began_ns) / 4, age_at;
	uint64_t index;

	/* older: void; younger: a hit that was still on its way when recording ended */
	if (block->time_ns < harvest->began_ns || block->time_ns > harvest->ended_ns)
		return;
	age_at = block->time_ns - harvest->began_ns;
	harvest->taken->alive++;
	harvest->taken->quarter[quarter ? (age_at / quarter < 3 ? age_at / quarter : 3) : 3]++;
	if (age_at >= 2 * quarter)
		return;
	index = harvest->taken->kept++;
	if (index >= SURVIVORS_PER_WINDOW)
		index = xorshift_next(&survivors->random) % harvest->taken->kept;
	if (index >= SURVIVORS_PER_WINDOW)
		return;
	if (harvest->n < SURVIVORS_PER_WINDOW)
		harvest->n++;
	harvest->records[index] = (struct record){
		.address = address,
		.born_ns = block->time_ns,
		.size = block->size,
		.weight = (float)block_weight(block).blocks,
		.site = block->site,
		.domain = (uint8_t)block->domain,
	};
}

/* What is of these domains goes out of the map, but for survivors of earlier windows. */
static void take(void *context, uint64_t address, const struct abi_block *block)
{
	struct harvest *harvest = context;

	harvest->n_map++;
	if (!(harvest->domains >> block->domain & 1))
		return;
	if (block->time_ns < harvest->began_ns && harvest->n_old < SURVIVORS_MAX) {
		harvest->old[harvest->n_old++] = address;
		return;
	}
	see(harvest->survivors, harvest, address, block);
	map_block_remove(harvest->map_fd, address);
}

static int empty_map(struct harvest *harvest, int map_fd, struct err *err)
{
	harvest->map_fd = map_fd;
	return map_blocks_each(map_fd, take, harvest, err);
}

/* Every second one goes by chance, the others stand for two. */
static void halve(struct survivors *survivors)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < survivors->n; i++) {
		if (xorshift_next(&survivors->random) >> 63) {
			unfollow(survivors, &survivors->records[i]);
			continue;
		}
		survivors->records[kept] = survivors->records[i];
		survivors->records[kept++].weight *= 2;
	}
	survivors->n = kept;
	survivors->next_check = 0;
}

/* Room for n more. */
static void make_room(struct survivors *survivors, uint32_t n)
{
	if (survivors->n + n <= SURVIVORS_MAX)
		return;
	halve(survivors);
	/* however chance fell */
	while (survivors->n > SURVIVORS_MAX - n)
		unfollow(survivors, &survivors->records[--survivors->n]);
}

uint32_t survivors_halve(struct survivors *survivors, uint32_t least)
{
	uint32_t n;

	lock_take(&survivors->lock);
	if (survivors->n >= least)
		halve(survivors);
	n = survivors->n;
	lock_release(&survivors->lock);
	return n;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * What was followed, and is not in the map any more, was freed in this window. The map has nothing
 * else that is old.
 */
static void follow_up(struct survivors *survivors, struct harvest *harvest)
{
	bool *known = calloc(harvest->n_old + 1, sizeof(*known));

	qsort(harvest->old, harvest->n_old, sizeof(harvest->old[0]), by_number);
	lock_take(&survivors->lock);
	for (uint32_t i = 0; i < survivors->n; i++) {
		struct record *record = &survivors->records[i];
		uint64_t *old;

		if (!record->followed || !(harvest->domains >> record->domain & 1))
			continue;
		old = bsearch(&record->address, harvest->old, harvest->n_old, sizeof(*old),
			      by_number);
		record->followed = old != NULL;
		record->gone |= !old;
		if (old)
			record->age = survivors->turns[record->domain] - record->born_turn;
		if (old && known)
			known[old - harvest->old] = true;
	}
	lock_release(&survivors->lock);
	for (uint32_t i = 0; i < harvest->n_old && known; i++)
		if (!known[i])
			map_block_remove(survivors->blocks_fd, harvest->old[i]);
	free(known);
}

static void follow(const struct survivors *survivors, struct record *record)
{
	const struct abi_block block = {.size = record->size,
					.time_ns = record->born_ns,
					.site = record->site,
					.domain = record->domain};

	record->followed = !record->gone && record->domain != ABI_MMAP &&
			   map_block_put(survivors->blocks_fd, record->address, &block);
}

static void keep(struct survivors *survivors, struct harvest *harvest)
{
	float weight = harvest->n ? (float)harvest->taken->kept / (float)harvest->n : 1;

	name_all(survivors, harvest->records, harvest->n);
	for (uint32_t i = 0; i < harvest->n; i++) {
		harvest->records[i].gone = is_free(survivors, &harvest->records[i]);
		join_look(survivors, &harvest->records[i]);
	}
	survivors->n_seen = 0;
	lock_take(&survivors->lock);
	make_room(survivors, harvest->n);
	for (uint32_t i = 0; i < harvest->n; i++) {
		harvest->records[i].weight *= weight;
		harvest->records[i].born_turn = survivors->turns[harvest->records[i].domain];
		follow(survivors, &harvest->records[i]);
		survivors->records[survivors->n++] = harvest->records[i];
	}
	lock_release(&survivors->lock);
}

int survivors_take(struct survivors *survivors, const struct session_view *view, unsigned domains,
		   uint64_t began_ns, uint64_t ended_ns, struct survivors_taken *taken,
		   struct err *err)
{
	struct harvest *harvest = malloc(sizeof(*harvest));
	int result;

	*taken = (struct survivors_taken){0};
	if (!harvest)
		return err_set(err, ERR_FAILED, "out of memory");
	harvest->survivors = survivors;
	harvest->began_ns = began_ns;
	harvest->ended_ns = ended_ns;
	harvest->domains = domains;
	harvest->taken = taken;
	harvest->n = 0;
	harvest->n_map = 0;
	harvest->n_old = 0;
	survivors->blocks_fd = view->blocks_fd;
	for (unsigned domain = 0; domain < ABI_DOMAINS && ended_ns > began_ns; domain++)
		survivors->turns[domain] += domains >> domain & 1;
	result = empty_map(harvest, view->blocks_fd, err);
	survivors->n_map = harvest->n_map;
	if (!result)
		follow_up(survivors, harvest);
	if (!result && domains & 1u << ABI_MMAP)
		result = empty_map(harvest, view->mappings_fd, err);
	if (!result)
		keep(survivors, harvest);
	free(harvest);
	return result;
}

/* ---- later ---------------------------------------------------------------------------------- */

void survivors_check(struct survivors *survivors, unsigned most)
{
	struct record copies[HEADS];
	unsigned types[HEADS];

	py_types_begin(survivors->types);
	while (most > 0 && survivors->n > 0) {
		uint32_t n = 0, from;

		/* only this thread moves records, so that they are where they were after the
		 * reads */
		lock_take(&survivors->lock);
		if (survivors->next_check >= survivors->n)
			survivors->next_check = 0;
		from = survivors->next_check;
		while (n < HEADS && n < most && from + n < survivors->n) {
			copies[n] = survivors->records[from + n];
			n++;
		}
		lock_release(&survivors->lock);
		read_types(survivors, copies, n, types);
		for (uint32_t i = 0; i < n; i++)
			copies[i].gone = types[i] == TYPE_BUFFER && is_free(survivors, &copies[i]);
		lock_take(&survivors->lock);
		for (uint32_t i = 0; i < n && from + i < survivors->n; i++) {
			struct record *record = &survivors->records[from + i];

			/* of a buffer it may be known that it has become an object, or is free;
			 * memory may be given back */
			if (record->address == copies[i].address &&
			    (copies[i].gone || types[i] != record->type) &&
			    record->domain != ABI_MMAP) {
				record->gone = true;
				unfollow(survivors, record);
			}
		}
		survivors->next_check = from + n;
		lock_release(&survivors->lock);
		most -= n;
		if (survivors->next_check >= survivors->n)
			break;
	}
}

void survivors_unfollow(struct survivors *survivors, unsigned domains)
{
	lock_take(&survivors->lock);
	for (uint32_t i = 0; i < survivors->n; i++)
		if (domains >> survivors->records[i].domain & 1)
			unfollow(survivors, &survivors->records[i]);
	lock_release(&survivors->lock);
}

void survivors_forget(struct survivors *survivors)
{
	survivors_unfollow(survivors, (1u << ABI_DOMAINS) - 1);
	lock_take(&survivors->lock);
	survivors->n = survivors->next_check = 0;
	lock_release(&survivors->lock);
}

void survivors_each(struct survivors *survivors,
		    void (*visit)(void *context, const struct survivor *survivor), void *context)
{
	lock_take(&survivors->lock);
	for (uint32_t i = 0; i < survivors->n; i++) {
		const struct record *record = &survivors->records[i];
		const struct survivor survivor = {
			.address = record->address,
			.size = record->size,
			.born_ns = record->born_ns,
			.weight = (double)record->weight,
			.site = record->site,
			.domain = record->domain,
			.type_index = record->type,
			.type = survivors->names[record->type],
			.gone = record->gone,
			.age = record->age,
		};

		visit(context, &survivor);
	}
	lock_release(&survivors->lock);
}
