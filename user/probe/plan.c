/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/plan_impl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "python/allocators.h"
#include "python/locate.h"
#include "target/remote_mem.h"

/* SMALL_REQUEST_THRESHOLD of Objects/obmalloc.c, in 3.6 to 3.15 */
#define PYMALLOC_SMALL_MAX 512

#define ENDBR_LENGTH       4

#define A0                 INSN_ARG(0)
#define A1                 INSN_ARG(1)
#define A2                 INSN_ARG(2)

/* What a probe needs, by what the function does (abi/records.h). */
static const struct place_need needs[] = {
	[ABI_CALL_MALLOC] = {A0, true, -1, 0},
	[ABI_CALL_CALLOC] = {A0 | A1, true, -1, 0},
	[ABI_CALL_REALLOC] = {A0 | A1, true, -1, 0},
	[ABI_CALL_REALLOCARRAY] = {A0 | A1 | A2, true, -1, 0},
	[ABI_CALL_FREE] = {A0, false, 0, 0},
	[ABI_CALL_POSIX_MEMALIGN] = {A0 | A2, true, -1, 0},
	[ABI_CALL_ALIGNED] = {A1, true, -1, 0},
	[ABI_CALL_PVALLOC] = {A0, true, -1, 0},
	[ABI_CALL_NEW] = {A0, false, -1, 0},
	[ABI_CALL_DELETE] = {A0, false, 0, 0},
	[ABI_CALL_PY_MALLOC] = {A1, true, -1, 0},
	[ABI_CALL_PY_CALLOC] = {A1 | A2, true, -1, 0},
	[ABI_CALL_PY_REALLOC] = {A1 | A2, true, -1, 0},
	[ABI_CALL_PY_FREE] = {A1, false, 1, 0},
	[ABI_CALL_ARENA] = {A1, true, -1, 0},
	[ABI_CALL_THROW] = {0, false, -1, 0},
};

static const struct {
	const char *name;
	enum abi_call_kind kind;
} libc_functions[] = {
	{"malloc", ABI_CALL_MALLOC},
	{"calloc", ABI_CALL_CALLOC},
	{"realloc", ABI_CALL_REALLOC},
	{"reallocarray", ABI_CALL_REALLOCARRAY},
	{"free", ABI_CALL_FREE},
	{"posix_memalign", ABI_CALL_POSIX_MEMALIGN},
	{"aligned_alloc", ABI_CALL_ALIGNED},
	{"memalign", ABI_CALL_ALIGNED},
	{"valloc", ABI_CALL_MALLOC},
	{"pvalloc", ABI_CALL_PVALLOC},
};

/* the four functions of an allocator record, in its order */
static const struct {
	const char *name;
	enum abi_call_kind kind;
	unsigned offset; /* of the pointer in the record */
} table_functions[] = {
	{"malloc", ABI_CALL_PY_MALLOC, 8},
	{"calloc", ABI_CALL_PY_CALLOC, 16},
	{"realloc", ABI_CALL_PY_REALLOC, 24},
	{"free", ABI_CALL_PY_FREE, 32},
};

#define TABLE_FUNCTIONS 4

/* The tables of CPython's own allocators. */
struct tables {
	const struct py_allocator *table[3];
	const char *name[3];
	unsigned n;
};

static void tables_get(struct tables *tables, const struct py_runtime *runtime)
{
	*tables = (struct tables){
		{&runtime->obj, &runtime->mem, &runtime->raw}, {"obj", "mem", "raw"}, 3};
	/* what the raw domain gets from libc is seen there */
	if (py_raw_is_libc(runtime))
		tables->n = 2;
}

static uint64_t table_function(const struct py_allocator *table, unsigned i)
{
	const uint64_t functions[TABLE_FUNCTIONS] = {table->malloc, table->calloc, table->realloc,
						     table->free};

	return functions[i];
}

void plan_note(struct plan *plan, const char *format, ...)
{
	va_list args;

	if (plan->n_notes == sizeof(plan->notes) / sizeof(plan->notes[0]))
		return;
	va_start(args, format);
	vsnprintf(plan->notes[plan->n_notes++], sizeof(plan->notes[0]), format, args);
	va_end(args);
}

