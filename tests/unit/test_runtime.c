/* SPDX-License-Identifier: BSD-2-Clause
 * Every interpreter at hand, with each of its memory allocators, found from outside and compared
 * with what it says about itself.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "unit/each_minor.h"

#include "python/allocators.h"
#include "python/thread_state.h"
#include "target/remote_mem.h"

#define SCRIPT "tests/unit/print_threads.py"

enum allocation {
	DEFAULT, /* pymalloc; mimalloc in a free-threaded build */
	DEBUG_HOOKS,
	PLAIN_MALLOC, /* not in a free-threaded build */
	TRACEMALLOC,
};

static const char *const environments[] = {
	"PYTHONMALLOC=", /* as if it were not set */
	"PYTHONMALLOC=debug",
	"PYTHONMALLOC=malloc",
	"PYTHONTRACEMALLOC=1",
};

/* One running interpreter and what was found in it. */
struct subject {
	struct python_child child;
	struct process process;
	struct py_runtime found;
	struct maps maps;
	char **facts;
	unsigned minor;
	enum allocation allocation;
	bool has_names; /* .symtab is there: private functions have names */
};

static const char *fact(const struct subject *subject, const char *name)
{
	size_t n = strlen(name);

	for (char **line = subject->facts; *line; line++) {
		if (strncmp(*line, name, n) == 0 && (*line)[n] == ' ')
			return *line + n + 1;
	}
	fail_msg("the script said nothing about %s", name);
	return NULL;
}

static void begin(struct subject *subject, const char *python, enum allocation allocation)
{
	struct err err = ERR_INIT;

	memset(subject, 0, sizeof(*subject));
	subject->allocation = allocation;
	child_start(&subject->child, python, SCRIPT, environments[allocation]);
	subject->facts = child_facts(&subject->child);
	child_runtime(&subject->child, subject->facts[0]);
	subject->minor = subject->child.runtime.layout.minor;
	if (process_open(&subject->process, subject->child.pid, &err) ||
	    py_runtime_find(&subject->found, &subject->process, &err) ||
	    maps_read(&subject->maps, subject->child.pid, &err))
		fail_msg("%s (%s): %s", python, environments[allocation], err.text);
	subject->has_names = module_symbol(&subject->found.python, "_PyObject_Malloc") != 0;
}

static void end(struct subject *subject)
{
	maps_fini(&subject->maps);
	py_runtime_fini(&subject->found);
	process_close(&subject->process);
	child_facts_free(subject->facts);
	child_end(&subject->child);
}

static void check_identity(const struct subject *subject)
{
	const struct py_runtime *found = &subject->found;
	char hex[16], version[48];

	snprintf(version, sizeof(version), "%s%s", fact(subject, "version"),
		 found->layout.free_threaded ? "t" : "");
	assert_string_equal(found->version, version);
	snprintf(hex, sizeof(hex), "%x", found->hexversion);
	assert_string_equal(hex, fact(subject, "hexversion"));
	assert_int_equal(found->layout.minor, subject->minor);
	assert_int_equal(found->type_type, subject->child.runtime.type_type);
	assert_int_equal(found->code_type, subject->child.runtime.code_type);
	assert_int_equal(found->none, subject->child.runtime.none);
	assert_true((found->runtime == 0) == (subject->minor == 6));
	assert_true(maps_find(&subject->maps, found->eval_frame)->executable);
	assert_false(found->libc_is_musl);
	assert_true(module_symbol(&found->libc, "malloc") != 0);
}

/* ---- allocators
 * ------------------------------------------------------------------------------------ */

static void expect_function(const struct subject *subject, uint64_t address, const char *name)
{
	const struct map_range *range = maps_find(&subject->maps, address);

	assert_non_null(range);
	assert_true(range->executable);
	if (subject->has_names && name)
		assert_int_equal(address, module_symbol(&subject->found.python, name));
}

