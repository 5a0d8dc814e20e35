/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Plans for running interpreters: where the probes go, what is steered, what is said when less is
 * possible. A plan reads the target and changes nothing, so that it needs no root.
 */
#include "unit/each_minor.h"

#include <errno.h>

#include "probe/plan.h"
#include "python/allocators.h"
#include "target/process.h"

#ifdef __x86_64__

#define MALLOC (1u << ABI_MALLOC)
#define OBJECT (1u << ABI_OBJECT)
#define MMAP   (1u << ABI_MMAP)
#define ALL    (MALLOC | OBJECT | MMAP)

struct subject {
	const char *python;
	struct python_child child;
	char **facts;
	struct process process;
	struct py_runtime runtime;
	struct features features;
	struct plan plan;
};

static void begin(struct subject *subject, const char *python, const char *environment)
{
	struct err err = ERR_INIT;

	memset(subject, 0, sizeof(*subject));
	subject->python = python;
	subject->features.tracefs = true;
	snprintf(subject->features.release, sizeof(subject->features.release), "6.1.0");
	child_start(&subject->child, python, "tests/unit/print_references.py", environment);
	subject->facts = child_facts(&subject->child);
	if (process_open(&subject->process, subject->child.pid, &err) ||
	    py_runtime_find(&subject->runtime, &subject->process, &err))
		fail_msg("%s: %s", python, err.text);
	/* a container's filter is not what is looked at here */
	subject->process.seccomp = 0;
}

static void end(struct subject *subject)
{
	py_runtime_fini(&subject->runtime);
	process_close(&subject->process);
	child_facts_free(subject->facts);
	child_end(&subject->child);
}

static const struct plan *make(struct subject *subject, struct plan_options options)
{
	struct err err = ERR_INIT;

	if (plan_make(&subject->plan, &subject->runtime, &subject->process, &subject->features,
		      &options, &err))
		fail_msg("%s: %s", subject->python, err.text);
	return &subject->plan;
}

static const struct plan_probe *probe_named(const struct plan *plan, const char *name)
{
	for (unsigned i = 0; i < plan->n_probes; i++)
		if (!strcmp(plan->probes[i].name, name))
			return &plan->probes[i];
	return NULL;
}

static const struct plan_probe *probe_of(const struct plan *plan, uint64_t function)
{
	for (unsigned i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].function == function)
			return &plan->probes[i];
	return NULL;
}

static unsigned count_domain(const struct plan *plan, unsigned domain)
{
	unsigned n = 0;

	for (unsigned i = 0; i < plan->n_probes; i++)
		n += plan->probes[i].domain == domain;
	return n;
}

static uint64_t word_at(const struct subject *subject, uint64_t address)
{
	char path[32];
	uint64_t word;
	int memory;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)subject->child.pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(memory >= 0);
	assert_int_equal(pread(memory, &word, sizeof(word), (off_t)address), sizeof(word));
	close(memory);
	return word;
}

/* What the kernel would put the probe on is what the target runs: the same bytes in file and
 * memory. */
static void check_place(const struct subject *subject, const struct plan_probe *probe)
{
	int file = open(probe->module->host_path, O_RDONLY | O_CLOEXEC);
	uint64_t bytes = 0;

	assert_true(file >= 0);
	assert_int_equal(pread(file, &bytes, sizeof(bytes), (off_t)probe->place.offset),
			 sizeof(bytes));
	close(file);
	assert_true(probe->place.address >= probe->module->start &&
		    probe->place.address < probe->module->end);
	if (bytes != word_at(subject, probe->place.address))
		fail_msg("%s: the probe of %s is somewhere else in the file", subject->python,
			 probe->name);
}

/* No function twice, no place twice: a call would count twice. */
static void check_probes(const struct subject *subject)
{
	const struct plan *plan = &subject->plan;

	assert_true(plan->n_probes > 0);
	for (unsigned i = 0; i < plan->n_probes; i++) {
		check_place(subject, &plan->probes[i]);
		for (unsigned j = 0; j < i; j++) {
			assert_true(plan->probes[i].function != plan->probes[j].function);
			assert_true(plan->probes[i].place.address != plan->probes[j].place.address);
		}
	}
}

