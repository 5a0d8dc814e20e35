/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/allocators.h"

#include <stdlib.h>
#include <string.h>

#include "python/flow.h"
#include "target/remote_mem.h"

/* debug_alloc_api_t: an api letter, padding, a PyMemAllocatorEx; three of them in a row */
#define DEBUG_ENTRY_BYTES 48
#define DEBUG_RECORD      8
#define DEBUG_BYTES       (3 * DEBUG_ENTRY_BYTES)

/* PyMemAllocatorEx */
struct record {
	uint64_t ctx, malloc, calloc, realloc, free;
};

/* PyObjectArenaAllocator */
struct arena_record {
	uint64_t ctx, alloc, free;
};

static bool is_code(const struct maps *maps, uint64_t address)
{
	const struct map_range *range = maps_find(maps, address);

	return range && range->executable;
}

static bool is_record(const struct record *record, const struct maps *maps)
{
	return is_code(maps, record->malloc) && is_code(maps, record->calloc) &&
	       is_code(maps, record->realloc) && is_code(maps, record->free);
}

static bool same_functions(const struct record *a, const struct record *b)
{
	return a->malloc == b->malloc && a->calloc == b->calloc && a->realloc == b->realloc &&
	       a->free == b->free;
}

static bool read_record(struct record *record, const struct maps *maps, uint64_t address)
{
	return address && remote_read(maps->pid, address, record, sizeof(*record)) == 0 &&
	       is_record(record, maps);
}

static uint64_t if_record(const struct maps *maps, uint64_t address)
{
	struct record record;

	return read_record(&record, maps, address) ? address : 0;
}

/* Three debug entries, letters and records? */
static bool is_debug_state(const uint8_t *bytes, const struct maps *maps)
{
	static const char letters[] = "rmo";
	unsigned i;

	for (i = 0; i < 3; i++) {
		struct record record;
		uint64_t letter;

		memcpy(&letter, bytes + i * DEBUG_ENTRY_BYTES, sizeof(letter));
		memcpy(&record, bytes + i * DEBUG_ENTRY_BYTES + DEBUG_RECORD, sizeof(record));
		if (letter != (uint64_t)letters[i] || !is_record(&record, maps))
			return false;
	}
	return true;
}

static uint64_t if_debug_state(const struct maps *maps, uint64_t address)
{
	uint8_t bytes[DEBUG_BYTES];

	if (!address || remote_read(maps->pid, address, bytes, sizeof(bytes)) != 0)
		return 0;
	return is_debug_state(bytes, maps) ? address : 0;
}

void py_tables_by_layout(struct py_tables *tables, const struct py_runtime *runtime,
			 const struct maps *maps)
{
	const struct py_layout *layout = &runtime->layout;

	*tables = (struct py_tables){0};
	if (!runtime->runtime || layout->runtime.alloc_raw == LAYOUT_NONE)
		return;
	tables->raw = if_record(maps, runtime->runtime + (uint64_t)layout->runtime.alloc_raw);
	tables->mem = if_record(maps, runtime->runtime + (uint64_t)layout->runtime.alloc_mem);
	tables->obj = if_record(maps, runtime->runtime + (uint64_t)layout->runtime.alloc_obj);
	/* struct _pymem_allocators: `standard`, then `debug` */
	if (tables->obj)
		tables->debug = if_debug_state(maps, tables->obj + sizeof(struct record));
}

void py_tables_by_symbols(struct py_tables *tables, const struct py_runtime *runtime,
			  const struct maps *maps)
{
	const struct module *python = &runtime->python;

	tables->raw = if_record(maps, module_symbol(python, "_PyMem_Raw"));
	tables->mem = if_record(maps, module_symbol(python, "_PyMem"));
	tables->obj = if_record(maps, module_symbol(python, "_PyObject"));
	tables->debug = if_debug_state(maps, module_symbol(python, "_PyMem_Debug"));
}

static bool reads(const struct flow *flow, uint64_t address)
{
	unsigned i;

	for (i = 0; i < flow->n_events; i++) {
		if (flow->events[i].kind == FLOW_READ && flow->events[i].address == address)
			return true;
	}
	return false;
}

static bool is_data(const struct maps *maps, uint64_t address)
{
	const struct map_range *range = maps_find(maps, address);

	return range && range->writable && !range->executable;
}

