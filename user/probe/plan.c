/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define A0 INSN_ARG(0)
#define A1 INSN_ARG(1)
#define A2 INSN_ARG(2)

/* What a probe needs, by what the function does (abi/records.h). */
static const struct place_need needs[] = {
	[ABI_CALL_MALLOC] = {A0, true, -1},
	[ABI_CALL_CALLOC] = {A0 | A1, true, -1},
	[ABI_CALL_REALLOC] = {A0 | A1, true, -1},
	[ABI_CALL_REALLOCARRAY] = {A0 | A1 | A2, true, -1},
	[ABI_CALL_FREE] = {A0, false, 0},
	[ABI_CALL_POSIX_MEMALIGN] = {A0 | A2, true, -1},
	[ABI_CALL_ALIGNED] = {A1, true, -1},
	[ABI_CALL_PY_MALLOC] = {A1, true, -1},
	[ABI_CALL_PY_CALLOC] = {A1 | A2, true, -1},
	[ABI_CALL_PY_REALLOC] = {A1 | A2, true, -1},
	[ABI_CALL_PY_FREE] = {A1, false, 1},
	[ABI_CALL_ARENA] = {A1, true, -1},
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
	{"pvalloc", ABI_CALL_MALLOC},
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

static uint64_t table_function(const struct py_allocator *table, unsigned i)
{
	const uint64_t functions[TABLE_FUNCTIONS] = {table->malloc, table->calloc, table->realloc,
						     table->free};

	return functions[i];
}

__attribute__((format(printf, 2, 3))) static void note(struct plan *plan, const char *format, ...)
{
	va_list args;

	if (plan->n_notes == sizeof(plan->notes) / sizeof(plan->notes[0]))
		return;
	va_start(args, format);
	vsnprintf(plan->notes[plan->n_notes++], sizeof(plan->notes[0]), format, args);
	va_end(args);
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

/*
 * Add a probe for a function, looked for from `start` on (its entry, or an alias of it). A function that is
 * probed already is left out: several names often share one address.
 */
static int add_probe(struct plan *plan, const struct module *module, const char *name,
		     enum abi_call_kind kind, unsigned domain, uint64_t function, uint64_t start,
		     struct err *err)
{
	struct plan_probe *probe = &plan->probes[plan->n_probes];

	for (unsigned i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].function == function)
			return 0;
	if (plan->n_probes == PLAN_MAX_PROBES)
		return err_set(err, ERR_FAILED, "more than %d functions to probe", PLAN_MAX_PROBES);
	memset(probe, 0, sizeof(*probe));
	if (!module || !place_find(&probe->place, module, start, &needs[kind]))
		return err_set(err, ERR_TARGET, "no place for a probe found in %s at 0x%" PRIx64,
			       name, function);
	snprintf(probe->name, sizeof(probe->name), "%s", name);
	probe->kind = kind;
	probe->domain = domain;
	probe->function = function;
	probe->returns = needs[kind].returns;
	probe->module = module;
	plan->n_probes++;
	return 0;
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
		result = add_probe(plan, &runtime->libc, libc_functions[i].name,
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
 * Every build loads the functions' addresses a few times (to fill the tables, to tell their name): at most 5
 * times malloc and 3 times each other one in CPython 3.6 to 3.13 as it is built without a profile. With one,
 * malloc has 195 to 283 such places and free 52 to 86 (Debian's 3.11, 3.13, 3.14, 3.15).
 */
#define GUARDS_OF_PLAIN_BUILDS 8

static bool has_inlined_copies(const struct py_runtime *runtime)
{
	const struct module *python = &runtime->python;
	uint64_t allocate = place_alias_entry(python, runtime->obj.malloc);
	uint64_t release = place_alias_entry(python, runtime->obj.free);

	return place_count_guards(python, allocate) > GUARDS_OF_PLAIN_BUILDS ||
	       place_count_guards(python, release) > GUARDS_OF_PLAIN_BUILDS;
}

/* The alias on whose way a probe is cheapest; 0: the function has none. */
static uint64_t best_alias(const struct module *module, uint64_t function, enum abi_call_kind kind)
{
	uint64_t best = 0, alias;
	struct place place, best_place = {0};

	for (unsigned i = 0; (alias = place_alias(module, function, i)) != 0 && i < 32; i++) {
		if (place_alias_entry(module, alias) != function ||
		    !place_find(&place, module, alias, &needs[kind]))
			continue;
		if (!best || place.cost < best_place.cost) {
			best = alias;
			best_place = place;
		}
	}
	return best;
}

/* Plan to steer all functions of both tables, or none of them. */
static bool plan_steering(struct plan *plan, const struct py_runtime *runtime)
{
	static const char *const names[2] = {"mem", "obj"};
	const struct py_allocator *tables[2] = {&runtime->mem, &runtime->obj};

	for (unsigned t = 0; t < 2; t++) {
		for (unsigned i = 0; i < TABLE_FUNCTIONS; i++) {
			struct plan_word *word = &plan->words[plan->n_words++];

			snprintf(word->name, sizeof(word->name), "%s.%s", names[t],
				 table_functions[i].name);
			word->address = tables[t]->table + table_functions[i].offset;
			word->alias = table_function(tables[t], i);
			word->plain = place_alias_entry(&runtime->python, word->alias);
			/* a killed pyleaktrace has left its alias: it serves us, and we put the function back */
			if (word->plain == word->alias)
				word->alias = best_alias(&runtime->python, word->plain,
							 table_functions[i].kind);
			if (!word->alias) {
				plan->n_words = 0;
				return false;
			}
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
	result = add_probe(plan, &runtime->python, "obj_arena.alloc", ABI_CALL_ARENA, domain,
			   runtime->arena.alloc, runtime->arena.alloc, err);
	if (result || domain == ABI_DOMAINS)
		return result;
	return add_probe(plan, &runtime->python, "obj_arena.free", ABI_CALL_PY_FREE, domain,
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
	static const char *const names[2] = {"mem", "obj"};
	const struct py_allocator *tables[2] = {&runtime->obj, &runtime->mem};

	for (unsigned t = 0; t < 2; t++) {
		for (unsigned i = 0; i < TABLE_FUNCTIONS; i++) {
			uint64_t function = table_function(tables[t], i), start = function;
			const struct plan_word *word =
				word_at(plan, tables[t]->table + table_functions[i].offset);
			char name[64];
			int result;

			if (word) {
				function = word->plain;
				start = word->alias;
			}

			snprintf(name, sizeof(name), "%s.%s", names[1 - t],
				 table_functions[i].name);
			result = add_probe(plan, module_of(plan, runtime, process, function), name,
					   table_functions[i].kind, ABI_OBJECT, function, start,
					   err);
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

	if (same_functions(&runtime->obj, &runtime->raw)) {
		plan->domains &= ~(1u << ABI_OBJECT);
		plan->code_frees = options->domains & 1u << ABI_MALLOC;
		snprintf(plan->coverage, sizeof(plan->coverage),
			 "every object is allocated by libc's malloc (PYTHONMALLOC=malloc): all "
			 "blocks are in domain malloc");
		return 0;
	}
	if (defaults && has_inlined_copies(runtime)) {
		if (options->no_steer || !plan_steering(plan, runtime)) {
			snprintf(plan->coverage, sizeof(plan->coverage),
				 "this Python inlines its object allocator%s: object memory is "
				 "seen by the arenas that "
				 "pymalloc gets (%u KiB each), not object by object",
				 options->no_steer ? " and --no-steer was given"
						   : ", which cannot be steered here",
				 runtime->layout.arena_size >> 10);
			return plan_arenas(plan, runtime, ABI_OBJECT, err);
		}
	}
	plan->code_frees = true;
	return plan_tables(plan, runtime, process, err);
}

/* Allocators that replace libc's: their blocks are not seen. */
static void note_other_allocators(struct plan *plan, const struct process *process)
{
	static const char *const known[] = {"jemalloc", "tcmalloc", "mimalloc", "libhoard",
					    "rpmalloc"};
	struct maps maps;

	if (maps_read(&maps, process->pid, NULL))
		return;
	for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
		for (size_t i = 0; i < maps.n_ranges; i++) {
			const char *slash = strrchr(maps.ranges[i].path, '/');

			if (!maps.ranges[i].executable || !slash || !strstr(slash, known[k]))
				continue;
			note(plan,
			     "%.80s is loaded: what it allocates in place of libc is not traced",
			     slash + 1);
			break;
		}
	}
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
		note(plan, "mappings are not traced: no tracefs (mount -t tracefs tracefs "
			   "/sys/kernel/tracing)");
	}
	if (runtime->libc_is_musl)
		note(plan, "musl libc: the Python state of threads without the GIL is not found");

	if (wanted & 1u << ABI_OBJECT)
		result = plan_objects(plan, runtime, process, options, err);
	/* domain mmap must know which mappings an allocator made for itself */
	if (!result && wanted & (1u << ABI_MALLOC | 1u << ABI_MMAP))
		result = plan_libc(plan, runtime,
				   wanted & 1u << ABI_MALLOC ? ABI_MALLOC : ABI_DOMAINS, err);
	if (!result && !(wanted & 1u << ABI_OBJECT) && wanted & 1u << ABI_MMAP)
		result = plan_arenas(plan, runtime, ABI_DOMAINS, err);
	if (result)
		return result;
	note_other_allocators(plan, process);
	return 0;
}

void plan_fini(struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_modules; i++)
		module_unload(&plan->modules[i]);
	plan->n_modules = 0;
}

void plan_print(FILE *out, const struct plan *plan)
{
	static const char *const domains[] = {"malloc", "object", "mmap", "bracket"};

	for (unsigned i = 0; i < plan->n_probes; i++) {
		const struct plan_probe *p = &plan->probes[i];

		fprintf(out, "  probe %-18s %-8s 0x%" PRIx64 " %-24s%s\n", p->name,
			domains[p->domain], p->place.address, p->place.text,
			p->returns ? " + return" : "");
	}
	for (unsigned i = 0; i < plan->n_words; i++) {
		const struct plan_word *w = &plan->words[i];

		fprintf(out,
			"  steer %-18s at 0x%" PRIx64 ": 0x%" PRIx64 " -> 0x%" PRIx64 " (%+lld)\n",
			w->name, w->address, w->plain, w->alias, (long long)(w->alias - w->plain));
	}
	if (plan->coverage[0])
		fprintf(out, "  note: %s\n", plan->coverage);
	for (unsigned i = 0; i < plan->n_notes; i++)
		fprintf(out, "  note: %s\n", plan->notes[i]);
}