/* Another address with the same meaning, in a word that nobody has changed yet. */
static void check_words(const struct subject *subject)
{
	const struct plan *plan = &subject->plan;

	for (unsigned i = 0; i < plan->n_words; i++) {
		const struct plan_word *word = &plan->words[i];

		assert_int_equal(word_at(subject, word->address), word->plain);
		assert_true(word->alias != word->plain);
		assert_int_equal(place_alias_entry(&subject->runtime.python, word->alias),
				 word->plain);
		assert_non_null(probe_of(plan, word->plain));
	}
}

/* ---- libc ----------------------------------------------------------------------------------- */

static void check_libc(struct subject *subject)
{
	static const struct {
		const char *name;
		enum abi_call_kind kind;
		bool returns;
	} functions[] = {
		{"malloc", ABI_CALL_MALLOC, true},
		{"calloc", ABI_CALL_CALLOC, true},
		{"realloc", ABI_CALL_REALLOC, true},
		{"free", ABI_CALL_FREE, false},
		{"posix_memalign", ABI_CALL_POSIX_MEMALIGN, true},
	};
	const struct plan *plan = make(subject, (struct plan_options){.domains = MALLOC});

	check_probes(subject);
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		const struct plan_probe *probe = probe_named(plan, functions[i].name);

		assert_non_null(probe);
		assert_int_equal(probe->function,
				 module_symbol(&subject->runtime.libc, functions[i].name));
		assert_int_equal(probe->kind, functions[i].kind);
		assert_int_equal(probe->returns, functions[i].returns);
		assert_ptr_equal(probe->module, &subject->runtime.libc);
	}
	assert_string_equal(plan->malloc_path, subject->runtime.libc.path);
	assert_int_equal(plan->domains, MALLOC);
	assert_int_equal(count_domain(plan, ABI_MALLOC), plan->n_probes);
	assert_int_equal(plan->n_words, 0);
	assert_int_equal(plan->n_notes, 0);
	assert_string_equal(plan->coverage, "");
	assert_false(plan->code_frees || plan->split || plan->switchable);
	/* nothing was loaded meanwhile */
	assert_int_equal(plan_update(&subject->plan, &subject->runtime, &subject->process), 0);
	plan_fini(&subject->plan);
}

/* Mappings alone: calls of malloc only bracket the ones that it makes itself, and no free is of
 * use. */
static void check_mappings(struct subject *subject)
{
	const struct plan *plan = make(subject, (struct plan_options){.domains = MMAP});
	bool arenas = subject->runtime.arena.table != 0;

	check_probes(subject);
	assert_int_equal(plan->domains, MMAP);
	assert_int_equal(count_domain(plan, ABI_DOMAINS), plan->n_probes);
	assert_non_null(probe_named(plan, "malloc"));
	assert_null(probe_named(plan, "free"));
	assert_int_equal(probe_named(plan, "obj_arena.alloc") != NULL, arenas);
	assert_null(probe_named(plan, "obj_arena.free"));
	plan_fini(&subject->plan);

	subject->features.tracefs = false;
	make(subject, (struct plan_options){.domains = MALLOC | MMAP});
	assert_int_equal(plan->domains, MALLOC);
	assert_int_equal(plan->n_notes, 1);
	assert_string_equal(plan->notes[0],
			    geteuid() ? "mappings are not traced: tracefs is root's"
				      : "mappings are not traced: no tracefs (mount -t tracefs "
					"tracefs /sys/kernel/tracing)");
	subject->features.tracefs = true;
	plan_fini(&subject->plan);
}

/* ---- objects -------------------------------------------------------------------------------- */

static const char *const object_functions[] = {"obj.malloc", "obj.calloc", "obj.realloc",
					       "obj.free"};