void py_tables_by_code(struct py_tables *tables, const struct py_runtime *runtime,
		       const struct maps *maps)
{
	uint64_t found[3] = {0};
	struct flow flows[3];
	unsigned domain, i;

	/* PyMemAllocatorDomain: 0 raw, 1 mem, 2 obj */
	for (domain = 0; domain < 3; domain++)
		flow_trace(&flows[domain], &runtime->python, maps->pid, "PyMem_GetAllocator",
			   domain);
	for (domain = 0; domain < 3; domain++) {
		const struct flow *flow = &flows[domain];

		for (i = 0; i < flow->n_events && !found[domain]; i++) {
			uint64_t address = flow->events[i].address;

			/* what is read whatever the domain (a lock, the GOT) is no table */
			if (flow->events[i].kind != FLOW_READ || !is_data(maps, address) ||
			    reads(&flows[(domain + 1) % 3], address) ||
			    reads(&flows[(domain + 2) % 3], address))
				continue;
			found[domain] = if_record(maps, address);
		}
	}
	*tables = (struct py_tables){.raw = found[0], .mem = found[1], .obj = found[2]};
}

/* What the scan knows and looks for while it passes over a piece of data. */
struct scan {
	const struct maps *maps;
	uint64_t debug;
	struct record defaults[3];           /* the debug copies: raw, mem, obj */
	uint64_t hooked[3];                  /* records whose ctx is a debug entry */
	uint64_t raw[1], pair[2];            /* records that equal the defaults */
	unsigned n_hooked[3], n_raw, n_pair; /* how many there are, also beyond the arrays */
};

static void scan_for_debug(struct scan *scan, uint64_t start, const uint8_t *bytes, size_t size)
{
	size_t at;

	for (at = 0; !scan->debug && at + DEBUG_BYTES <= size; at += 8) {
		unsigned i;

		if (bytes[at] != 'r' || !is_debug_state(bytes + at, scan->maps))
			continue;
		scan->debug = start + at;
		for (i = 0; i < 3; i++)
			memcpy(&scan->defaults[i],
			       bytes + at + i * DEBUG_ENTRY_BYTES + DEBUG_RECORD,
			       sizeof(scan->defaults[i]));
	}
}

static void scan_for_live(struct scan *scan, uint64_t start, const uint8_t *bytes, size_t size)
{
	size_t at;

	for (at = 0; at + sizeof(struct record) <= size; at += 8) {
		uint64_t address = start + at, hook;
		struct record record;

		memcpy(&record, bytes + at, sizeof(record));
		if ((address >= scan->debug && address < scan->debug + DEBUG_BYTES) ||
		    !is_record(&record, scan->maps))
			continue;
		for (hook = 0; hook < 3; hook++) {
			if (record.ctx == scan->debug + hook * DEBUG_ENTRY_BYTES &&
			    scan->n_hooked[hook]++ == 0)
				scan->hooked[hook] = address;
		}
		if (record.ctx != 0)
			continue;
		if (same_functions(&record, &scan->defaults[0]) && scan->n_raw++ == 0)
			scan->raw[0] = address;
		if (same_functions(&record, &scan->defaults[2]) && scan->n_pair++ < 2)
			scan->pair[scan->n_pair - 1] = address;
	}
}

/*
 * Only what is beyond doubt. With the hooks on, ctx says everything. Without, the defaults must
 * stand there exactly as often as the live tables have them: PYTHONMALLOC=malloc puts the raw
 * functions into all three, and tracemalloc keeps the defaults in a struct of its own, 40 bytes
 * apart. mem and obj hold the same functions and differ in place only: GCC aligns such variables to
 * 64 bytes and puts the later one first.
 */
static void scan_result(const struct scan *scan, struct py_tables *tables)
{
	tables->debug = scan->debug;
	if (scan->n_hooked[0] == 1 && scan->n_hooked[1] == 1 && scan->n_hooked[2] == 1) {
		tables->raw = scan->hooked[0];
		tables->mem = scan->hooked[1];
		tables->obj = scan->hooked[2];
	} else if (scan->n_raw == 1 && scan->n_pair == 2 && scan->pair[1] - scan->pair[0] == 64) {
		tables->raw = scan->raw[0];
		tables->obj = scan->pair[0];
		tables->mem = scan->pair[1];
	}
}

void py_tables_by_scan(struct py_tables *tables, const struct py_runtime *runtime,
		       const struct maps *maps)
{
	struct scan scan = {.maps = maps};
	unsigned pass;
	size_t i;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < maps->n_ranges; i++) {
			const struct map_range *range = &maps->ranges[i];
			size_t size = range->end - range->start;
			uint8_t *bytes;

			/* initialised data lies in the file's part of the module */
			if (!range->writable || range->start < runtime->python.start ||
			    range->end > runtime->python.end || size > ALLOCATORS_SCAN_MAX)
				continue;
			bytes = malloc(size);
			if (bytes && remote_read(maps->pid, range->start, bytes, size) == 0) {
				if (pass == 0)
					scan_for_debug(&scan, range->start, bytes, size);
				else if (scan.debug)
					scan_for_live(&scan, range->start, bytes, size);
			}
			free(bytes);
		}
	}
	*tables = (struct py_tables){0};
	scan_result(&scan, tables);
}