const char *plan_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The module that holds this address: the interpreter, libc, or one loaded for the plan. */
static const struct module *module_of(struct plan *plan, const struct py_runtime *runtime,
				      const struct process *process, uint64_t address)
{
	const struct map_range *range;
	struct module *module = NULL;
	struct maps maps;

	if (address >= runtime->python.start && address < runtime->python.end)
		return &runtime->python;
	if (address >= runtime->libc.start && address < runtime->libc.end)
		return &runtime->libc;
	for (unsigned i = 0; i < plan->n_modules; i++)
		if (address >= plan->modules[i].start && address < plan->modules[i].end)
			return &plan->modules[i];
	if (plan->n_modules == PLAN_MAX_MODULES || maps_read(&maps, process->pid, NULL))
		return NULL;
	range = maps_find(&maps, address);
	if (range && range->inode &&
	    module_load(&plan->modules[plan->n_modules], &maps, range, NULL) == 0)
		module = &plan->modules[plan->n_modules++];
	maps_fini(&maps);
	return module;
}

int plan_add_probe_at(struct plan *plan, const struct module *module, const char *name,
		      enum abi_call_kind kind, unsigned domain, uint64_t function, uint64_t start,
		      const struct place_need *need, struct err *err)
{
	struct plan_probe *probe = &plan->probes[plan->n_probes];

	for (unsigned i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].function == function)
			return 0;
	if (plan->n_probes == PLAN_MAX_PROBES)
		return err_set(err, ERR_FAILED, "more than %d functions to probe", PLAN_MAX_PROBES);
	memset(probe, 0, sizeof(*probe));
	if (!module || !place_find(&probe->place, module, start, need))
		return err_set(err, ERR_TARGET, "no place for a probe found in %s at 0x%" PRIx64,
			       name, function);
	/* the way to it leads through another function that is probed */
	for (unsigned i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].place.address == probe->place.address)
			return 0;
	snprintf(probe->name, sizeof(probe->name), "%s", name);
	probe->kind = kind;
	probe->domain = domain;
	probe->function = function;
	probe->returns = need->returns;
	probe->module = module;
	plan->n_probes++;
	return 0;
}

int plan_add_probe(struct plan *plan, const struct module *module, const char *name,
		   enum abi_call_kind kind, unsigned domain, uint64_t function, uint64_t start,
		   struct err *err)
{
	return plan_add_probe_at(plan, module, name, kind, domain, function, start, &needs[kind],
				 err);
}

static int plan_libc(struct plan *plan, const struct py_runtime *runtime, unsigned domain,
		     struct err *err)
{
	for (size_t i = 0; i < sizeof(libc_functions) / sizeof(libc_functions[0]); i++) {
		uint64_t function = module_symbol(&runtime->libc, libc_functions[i].name);
		int result;

		/* a call that only brackets others has no use for frees */
		if (!function || (domain == ABI_DOMAINS && libc_functions[i].kind == ABI_CALL_FREE))
			continue;
		result = plan_add_probe(plan, &runtime->libc, libc_functions[i].name,
					libc_functions[i].kind, domain, function, function, err);
		if (result)
			return result;
	}
	if (plan->n_probes == 0)
		return err_set(err, ERR_TARGET, "%s has no malloc to probe", runtime->libc.path);
	return 0;
}

/*
 * Does the program have inlined copies of the default allocator functions?
 *
 * Every build loads the functions' addresses a few times (to fill the tables, to report their
 * names): at most 5 times malloc and 3 times each other one in CPython 3.6 to 3.13 as it is built
 * without a profile. With one, malloc has 195 to 283 such places and free 52 to 86
 * (Debian's 3.11, 3.13, 3.14, 3.15); in a free-threaded 3.14 the two malloc 49 and 40, the two free
 * 25 and 37, and obj.calloc 2, as without a profile.
 */
#define GUARDS_OF_PLAIN_BUILDS 8
#define GUARDS_OF_NO_COPY      3