static void expect_object_functions(const struct subject *subject)
{
	const struct py_allocator *obj = &subject->runtime.obj;
	const uint64_t functions[] = {obj->malloc, obj->calloc, obj->realloc, obj->free};

	for (size_t i = 0; i < 4; i++) {
		const struct plan_probe *probe = probe_named(&subject->plan, object_functions[i]);

		assert_non_null(probe);
		assert_int_equal(probe->function, functions[i]);
		assert_int_equal(probe->domain, ABI_OBJECT);
		assert_int_equal(probe->returns, i != 3);
	}
}

/* As the interpreter's build has it: one by one, by steering, or not one by one. */
static void check_objects(struct subject *subject)
{
	static const char less[] =
		"this Python inlines its object allocator and -X steer=no was given: "
		"object memory is seen by the ";
	bool free_threaded = subject->runtime.layout.free_threaded, inlined;
	const struct plan *plan =
		make(subject, (struct plan_options){.domains = ALL, .no_steer = true});

	check_probes(subject);
	assert_int_equal(plan->n_words, 0);
	inlined = plan->coverage[0] != '\0';
	if (!inlined) {
		expect_object_functions(subject);
		assert_int_equal(plan->domains, ALL);
	} else {
		/* less is seen, and that is said */
		assert_int_equal(strncmp(plan->coverage, less, strlen(less)), 0);
		for (size_t i = 0; i < 4; i++)
			assert_null(probe_named(plan, object_functions[i]));
		assert_int_equal(plan->domains, free_threaded ? MALLOC | MMAP : ALL);
		assert_int_equal(probe_named(plan, "obj_arena.free") != NULL, !free_threaded);
		assert_int_equal(count_domain(plan, ABI_OBJECT), free_threaded ? 0 : 2);
	}
	assert_int_equal(plan->code_frees, !inlined);
	plan_fini(&subject->plan);

	make(subject, (struct plan_options){.domains = ALL});
	check_probes(subject);
	check_words(subject);
	/* what has no copies needs no steering */
	if (!inlined)
		assert_int_equal(plan->n_words, 0);
	else if (!plan->coverage[0])
		assert_true(plan->n_words >= 2);
	if (!plan->coverage[0])
		expect_object_functions(subject);
	assert_false(plan->split || plan->switchable);
	plan_fini(&subject->plan);
}

/* For a moment at a time: with a way to the probes that only a steered target takes. */
static void check_parts(struct subject *subject)
{
	const struct py_runtime *runtime = &subject->runtime;
	const struct plan *plan =
		make(subject, (struct plan_options){.domains = ALL, .by_parts = true});
	bool gil = !runtime->layout.free_threaded;

	check_probes(subject);
	check_words(subject);
	if (!plan->coverage[0]) {
		assert_int_equal(plan->split, gil);
		assert_int_equal(plan->small_max, 512);
		assert_int_equal(plan->pool_size, runtime->layout.arena_size / 64);
	}
	if (plan->switchable) {
		assert_true(gil);
		assert_int_equal(plan->n_words, py_raw_is_libc(runtime) ? 8 : 12);
		for (unsigned i = 0; i < plan->n_words; i++) {
			const struct plan_word *word = &plan->words[i];
			const struct plan_probe *probe = probe_of(plan, word->plain);

			assert_true(word->alias < word->plain || word->alias > word->plain + 4);
			/* a target that is not steered does not reach it */
			assert_true(probe->place.address != word->plain);
		}
	}
	plan_fini(&subject->plan);

	/* larger objects are nobody's without the malloc that they come from */
	make(subject, (struct plan_options){.domains = OBJECT, .by_parts = true});
	assert_false(plan->split);
	assert_int_equal(count_domain(plan, ABI_OBJECT), plan->n_probes);
	plan_fini(&subject->plan);
}

/* ---- what else ------------------------------------------------------------------------------ */

static unsigned count_lines(const char *text, const char *begin)
{
	unsigned n = 0;

	for (; text && *text; text = strchr(text, '\n') + 1)
		n += !strncmp(text, begin, strlen(begin));
	return n;
}

