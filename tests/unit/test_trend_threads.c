/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Threads of real interpreters, of every version found: names, ids, where they are and what they
 * were made for, their stacks; and chains that lead nowhere.
 */
#include "unit/each_minor.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "python/frames.h"
#include "python/pthreads.h"
#include "python/threads.h"
#include "target/tasks.h"

static void unhex(const char *hex, char *text)
{
	for (; hex[0] && hex[0] != '-'; hex += 2)
		sscanf(hex, "%2hhx", (unsigned char *)text++);
	*text = '\0';
}

static void compare(const struct py_thread *thread, const char *fact)
{
	char hex[512], name[256], function[64], entry[64];
	unsigned long ident;
	unsigned line, entry_line;
	int tid;

	assert_int_equal(sscanf(fact, "thread %lx %d %511s %63s %u %63s %u", &ident, &tid, hex,
				function, &line, entry, &entry_line),
			 7);
	unhex(hex, name);
	assert_int_equal(thread->ident, ident);
	if (tid)
		assert_int_equal(thread->ns_tid, tid);
	assert_non_null(thread->name);
	if (strlen(name) < 128)
		assert_string_equal(thread->name, name);
	else
		assert_memory_equal(thread->name, name, strlen(thread->name));
	if (strcmp(function, "-") != 0) {
		assert_string_equal(thread->at.function, function);
		assert_int_equal(thread->at.line, line);
	} else {
		assert_string_equal(thread->at.function, "<module>");
	}
	if (strcmp(entry, "-") != 0) {
		assert_string_equal(thread->entry.function, entry);
		assert_int_equal(thread->entry.line, entry_line);
	} else if (!strcmp(function, "deep")) {
		assert_null(thread->entry.function); /* deeper than is looked */
	}
}

/* Every thread but the main one has a stack of its own, which holds its descriptor. */
static void check_stacks(const struct py_threads *threads, pid_t pid,
			 const struct py_runtime *runtime)
{
	struct pthreads pthreads;
	struct pthread_stack *stacks;
	uint64_t self[64];
	size_t n, n_stacks;

	pthreads_init(&pthreads, pid, runtime);
	assert_true(pthreads.known);
	for (n = 0; n < threads->n_rows; n++)
		self[n] = threads->rows[n].ident;
	/* one is enough to find all */
	for (size_t given = 1; given <= n; given += n - 1) {
		stacks = pthread_stacks(&pthreads, self, given, &n_stacks);
		assert_int_equal(n_stacks, n - 1);
		for (size_t i = 0; i + 1 < n; i++) {
			size_t inside = 0;

			for (size_t j = 0; j < n_stacks; j++)
				inside += self[i] > stacks[j].start && self[i] < stacks[j].end;
			assert_int_equal(inside, 1);
		}
		free(stacks);
	}
}

static void check_tasks(const struct py_threads *threads, pid_t pid)
{
	struct err err = ERR_INIT;
	struct tasks tasks;

	assert_int_equal(tasks_read(&tasks, pid, true, &err), 0);
	assert_int_equal(tasks.n_tasks, threads->n_rows);
	for (size_t i = 0; i < threads->n_rows; i++) {
		const struct task *task = tasks_find(&tasks, threads->rows[i].ns_tid);

		assert_non_null(task);
		assert_int_equal(task->state, 'S');
	}
	tasks_free(&tasks);
}

static void check_threads(const char *python)
{
	struct python_child child;
	struct py_runtime runtime;
	struct process process;
	struct py_threads threads;
	struct err err = ERR_INIT;
	char **facts;
	unsigned long made;
	size_t n;

	child_start(&child, python, "tests/unit/print_thread_states.py", NULL);
	facts = child_facts(&child);
	child_runtime(&child, facts[0]);
	/* nothing says that a thread has gone to sleep: look until all have */
	for (unsigned i = 0;; i++) {
		struct tasks tasks;
		size_t waiting = 0;

		assert_true(i < 60000);
		assert_int_equal(tasks_read(&tasks, child.pid, false, &err), 0);
		for (size_t j = 0; j < tasks.n_rows; j++)
			waiting += tasks.rows[j].state == 'S';
		n = tasks.n_rows;
		tasks_free(&tasks);
		if (waiting == n)
			break;
		usleep(1000);
	}
	assert_int_equal(process_open(&process, child.pid, &err), 0);
	assert_int_equal(py_runtime_find(&runtime, &process, &err), 0);
	assert_int_equal(py_threads_read(&threads, process.pid, &runtime, &err), 0);
	assert_false(threads.cut);
	assert_int_equal(threads.n_interpreters, 1);
	assert_int_equal(sscanf(facts[1], "made %lu", &made), 1);
	assert_true(threads.have_made == (runtime.layout.minor > 6));
	if (threads.have_made)
		assert_int_equal(threads.made, made);
	for (n = 0; facts[2 + n]; n++) {
		assert_true(n < threads.n_rows);
		compare(&threads.rows[n], facts[2 + n]);
	}
	assert_int_equal(threads.n_rows, n);
	check_stacks(&threads, process.pid, &runtime);
	check_tasks(&threads, process.pid);
	py_threads_free(&threads);
	py_runtime_fini(&runtime);
	process_close(&process);
	child_facts_free(facts);
	child_end(&child);
}

