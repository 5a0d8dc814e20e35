/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/threads.h"

#include <stdlib.h>
#include <string.h>

#include "python/code.h"
#include "python/dict.h"
#include "python/frames.h"
#include "python/pthreads.h"
#include "python/str.h"
#include "target/remote_mem.h"

#define NAME_MAX_BYTES 128
#define INT_DIGITS_MAX 3 /* of 30 bits: an ident has 64 */
#define CODES          256

/* The code objects of this look: threads of one kind are at the same places. */
struct codes {
	uint64_t address[CODES];
	struct py_code code[CODES];
};

struct reader {
	pid_t pid;
	const struct py_runtime *runtime;
	struct py_threads *threads;
	struct pthreads pthreads;
	struct codes *codes;
	size_t room;
};

/* ---- places --------------------------------------------------------------------------------- */

/* NULL: not a code object. Valid until another one takes its place. */
static const struct py_code *get_code(struct reader *reader, uint64_t address)
{
	size_t slot = address / 16 % CODES;
	struct py_code *code = &reader->codes->code[slot];

	if (reader->codes->address[slot] == address)
		return code;
	if (reader->codes->address[slot])
		py_code_fini(code);
	reader->codes->address[slot] = 0;
	if (py_code_read(code, reader->pid, reader->runtime, address))
		return NULL;
	reader->codes->address[slot] = address;
	return code;
}

static void take_place(struct py_place *place, const struct py_code *code,
		       const struct py_frame *frame)
{
	place->function = strdup(code->name);
	place->file = strdup(code->filename);
	place->line = py_code_line(code, frame->position);
	if (!place->line && code->first_line > 0)
		place->line = (uint32_t)code->first_line;
}

static bool is_of_threading(const char *file)
{
	static const char end[] = "/threading.py";
	size_t n = strlen(file);

	return n >= sizeof(end) - 1 && !strcmp(file + n - (sizeof(end) - 1), end);
}

static void take_frames(struct reader *reader, struct py_thread *thread)
{
	struct py_frame frames[PY_THREAD_DEPTH];
	const struct py_code *code;
	bool complete;
	size_t n = py_frames_read(frames, PY_THREAD_DEPTH, &complete, reader->pid, reader->runtime,
				  thread->state);

	if (!n)
		return;
	code = get_code(reader, frames[0].code);
	if (code)
		take_place(&thread->at, code, &frames[0]);
	for (size_t i = n; complete && i--;) {
		code = get_code(reader, frames[i].code);
		if (!code)
			return;
		if (!is_of_threading(code->filename)) {
			take_place(&thread->entry, code, &frames[i]);
			return;
		}
	}
}

/* ---- thread states -------------------------------------------------------------------------- */

static struct py_thread *add(struct reader *reader)
{
	struct py_threads *threads = reader->threads;

	if (threads->n_rows == reader->room) {
		size_t more = reader->room ? reader->room * 2 : 32;
		struct py_thread *rows = realloc(threads->rows, more * sizeof(*rows));

		if (!rows)
			return NULL;
		threads->rows = rows;
		reader->room = more;
	}
	memset(&threads->rows[threads->n_rows], 0, sizeof(threads->rows[0]));
	return &threads->rows[threads->n_rows++];
}

/* return false when the chain cannot be followed further */
static bool read_state(struct reader *reader, uint64_t interp, uint64_t state, uint64_t *next)
{
	const struct py_layout *layout = &reader->runtime->layout;
	uint64_t back = 0, ident = 0, id = 0, native = 0;
	struct py_thread *thread;

	struct remote_item items[] = {
		{state + (uint64_t)layout->tstate.next, next, 8, 0},
		{state + (uint64_t)layout->tstate.interp, &back, 8, 0},
		{state + (uint64_t)layout->tstate.thread_id, &ident, 8, 0},
		{state + (uint64_t)layout->threads.id, &id,
		 layout->threads.id == LAYOUT_NONE ? 0 : 8, 0},
		{state + (uint64_t)layout->tstate.native_thread_id, &native,
		 layout->tstate.native_thread_id == LAYOUT_NONE ? 0 : 8, 0},
	};

	remote_read_many(reader->pid, items, sizeof(items) / sizeof(items[0]));
	/* a state that was freed meanwhile says something else */
	if (items[0].result || items[1].result || items[2].result || back != interp)
		return false;
	thread = add(reader);
	if (!thread)
		return false;
	thread->state = state;
	thread->ident = ident;
	thread->id = id;
	thread->interpreter = reader->threads->n_interpreters;
	thread->ns_tid = native && native <= INT32_MAX ? (pid_t)native
						       : pthread_tid(&reader->pthreads, ident);
	take_frames(reader, thread);
	return true;
}

/* ---- names ---------------------------------------------------------------------------------- */

/*
 * A positive int of up to three digits of 30 bits. Up to 3.11 the word before the digits is their
 * number, later it is that times 8: with so few digits the two cannot be confused.
 */
static uint64_t read_int(const struct reader *reader, uint64_t address)
{
	struct {
		uint64_t tag;
		uint32_t digits[INT_DIGITS_MAX];
	} number = {0};
	uint64_t value = 0, n;

	if (remote_read(reader->pid, address + (uint64_t)reader->runtime->layout.object.var_size,
			&number, 8 + sizeof(number.digits)))
		return 0;
	n = number.tag <= INT_DIGITS_MAX ? number.tag : number.tag >> 3;
	if (n > INT_DIGITS_MAX)
		return 0;
	while (n--)
		value = value << 30 | number.digits[n];
	return value;
}