static bool has_inlined_copies(const struct py_runtime *runtime)
{
	const struct module *python = &runtime->python;
	struct tables tables;

	tables_get(&tables, runtime);
	for (unsigned t = 0; t < tables.n; t++) {
		uint64_t allocate = place_alias_entry(python, tables.table[t]->malloc);
		uint64_t release = place_alias_entry(python, tables.table[t]->free);

		if (place_count_guards(python, allocate) > GUARDS_OF_PLAIN_BUILDS ||
		    place_count_guards(python, release) > GUARDS_OF_PLAIN_BUILDS)
			return true;
	}
	return false;
}

/*
 * What a probe on a function needs. own_way: calls that hit its entry are not to be seen, only
 * those by an alias: then a target that is not steered never pays for the probe. (A jmp that serves
 * as the alias belongs to some function, and is hit when that runs, which is rare, and counted.)
 */
static struct place_need need_of(enum abi_call_kind kind, uint64_t function, bool own_way)
{
	struct place_need need = needs[kind];

	if (own_way) {
		need.until = function;
		/* nothing is tested on the way */
		need.null_arg = -1;
	}
	return need;
}

/* How good is an alias? The trap comes first; then whether the threads must be held to switch to it
 * (steer.h). */
static unsigned alias_rank(const struct place *place, uint64_t function, uint64_t alias)
{
	return 2 * (unsigned)place->cost + ((function ^ alias) > 0xff);
}

/* An alias behind the function's endbr64 has no way of its own. */
static bool has_own_way(uint64_t function, uint64_t alias)
{
	return alias < function || alias - function > ENDBR_LENGTH;
}

/* The alias on whose way a probe is cheapest, and that place; 0: the function has none. */
static uint64_t best_alias(struct place *best_place, const struct module *module, uint64_t function,
			   enum abi_call_kind kind, bool own_way)
{
	const struct place_need need = need_of(kind, function, own_way);
	uint64_t best = 0, alias;
	struct place place;

	for (unsigned i = 0; (alias = place_alias(module, function, i)) != 0 && i < 32; i++) {
		if (place_alias_entry(module, alias) != function ||
		    (own_way && !has_own_way(function, alias)) ||
		    !place_find(&place, module, alias, &need))
			continue;
		if (!best ||
		    alias_rank(&place, function, alias) < alias_rank(best_place, function, best)) {
			best = alias;
			*best_place = place;
		}
	}
	return best;
}

/* the two that nearly all calls are of */
static bool is_frequent(enum abi_call_kind kind)
{
	return kind == ABI_CALL_PY_MALLOC || kind == ABI_CALL_PY_FREE;
}

/*
 * The alias of a word; 0: it has none that will do. A plan that is to be switchable takes one with
 * its own way. The padding before an entry is mostly one long nop, which is single-stepped: for a
 * frequent function that is too expensive where there is a cheaper place in it. (Measured on
 * Debian's 3.13 to 3.15, whose free has such padding: 1.2 to 1.9 us for the traps of a pair by
 * places in the functions, 5.8 to 7.6 by their own ways. That a place in a function stays and is
 * hardly hit, since there are inlined copies, does not hold for it: with nothing steered 50,000 to
 * 90,000 calls went there in 2,000 steps of tests/programs/busy.py.)
 */
static uint64_t choose_alias(const struct module *module, uint64_t function,
			     enum abi_call_kind kind, bool switchable)
{
	struct place own_place, place;
	uint64_t alias = best_alias(&place, module, function, kind, false), own;

	if (!switchable)
		return alias;
	own = best_alias(&own_place, module, function, kind, true);
	return own && is_frequent(kind) && place.cost < own_place.cost ? 0 : own;
}

/*
 * Plan to steer all functions of all tables, or none of them. A function of which there are no
 * copies is called by its pointer as it is: where it has no alias (gcc packs what is rarely called
 * without padding), it needs none; but in a plan that is switchable it does.
 */