static void threads_are_those_that_the_script_states(void **state)
{
	with_pythons(minor_of(state), check_threads);
}

/* ---- memory by hand ------------------------------------------------------------------------- */

/* Thread states that go round and round, point into nothing, or belong to somebody else. */
static void hostile_thread_states_come_to_an_end(void **state)
{
	static struct {
		uint64_t interp[2048], one[512], two[512];
	} image;
	struct py_runtime runtime = {.layout = *layout_find(11, false)};
	const struct py_layout *layout = &runtime.layout;
	struct py_threads threads;
	struct err err = ERR_INIT;
	uint64_t head = (uint64_t)&image.interp;

	(void)state;
	runtime.interp_head_address = (uint64_t)&head;
	image.interp[layout->interp.threads_head / 8] = (uint64_t)&image.one;
	image.one[layout->tstate.interp / 8] = head;
	image.one[layout->tstate.next / 8] = (uint64_t)&image.two;
	image.two[layout->tstate.interp / 8] = head;
	image.two[layout->tstate.next / 8] = (uint64_t)&image.one;
	image.interp[layout->interp.next / 8] = head;
	image.one[layout->tstate.cframe / 8] = 8;
	assert_int_equal(py_threads_read(&threads, getpid(), &runtime, &err), 0);
	assert_int_equal(threads.n_rows, PY_THREADS_MAX);
	assert_int_equal(threads.n_interpreters, PY_INTERPRETERS_MAX);
	assert_true(threads.cut);
	py_threads_free(&threads);
	/* another interpreter's, then nothing */
	image.interp[layout->interp.next / 8] = 0;
	image.two[layout->tstate.interp / 8] = head + 8;
	assert_int_equal(py_threads_read(&threads, getpid(), &runtime, &err), 0);
	assert_int_equal(threads.n_rows, 1);
	assert_true(threads.cut);
	assert_null(threads.rows[0].name);
	assert_null(threads.rows[0].at.function);
	py_threads_free(&threads);
	head = 0;
	assert_int_equal(py_threads_read(&threads, getpid(), &runtime, &err), -ERR_TARGET);
	py_threads_free(&threads);
}

/* A frame that is its own caller, and one whose code is none. */
static void hostile_frames_come_to_an_end(void **state)
{
	static uint64_t tstate[64], frame[64], code[64];
	struct py_runtime runtime = {.layout = *layout_find(10, false), .code_type = 0x4242};
	const struct py_layout *layout = &runtime.layout;
	struct py_frame frames[20];
	bool complete;

	(void)state;
	tstate[layout->tstate.frame / 8] = (uint64_t)frame;
	frame[layout->frame.previous / 8] = (uint64_t)frame;
	frame[layout->frame.code / 8] = (uint64_t)code;
	code[layout->object.ob_type / 8] = 0x4242;
	assert_int_equal(
		py_frames_read(frames, 20, &complete, getpid(), &runtime, (uint64_t)tstate), 20);
	assert_false(complete);
	code[layout->object.ob_type / 8] = 0x4243;
	assert_int_equal(
		py_frames_read(frames, 20, &complete, getpid(), &runtime, (uint64_t)tstate), 0);
	assert_false(complete);
	tstate[layout->tstate.frame / 8] = 0;
	assert_int_equal(
		py_frames_read(frames, 20, &complete, getpid(), &runtime, (uint64_t)tstate), 0);
	assert_true(complete);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_EACH_MINOR(threads_are_those_that_the_script_states),
		cmocka_unit_test(hostile_thread_states_come_to_an_end),
		cmocka_unit_test(hostile_frames_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