static void check_print(struct subject *subject, bool no_steer)
{
	const struct plan *plan =
		make(subject, (struct plan_options){.domains = ALL, .no_steer = no_steer});
	char *text = NULL, line[128];
	size_t length;
	FILE *out = open_memstream(&text, &length);

	plan_print(out, plan);
	fclose(out);
	assert_int_equal(count_lines(text, "  probe "), plan->n_probes);
	assert_int_equal(count_lines(text, "  steer "), plan->n_words);
	assert_int_equal(count_lines(text, "  note: "), plan->n_notes + (plan->coverage[0] != 0));
	assert_int_equal(count_lines(text, "  malloc of the interpreter: "), 1);
	assert_int_equal(count_lines(text, "  windows of objects: "), 0);
	snprintf(line, sizeof(line), "  probe malloc             malloc   0x%lx ",
		 probe_named(plan, "malloc")->place.address);
	assert_int_equal(count_lines(text, line), 1);
	free(text);
	plan_fini(&subject->plan);
}

/* Where a return probe may kill the target there is no plan. */
static void check_hazard(struct subject *subject)
{
	const struct plan_options options = {.domains = ALL};
	struct err err = ERR_INIT;
	char said[128];

	subject->features.return_hazard = true;
	subject->process.seccomp = 2;
	assert_int_equal(plan_make(&subject->plan, &subject->runtime, &subject->process,
				   &subject->features, &options, &err),
			 -ERR_KERNEL);
	snprintf(said, sizeof(said), "pid %d runs under seccomp, and on kernel 6.1.0 ",
		 (int)subject->child.pid);
	assert_memory_equal(err.text, said, strlen(said));
	assert_int_equal(subject->plan.n_probes, 0);
	plan_fini(&subject->plan);
	/* neither of the two alone is one */
	subject->process.seccomp = 0;
	make(subject, options);
	plan_fini(&subject->plan);
	subject->features.return_hazard = false;
}

/* Every object comes from malloc: seen there, once. */
static void check_plain_malloc(struct subject *subject)
{
	const struct plan *plan = make(subject, (struct plan_options){.domains = ALL});

	check_probes(subject);
	assert_int_equal(plan->domains, MALLOC | MMAP);
	assert_true(plan->code_frees);
	assert_int_equal(count_domain(plan, ABI_OBJECT), 0);
	assert_int_equal(plan->n_words, 0);
	assert_string_equal(plan->coverage,
			    "every object is allocated by malloc (PYTHONMALLOC=malloc): all blocks "
			    "are in domain malloc");
	plan_fini(&subject->plan);
	make(subject, (struct plan_options){.domains = OBJECT});
	assert_int_equal(plan->domains, 0);
	assert_int_equal(plan->n_probes, 0);
	assert_false(plan->code_frees);
	plan_fini(&subject->plan);
}

/* The debug hooks are called by their pointers alone. */
static void check_debug_hooks(struct subject *subject)
{
	const struct plan *plan = make(subject, (struct plan_options){.domains = ALL});

	check_probes(subject);
	expect_object_functions(subject);
	assert_int_equal(plan->n_words, 0);
	assert_string_equal(plan->coverage, "");
	assert_int_equal(plan->domains, ALL);
	plan_fini(&subject->plan);
}

static void check_python(const char *python)
{
	struct subject subject;

	begin(&subject, python, NULL);
	check_libc(&subject);
	check_mappings(&subject);
	check_objects(&subject);
	check_parts(&subject);
	check_print(&subject, false);
	check_print(&subject, true);
	check_hazard(&subject);
	end(&subject);
	begin(&subject, python, "PYTHONMALLOC=debug");
	check_debug_hooks(&subject);
	end(&subject);
	if (python_is_free_threaded(python)) /* that one has mimalloc alone */
		return;
	begin(&subject, python, "PYTHONMALLOC=malloc");
	check_plain_malloc(&subject);
	end(&subject);
}

static void the_plan_fits_the_interpreter(void **state)
{
	with_pythons(minor_of(state), check_python);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EACH_MINOR(the_plan_fits_the_interpreter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("SKIP: place.c decodes x86-64 only");
	return 0;
}

#endif