static void check_records(const struct subject *subject)
{
	const struct py_runtime *found = &subject->found;
	const struct py_allocator *raw = &found->raw, *mem = &found->mem, *obj = &found->obj;

	switch (subject->allocation) {
	case DEFAULT:
		assert_true(raw->ctx == 0 && mem->ctx == 0 && obj->ctx == 0);
		expect_function(subject, raw->malloc,
				py_raw_is_libc(found) ? "_PyMem_RawMalloc" : "_PyMem_MiRawMalloc");
		if (found->layout.free_threaded) {
			/* its pymalloc is there, and nobody uses it */
			expect_function(subject, obj->malloc, "_PyObject_MiMalloc");
			expect_function(subject, obj->calloc, "_PyObject_MiCalloc");
			expect_function(subject, mem->realloc, "_PyMem_MiRealloc");
			expect_function(subject, mem->free, "_PyMem_MiFree");
		} else {
			expect_function(subject, obj->malloc, "_PyObject_Malloc");
			expect_function(subject, obj->calloc, "_PyObject_Calloc");
			expect_function(subject, obj->realloc, "_PyObject_Realloc");
			expect_function(subject, obj->free, "_PyObject_Free");
			assert_int_equal(mem->malloc, obj->malloc);
			assert_int_equal(found->default_obj_malloc, obj->malloc);
		}
		break;
	case DEBUG_HOOKS:
		assert_true(raw->ctx != 0 && mem->ctx != 0 && obj->ctx != 0);
		assert_true(mem->ctx != obj->ctx);
		expect_function(subject, raw->malloc, "_PyMem_DebugRawMalloc");
		expect_function(subject, obj->malloc, "_PyMem_DebugMalloc");
		expect_function(subject, obj->free, "_PyMem_DebugFree");
		assert_int_not_equal(found->default_obj_malloc, obj->malloc);
		break;
	case PLAIN_MALLOC:
		assert_int_equal(obj->malloc, raw->malloc);
		assert_int_equal(mem->free, raw->free);
		expect_function(subject, obj->malloc, "_PyMem_RawMalloc");
		assert_int_not_equal(found->default_obj_malloc, 0);
		assert_int_not_equal(found->default_obj_malloc, obj->malloc);
		break;
	case TRACEMALLOC:
		assert_true(raw->ctx != 0 && mem->ctx != 0 && obj->ctx != 0);
		expect_function(subject, raw->malloc, NULL);
		expect_function(subject, obj->malloc, NULL);
		assert_int_not_equal(found->default_obj_malloc, 0);
		assert_int_not_equal(found->default_obj_malloc, obj->malloc);
		break;
	}
	assert_int_not_equal(mem->table, obj->table);
}

/* A way may find nothing where that is expected, but never something else. */
static void check_way(const struct subject *subject, const struct py_tables *tables, bool must_find)
{
	if (!must_find && !tables->raw && !tables->mem && !tables->obj)
		return;
	assert_int_equal(tables->raw, subject->found.raw.table);
	assert_int_equal(tables->mem, subject->found.mem.table);
	assert_int_equal(tables->obj, subject->found.obj.table);
}

static void check_ways_to_tables(const struct subject *subject)
{
	bool plain_or_hooked = subject->allocation == DEFAULT || subject->allocation == DEBUG_HOOKS;
	struct py_tables tables;

	py_tables_by_layout(&tables, &subject->found, &subject->maps);
	check_way(subject, &tables, subject->minor >= 12);
	assert_true((tables.debug != 0) == (subject->minor >= 12));
	py_tables_by_symbols(&tables, &subject->found, &subject->maps);
	check_way(subject, &tables, subject->has_names && subject->minor <= 11);
	py_tables_by_code(&tables, &subject->found, &subject->maps);
	check_way(subject, &tables, subject->minor <= 12);
	if (subject->minor <= 11) {
		py_tables_by_scan(&tables, &subject->found, &subject->maps);
		check_way(subject, &tables, plain_or_hooked);
		assert_int_not_equal(tables.debug, 0);
	}
}

static void check_arena(const struct subject *subject)
{
	assert_int_not_equal(subject->found.arena.table, 0);
	assert_int_equal(subject->found.arena.ctx, 0);
	expect_function(subject, subject->found.arena.alloc,
			subject->minor <= 11 ? "_PyObject_ArenaMmap" : "_PyMem_ArenaAlloc");
	assert_int_not_equal(subject->found.arena.alloc, subject->found.arena.free);
}

/* The same with and without the hooks, plain malloc or tracemalloc in place. */
static void check_allocators(const char *python)
{
	enum allocation allocation;

	for (allocation = DEFAULT; allocation <= TRACEMALLOC; allocation++) {
		struct subject subject;

		if (allocation == PLAIN_MALLOC && python_is_free_threaded(python))
			continue;
		begin(&subject, python, allocation);
		check_identity(&subject);
		check_records(&subject);
		check_ways_to_tables(&subject);
		check_arena(&subject);
		end(&subject);
	}
}

/* ---- threads
 * --------------------------------------------------------------------------------------- */

static uint64_t ident(const struct subject *subject, const char *thread)
{
	return strtoull(fact(subject, thread), NULL, 10);
}

/* Follow a way as this thread; true when it ends at the thread's own state. It must not end at
 * another's. */
static bool leads_home(const struct subject *subject, const struct py_tstate_way *way,
		       const char *thread)
{
	uint64_t self = ident(subject, thread), state, owner = 0;

	state = py_tstate_follow(way, subject->child.pid, self);
	if (!state)
		return false;
	remote_read_u64(subject->child.pid,
			state + (uint64_t)subject->found.layout.tstate.thread_id, &owner);
	if (way->kind != PY_TSTATE_GLOBAL)
		assert_int_equal(owner, self);
	return owner == self;
}