static bool plan_steering(struct plan *plan, const struct py_runtime *runtime, bool switchable)
{
	const struct module *python = &runtime->python;
	struct tables tables;

	tables_get(&tables, runtime);
	for (unsigned t = 0; t < tables.n; t++) {
		for (unsigned i = 0; i < TABLE_FUNCTIONS; i++) {
			struct plan_word *word = &plan->words[plan->n_words++];

			snprintf(word->name, sizeof(word->name), "%s.%s", tables.name[t],
				 table_functions[i].name);
			word->address = tables.table[t]->table + table_functions[i].offset;
			word->alias = table_function(tables.table[t], i);
			word->plain = place_alias_entry(python, word->alias);
			/* a killed pyleaktrace has left its alias: it serves us, and we put the
			 * function back */
			if (word->plain == word->alias)
				word->alias = choose_alias(python, word->plain,
							   table_functions[i].kind, switchable);
			else if (switchable && !has_own_way(word->plain, word->alias))
				word->alias = 0;
			if (word->alias)
				continue;
			if (switchable ||
			    place_count_guards(python, word->plain) > GUARDS_OF_NO_COPY) {
				plan->n_words = 0;
				return false;
			}
			plan->n_words--;
		}
	}
	return true;
}

/* Objects by the arenas that pymalloc gets and gives back. */
static int plan_arenas(struct plan *plan, const struct py_runtime *runtime, unsigned domain,
		       struct err *err)
{
	int result;

	if (!runtime->arena.table)
		return 0;
	result = plan_add_probe(plan, &runtime->python, "obj_arena.alloc", ABI_CALL_ARENA, domain,
				runtime->arena.alloc, runtime->arena.alloc, err);
	if (result || domain == ABI_DOMAINS)
		return result;
	return plan_add_probe(plan, &runtime->python, "obj_arena.free", ABI_CALL_PY_FREE, domain,
			      runtime->arena.free, runtime->arena.free, err);
}

static const struct plan_word *word_at(const struct plan *plan, uint64_t address)
{
	for (unsigned i = 0; i < plan->n_words; i++)
		if (plan->words[i].address == address)
			return &plan->words[i];
	return NULL;
}

static int plan_tables(struct plan *plan, const struct py_runtime *runtime,
		       const struct process *process, struct err *err)
{
	struct tables tables;

	tables_get(&tables, runtime);
	for (unsigned t = 0; t < tables.n; t++) {
		for (unsigned i = 0; i < TABLE_FUNCTIONS; i++) {
			uint64_t function = table_function(tables.table[t], i), start = function;
			const struct plan_word *word =
				word_at(plan, tables.table[t]->table + table_functions[i].offset);
			struct place_need need;
			char name[64];
			int result;

			if (word) {
				function = word->plain;
				start = word->alias;
			}

			snprintf(name, sizeof(name), "%s.%s", tables.name[t],
				 table_functions[i].name);
			need = need_of(table_functions[i].kind, function, plan->switchable);
			result = plan_add_probe_at(
				plan, module_of(plan, runtime, process, function), name,
				table_functions[i].kind, ABI_OBJECT, function, start, &need, err);
			if (result)
				return result;
		}
	}
	return 0;
}

static bool same_functions(const struct py_allocator *a, const struct py_allocator *b)
{
	return a->malloc == b->malloc && a->free == b->free;
}

static int plan_objects(struct plan *plan, const struct py_runtime *runtime,
			const struct process *process, const struct plan_options *options,
			struct err *err)
{
	bool defaults = runtime->obj.ctx == 0 && runtime->obj.malloc >= runtime->python.start &&
			runtime->obj.malloc < runtime->python.end;
	bool copies;