static void take(uint64_t *to, uint64_t from)
{
	if (!*to)
		*to = from;
}

/* The first way that finds a table wins; the scan, the least sure, comes last, if needed. */
static void find_tables(struct py_tables *tables, const struct py_runtime *runtime,
			const struct maps *maps)
{
	static void (*const ways[])(struct py_tables *, const struct py_runtime *,
				    const struct maps *) = {
		py_tables_by_layout,
		py_tables_by_symbols,
		py_tables_by_code,
		py_tables_by_scan,
	};
	unsigned i;

	*tables = (struct py_tables){0};
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct py_tables found;

		if (tables->raw && tables->mem && tables->obj && tables->debug)
			return;
		ways[i](&found, runtime, maps);
		take(&tables->raw, found.raw);
		take(&tables->mem, found.mem);
		take(&tables->obj, found.obj);
		take(&tables->debug, found.debug);
	}
}

/*
 * _PyObject_Malloc. The debug copy of the object domain holds it, unless the debug hooks were put
 * over plain malloc (PYTHONMALLOC=malloc_debug): then it is the function of the raw domain.
 */
static uint64_t default_obj_malloc(const struct py_runtime *runtime, uint64_t debug,
				   const struct maps *maps)
{
	uint64_t address = module_symbol(&runtime->python, "_PyObject_Malloc");
	struct record raw, obj;

	if (address && is_code(maps, address))
		return address;
	if (!read_record(&raw, maps, debug ? debug + DEBUG_RECORD : 0) ||
	    !read_record(&obj, maps, debug + 2 * DEBUG_ENTRY_BYTES + DEBUG_RECORD) ||
	    raw.malloc == obj.malloc)
		return 0;
	return obj.malloc;
}

static bool take_arena(struct py_runtime *runtime, const struct maps *maps, uint64_t table)
{
	struct arena_record record;

	if (!table || remote_read(maps->pid, table, &record, sizeof(record)) != 0 ||
	    !is_code(maps, record.alloc) || !is_code(maps, record.free))
		return false;
	runtime->arena.table = table;
	runtime->arena.ctx = record.ctx;
	runtime->arena.alloc = record.alloc;
	runtime->arena.free = record.free;
	return true;
}

static void find_arena(struct py_runtime *runtime, const struct maps *maps)
{
	int32_t offset = runtime->layout.runtime.alloc_arena;
	struct flow flow;
	unsigned i;

	if (runtime->runtime && offset != LAYOUT_NONE &&
	    take_arena(runtime, maps, runtime->runtime + (uint64_t)offset))
		return;
	if (take_arena(runtime, maps, module_symbol(&runtime->python, "_PyObject_Arena")))
		return;
	flow_trace(&flow, &runtime->python, maps->pid, "PyObject_GetArenaAllocator", 0);
	for (i = 0; i < flow.n_events; i++) {
		if (flow.events[i].kind == FLOW_READ && is_data(maps, flow.events[i].address) &&
		    take_arena(runtime, maps, flow.events[i].address))
			return;
	}
}

int py_allocator_read(struct py_allocator *allocator, pid_t pid, uint64_t table, struct err *err)
{
	struct record record;

	*allocator = (struct py_allocator){0};
	if (!table || remote_read(pid, table, &record, sizeof(record)) != 0)
		return err_set(err, ERR_TARGET,
			       "the allocator table of pid %d at 0x%lx cannot be read", (int)pid,
			       (unsigned long)table);
	*allocator = (struct py_allocator){.table = table,
					   .ctx = record.ctx,
					   .malloc = record.malloc,
					   .calloc = record.calloc,
					   .realloc = record.realloc,
					   .free = record.free};
	return 0;
}

bool py_raw_is_libc(const struct py_runtime *runtime)
{
	const struct py_allocator *obj = &runtime->obj;

	if (!runtime->layout.raw_too)
		return true;
	if (runtime->layout.free_threaded)
		return false;
	/* neither pymalloc, nor libc, nor a hook over them, which has a context */
	return obj->ctx || obj->malloc == runtime->raw.malloc ||
	       obj->malloc == runtime->default_obj_malloc;
}

void py_allocators_find(struct py_runtime *runtime, const struct maps *maps)
{
	struct py_tables tables;

	find_tables(&tables, runtime, maps);
	py_allocator_read(&runtime->raw, maps->pid, tables.raw, NULL);
	py_allocator_read(&runtime->mem, maps->pid, tables.mem, NULL);
	py_allocator_read(&runtime->obj, maps->pid, tables.obj, NULL);
	runtime->default_obj_malloc = default_obj_malloc(runtime, tables.debug, maps);
	find_arena(runtime, maps);
}