static bool is_variable(const struct py_tstate_way *way)
{
	return way->kind == PY_TSTATE_TLS || way->kind == PY_TSTATE_DTV;
}

/*
 * The state of the thread that runs is there as soon as the others wait, which they soon do and
 * then forever: no time is assumed, only that it happens at all.
 */
static void expect_attached(const struct subject *subject, const struct py_tstate_way *way)
{
	alarm(60);
	while (!leads_home(subject, way, "spins"))
		sched_yield();
	/* without a GIL the one may run before the other waits */
	while (way->kind != PY_TSTATE_GLOBAL && leads_home(subject, way, "waits"))
		sched_yield();
	alarm(0);
}

static void expect_bound(const struct subject *subject, const struct py_tstate_way *way)
{
	assert_true(leads_home(subject, way, "main"));
	assert_true(leads_home(subject, way, "waits"));
	assert_true(leads_home(subject, way, "spins"));
}

static void check_threads(const char *python)
{
	const struct py_tstate_way *ways;
	struct subject subject;

	begin(&subject, python, DEFAULT);
	ways = subject.found.ways;
	assert_int_equal(subject.found.n_ways, 2);
	if (subject.minor <= 11) {
		assert_int_equal(ways[0].kind, PY_TSTATE_TSS);
		expect_bound(&subject, &ways[0]);
		assert_int_equal(ways[1].kind, PY_TSTATE_GLOBAL);
		expect_attached(&subject, &ways[1]);
	} else {
		assert_true(is_variable(&ways[0]));
		expect_attached(&subject, &ways[0]);
		assert_true(subject.minor <= 14 ? ways[1].kind == PY_TSTATE_TSS
						: is_variable(&ways[1]));
		expect_bound(&subject, &ways[1]);
	}
	/* a pointer that is no thread's leads nowhere */
	assert_int_equal(
		py_tstate_follow(&ways[subject.minor <= 11 ? 0 : 1], subject.child.pid, 4096), 0);
	end(&subject);
}

/* ---- odd ways to be started
 * ------------------------------------------------------------------------- */

static void copy_file(const char *from, int to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	char bytes[65536];
	ssize_t n;

	assert_true(in >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(to, bytes, (size_t)n), n);
	assert_int_equal(n, 0);
	close(in);
}

/* An upgrade replaced the program while it runs: its file has no name any more. */
static void check_deleted(const char *python)
{
	char copy[] = "/tmp/pyleaktrace-deleted-XXXXXX";
	struct subject subject;
	int fd;

	if (strncmp(python, "/usr/bin/", 9) != 0)
		return; /* a wrapper, or a program that finds its library by its own place */
	fd = mkstemp(copy);
	assert_true(fd >= 0);
	copy_file(python, fd);
	assert_int_equal(fchmod(fd, 0700), 0);
	close(fd);
	memset(&subject, 0, sizeof(subject));
	child_start(&subject.child, copy, SCRIPT, "PYTHONHOME=/usr");
	subject.facts = child_facts(&subject.child);
	child_runtime(&subject.child, subject.facts[0]);
	subject.minor = subject.child.runtime.layout.minor;
	assert_int_equal(unlink(copy), 0);
	assert_int_equal(process_open(&subject.process, subject.child.pid, NULL), 0);
	assert_true(subject.process.exe_deleted);
	assert_int_equal(py_runtime_find(&subject.found, &subject.process, NULL), 0);
	assert_int_equal(maps_read(&subject.maps, subject.child.pid, NULL), 0);
	assert_true(subject.found.python.deleted);
	check_identity(&subject);
	end(&subject);
}

static void an_interpreter_that_was_deleted_is_found(void **state)
{
	bool any = false;

	(void)state;
	for (unsigned minor = 6; minor <= 15; minor++) {
		char path[64];

		snprintf(path, sizeof(path), "/usr/bin/python3.%u", minor);
		if (access(path, X_OK) != 0)
			continue;
		check_deleted(path);
		any = true;
	}
	if (!any) {
		print_message("skip: no /usr/bin/python3.X\n");
		skip();
	}
}

static void allocators_are_where_the_script_states(void **state)
{
	with_pythons(minor_of(state), check_allocators);
}

static void threads_are_where_the_script_states(void **state)
{
	with_pythons(minor_of(state), check_threads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EACH_MINOR(allocators_are_where_the_script_states),
		ON_EACH_MINOR(threads_are_where_the_script_states),
		cmocka_unit_test(an_interpreter_that_was_deleted_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