static void name_thread(const struct reader *reader, size_t first, uint64_t ident, uint64_t object)
{
	const struct py_layout *layout = &reader->runtime->layout;
	char name[NAME_MAX_BYTES];
	struct py_dict attributes;
	uint64_t text;

	for (size_t i = first; i < reader->threads->n_rows; i++) {
		struct py_thread *thread = &reader->threads->rows[i];

		if (thread->ident != ident || thread->name)
			continue;
		if (py_attributes_open(&attributes, reader->pid, layout, object))
			return;
		text = py_dict_find(&attributes, reader->pid, layout, "_name");
		if (text && py_str_read(reader->pid, layout, text, name, sizeof(name)) > 0)
			thread->name = strdup(name);
		return;
	}
}

/* The value of a name of a module; 0: none. A module object has its dict behind its head. */
static uint64_t module_value(const struct reader *reader, uint64_t module, const char *name)
{
	const struct py_layout *layout = &reader->runtime->layout;
	uint64_t address;
	struct py_dict dict;

	if (!module ||
	    remote_read_u64(reader->pid, module + (uint64_t)layout->object.ob_type + 8, &address) ||
	    py_dict_open(&dict, reader->pid, layout, address))
		return 0;
	return py_dict_find(&dict, reader->pid, layout, name);
}

/* in  first: index of the interpreter's first thread */
static void name_threads(const struct reader *reader, uint64_t interp, size_t first)
{
	const struct py_layout *layout = &reader->runtime->layout;
	struct py_item items[PY_DICT_CHUNK];
	uint64_t address;
	struct py_dict dict;
	size_t n;

	if (remote_read_u64(reader->pid, interp + (uint64_t)layout->interp.modules, &address) ||
	    py_dict_open(&dict, reader->pid, layout, address))
		return;
	address = py_dict_find(&dict, reader->pid, layout, "threading");
	address = module_value(reader, address, "_active");
	if (!address || py_dict_open(&dict, reader->pid, layout, address))
		return;
	for (uint64_t at = 0; (n = py_dict_read(&dict, reader->pid, at, items)); at += n)
		for (size_t i = 0; i < n; i++)
			if (items[i].key && items[i].value)
				name_thread(reader, first, read_int(reader, items[i].key),
					    items[i].value);
}

/* ---- all ------------------------------------------------------------------------------------ */

static void count_made(struct reader *reader, uint64_t interp)
{
	int32_t offset = reader->runtime->layout.threads.next_id;
	uint64_t next;

	if (offset == LAYOUT_NONE || remote_read_u64(reader->pid, interp + (uint64_t)offset, &next))
		reader->threads->have_made = false;
	else
		reader->threads->made += next;
}

static void read_interpreter(struct reader *reader, uint64_t interp)
{
	size_t first = reader->threads->n_rows;
	uint64_t state = 0;

	remote_read_u64(reader->pid, interp + (uint64_t)reader->runtime->layout.interp.threads_head,
			&state);
	while (state) {
		if (reader->threads->n_rows == PY_THREADS_MAX ||
		    !read_state(reader, interp, state, &state)) {
			reader->threads->cut = true;
			break;
		}
	}
	name_threads(reader, interp, first);
	count_made(reader, interp);
}

int py_threads_read(struct py_threads *threads, pid_t pid, const struct py_runtime *runtime,
		    struct err *err)
{
	struct reader reader = {.pid = pid, .runtime = runtime, .threads = threads};
	uint64_t interp = 0;
	int result = 0;

	*threads = (struct py_threads){.have_made = true};
	reader.codes = calloc(1, sizeof(*reader.codes));
	if (!reader.codes)
		return err_set(err, ERR_FAILED, "no memory for the threads of pid %d", (int)pid);
	pthreads_init(&reader.pthreads, pid, runtime);
	remote_read_u64(pid, runtime->interp_head_address, &interp);
	if (!interp)
		result = err_set(err, ERR_TARGET, "pid %d no longer has an interpreter", (int)pid);
	for (; interp && threads->n_interpreters < PY_INTERPRETERS_MAX; threads->n_interpreters++) {
		read_interpreter(&reader, interp);
		remote_read_u64(pid, interp + (uint64_t)runtime->layout.interp.next, &interp);
	}
	for (size_t i = 0; i < CODES; i++)
		if (reader.codes->address[i])
			py_code_fini(&reader.codes->code[i]);
	free(reader.codes);
	return result;
}

size_t py_threads_idents(uint64_t *idents, size_t max, pid_t pid, const struct py_runtime *runtime)
{
	const struct py_layout *layout = &runtime->layout;
	uint64_t interp = 0, state;
	size_t n = 0;

	remote_read_u64(pid, runtime->interp_head_address, &interp);
	for (unsigned i = 0; interp && i < PY_INTERPRETERS_MAX; i++) {
		remote_read_u64(pid, interp + (uint64_t)layout->interp.threads_head, &state);
		while (state && n < max) {
			uint64_t at = state;

			remote_read_u64(pid, at + (uint64_t)layout->tstate.next, &state);
			if (!remote_read_u64(pid, at + (uint64_t)layout->tstate.thread_id,
					     &idents[n]))
				n++;
			else
				break;
		}
		remote_read_u64(pid, interp + (uint64_t)layout->interp.next, &interp);
	}
	return n;
}

void py_threads_free(struct py_threads *threads)
{
	for (size_t i = 0; i < threads->n_rows; i++) {
		struct py_thread *thread = &threads->rows[i];

		free(thread->name);
		free(thread->at.function);
		free(thread->at.file);
		free(thread->entry.function);
		free(thread->entry.file);
	}
	free(threads->rows);
	*threads = (struct py_threads){0};
}