	if (same_functions(&runtime->obj, &runtime->raw)) {
		plan->domains &= ~(1u << ABI_OBJECT);
		plan->code_frees = options->domains & 1u << ABI_MALLOC;
		snprintf(plan->coverage, sizeof(plan->coverage),
			 "every object is allocated by malloc (PYTHONMALLOC=malloc): all "
			 "blocks are in domain malloc");
		return 0;
	}
	copies = defaults && has_inlined_copies(runtime);
	plan->switchable = defaults && options->by_parts && !options->no_steer &&
			   !runtime->layout.free_threaded && plan_steering(plan, runtime, true);
	if (!plan->switchable && copies) {
		bool steered = !options->no_steer && plan_steering(plan, runtime, false);

		if (!steered && runtime->layout.free_threaded) {
			/* it has no arenas; mimalloc maps its memory itself */
			plan->domains &= ~(1u << ABI_OBJECT);
			snprintf(plan->coverage, sizeof(plan->coverage),
				 "this Python inlines its object allocator%s: object memory is "
				 "seen by the mappings that mimalloc makes (domain mmap), not "
				 "object by object",
				 options->no_steer ? " and -X steer=no was given"
						   : ", which cannot be steered here");
			return 0;
		}
		if (!steered) {
			snprintf(plan->coverage, sizeof(plan->coverage),
				 "this Python inlines its object allocator%s: object memory is "
				 "seen by the arenas that "
				 "pymalloc gets (%u KiB each), not object by object",
				 options->no_steer ? " and -X steer=no was given"
						   : ", which cannot be steered here",
				 runtime->layout.arena_size >> 10);
			return plan_arenas(plan, runtime, ABI_OBJECT, err);
		}
	}
	plan->code_frees = true;
	/* what is larger than a pool's blocks must belong to an allocator */
	plan->split = options->by_parts && options->domains & 1u << ABI_MALLOC && defaults &&
		      !runtime->layout.free_threaded;
	plan->small_max = PYMALLOC_SMALL_MAX;
	plan->pool_size = runtime->layout.arena_size / 64;
	return plan_tables(plan, runtime, process, err);
}

/* Whose malloc does the interpreter call? */
static void find_bound_malloc(struct plan *plan, const struct py_runtime *runtime,
			      const struct process *process)
{
	const struct map_range *range;
	struct maps maps;

	if (maps_read(&maps, process->pid, NULL))
		return;
	range = maps_find(&maps, py_locate_malloc(&runtime->python, &maps));
	if (range)
		snprintf(plan->malloc_path, sizeof(plan->malloc_path), "%s", range->path);
	maps_fini(&maps);
}

int plan_make(struct plan *plan, const struct py_runtime *runtime, const struct process *process,
	      const struct features *features, const struct plan_options *options, struct err *err)
{
	unsigned wanted = options->domains;
	int result = 0;

	memset(plan, 0, sizeof(*plan));
	plan->domains = wanted;
	if (features_seccomp_hazard(features, process))
		return err_set(err, ERR_KERNEL,
			       "pid %d runs under seccomp, and on kernel %s a return probe could "
			       "get it killed "
			       "(fixed in 6.14): not attached",
			       process->pid, features->release);
	if (wanted & 1u << ABI_MMAP && !features->tracefs) {
		plan->domains &= ~(1u << ABI_MMAP);
		plan_note(plan, geteuid() ? "mappings are not traced: tracefs is root's"
					  : "mappings are not traced: no tracefs (mount -t tracefs "
					    "tracefs /sys/kernel/tracing)");
	}
	if (runtime->libc_is_musl)
		plan_note(plan,
			  "musl libc: the Python state of threads without the GIL is not found");

	if (wanted & 1u << ABI_OBJECT)
		result = plan_objects(plan, runtime, process, options, err);
	/* domain mmap must know which mappings an allocator made for itself */
	if (!result && wanted & (1u << ABI_MALLOC | 1u << ABI_MMAP))
		result = plan_libc(plan, runtime,
				   wanted & 1u << ABI_MALLOC ? ABI_MALLOC : ABI_DOMAINS, err);
	if (!result && (plan->split || !(wanted & 1u << ABI_OBJECT)) && wanted & 1u << ABI_MMAP)
		result = plan_arenas(plan, runtime, ABI_DOMAINS, err);
	if (result)
		return result;
	plan->native = wanted & (1u << ABI_MALLOC | 1u << ABI_MMAP);
	plan->native_domain = wanted & 1u << ABI_MALLOC ? ABI_MALLOC : ABI_DOMAINS;
	find_bound_malloc(plan, runtime, process);
	plan_update(plan, runtime, process);
	return 0;
}

void plan_fini(struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_modules; i++)
		module_unload(&plan->modules[i]);
	plan->n_modules = 0;
	native_allocators_fini(&plan->natives);
	plan->n_natives = 0;
}
