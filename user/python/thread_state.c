/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/thread_state.h"

#include <string.h>

#include "arch/arch.h"
#include "python/flow.h"
#include "target/remote_mem.h"

/* struct pthread_key_data {uintptr_t seq; void *data;} in blocks of 32 */
#define KEY_DATA_BYTES 16
#define KEY_DATA_VALUE 8
#define KEYS_PER_BLOCK 32
#define KEYS_MAX       1024 /* PTHREAD_KEYS_MAX */

#define MODULES_MAX    4096 /* TLS modules; ids are given from 1 on */
#define TLS_BLOCK_MAX  (16 << 20)
#define CALIBRATE_MAX  8 /* thread states looked at */

static void add_way(struct py_runtime *runtime, struct py_tstate_way way)
{
	if (runtime->n_ways < PY_TSTATE_WAYS_MAX)
		runtime->ways[runtime->n_ways++] = way;
}

uint64_t py_tstate_follow(const struct py_tstate_way *way, pid_t pid, uint64_t thread_pointer)
{
	uint64_t at = 0, value = 0;

	switch (way->kind) {
	case PY_TSTATE_TSS:
		at = thread_pointer + (uint64_t)way->offset + 8 * (way->key / KEYS_PER_BLOCK);
		remote_read_u64(pid, at, &at);
		at += at ? KEY_DATA_BYTES * (way->key % KEYS_PER_BLOCK) + KEY_DATA_VALUE : 0;
		break;
	case PY_TSTATE_TLS:
		at = thread_pointer + (uint64_t)way->offset;
		break;
	case PY_TSTATE_DTV:
		remote_read_u64(pid, thread_pointer + 8, &at);
		remote_read_u64(pid, at ? at + 16 * way->module_id : 0, &at);
		/* all ones: the thread has not touched this module's variables yet */
		at = at && at != UINT64_MAX ? at + (uint64_t)way->offset : 0;
		break;
	case PY_TSTATE_GLOBAL:
		at = (uint64_t)way->offset;
		break;
	}
	if (at)
		remote_read_u64(pid, at, &value);
	return value;
}

/* One of glibc's descriptions for debuggers: {bits, count, byte offset}. */
static bool read_description(const struct module *libc, pid_t pid, const char *name,
			     uint32_t out[3])
{
	uint64_t address = module_symbol(libc, name);

	return address && remote_read(pid, address, out, 3 * sizeof(*out)) == 0;
}

/* Where struct pthread has its array of pointers to blocks of keys, as glibc itself says. */
static bool specific_from_libc(const struct py_runtime *runtime, pid_t pid, int64_t *offset)
{
	const struct module *libc = &runtime->libc;
	uint32_t specific[3], data[3], block[3];

	if (!read_description(libc, pid, "_thread_db_pthread_specific", specific) ||
	    !read_description(libc, pid, "_thread_db_pthread_key_data_data", data) ||
	    !read_description(libc, pid, "_thread_db_pthread_key_data_level2_data", block))
		return false;
	if (specific[0] != 64 || specific[1] != KEYS_MAX / KEYS_PER_BLOCK || specific[2] > 65536 ||
	    data[2] != KEY_DATA_VALUE || block[0] != 8 * KEY_DATA_BYTES ||
	    block[1] != KEYS_PER_BLOCK || block[2] != 0)
		return false;
	*offset = specific[2];
	return true;
}

/*
 * The same found by trying, for a glibc without symbols (linked statically and stripped): threads
 * whose PyThreadState is known must have it in their slot. Two threads, or all when there is one.
 */
static bool specific_by_trying(const struct py_runtime *runtime, pid_t pid, uint32_t key,
			       int64_t *offset)
{
	const struct py_layout *layout = &runtime->layout;
	struct py_tstate_way way = {.kind = PY_TSTATE_TSS, .key = key};
	uint64_t states[CALIBRATE_MAX], pointers[CALIBRATE_MAX], state = 0;
	uint64_t interp = py_runtime_main(runtime, pid);
	unsigned n = 0;

	if (interp)
		remote_read_u64(pid, interp + (uint64_t)layout->interp.threads_head, &state);
	while (state && n < CALIBRATE_MAX) {
		states[n] = state;
		if (remote_read_u64(pid, state + (uint64_t)layout->tstate.thread_id,
				    &pointers[n]) == 0 &&
		    pointers[n])
			n++;
		remote_read_u64(pid, state + (uint64_t)layout->tstate.next, &state);
	}
	for (way.offset = 0; n && way.offset < 4096; way.offset += 8) {
		unsigned right = 0, i;

		for (i = 0; i < n; i++)
			right += py_tstate_follow(&way, pid, pointers[i]) == states[i];
		if (right == n || right >= 2) {
			*offset = way.offset;
			return true;
		}
	}
	return false;
}

/* The key: an int that is -1 or not created yet before the interpreter is there. */
static bool read_key(const struct py_runtime *runtime, pid_t pid, uint32_t *key)
{
	int32_t offset = runtime->layout.runtime.tss_key;
	uint64_t address = 0;
	uint32_t created = 0;

	if (runtime->runtime && offset != LAYOUT_NONE) {
		/* Py_tss_t: int _is_initialized, then the key */
		address = runtime->runtime + (uint64_t)offset;
		if (remote_read_u32(pid, address - 4, &created) != 0 || created != 1)
			return false;
	} else if (!runtime->runtime) {
		address = module_symbol(&runtime->python, "autoTLSkey");
	}
	if (!address && !runtime->runtime) {
		struct flow flow;
		unsigned i;

		flow_trace(&flow, &runtime->python, pid, "PyGILState_GetThisThreadState", 0);
		for (i = 0; i < flow.n_events && !address; i++) {
			if (flow.events[i].kind == FLOW_READ && flow.events[i].size == 4)
				address = flow.events[i].address;
		}
	}
	return address && remote_read_u32(pid, address, key) == 0 && *key < KEYS_MAX;
}

static void add_tss(struct py_runtime *runtime, pid_t pid)
{
	struct py_tstate_way way = {.kind = PY_TSTATE_TSS};

	/* musl has no blocks of keys */
	if (!ARCH_TSS_FOLLOWED || runtime->libc_is_musl || !read_key(runtime, pid, &way.key))
		return;
	if (specific_from_libc(runtime, pid, &way.offset) ||
	    specific_by_trying(runtime, pid, way.key, &way.offset))
		add_way(runtime, way);
}

/* An exported function that does nothing but return a C thread-local variable. */
static bool add_variable(struct py_runtime *runtime, pid_t pid, const char *function)
{
	struct flow flow;
	unsigned i;

	flow_trace(&flow, &runtime->python, pid, function, 0);
	for (i = 0; i < flow.n_events; i++) {
		const struct flow_event *event = &flow.events[i];
		uint64_t pair[2]; /* from the dynamic linker: module id, offset in its block */

		if (event->size != 8)
			continue;
		if (event->kind == FLOW_TLS) {
			add_way(runtime, (struct py_tstate_way){.kind = PY_TSTATE_TLS,
								.offset = event->offset});
			return true;
		}
		if (event->kind == FLOW_TLS_GET &&
		    remote_read(pid, event->address, pair, sizeof(pair)) == 0 && pair[0] > 0 &&
		    pair[0] < MODULES_MAX && pair[1] < TLS_BLOCK_MAX && event->offset >= 0 &&
		    event->offset < TLS_BLOCK_MAX) {
			add_way(runtime,
				(struct py_tstate_way){.kind = PY_TSTATE_DTV,
						       .module_id = pair[0],
						       .offset = (int64_t)pair[1] + event->offset});
			return true;
		}
	}
	return false;
}

static void add_global(struct py_runtime *runtime)
{
	int32_t offset = runtime->layout.runtime.tstate_current;
	uint64_t address = 0;

	if (!runtime->runtime)
		address = module_symbol(&runtime->python, "_PyThreadState_Current");
	else if (offset != LAYOUT_NONE)
		address = runtime->runtime + (uint64_t)offset;
	if (address)
		add_way(runtime, (struct py_tstate_way){.kind = PY_TSTATE_GLOBAL,
							.offset = (int64_t)address});
}

void py_tstate_ways_find(struct py_runtime *runtime, pid_t pid)
{
	/* these functions exist where the variable does */
	bool has_holder =
		!runtime->runtime || runtime->layout.runtime.tstate_current != LAYOUT_NONE;
	bool has_key = !runtime->runtime || runtime->layout.runtime.tss_key != LAYOUT_NONE;

	runtime->n_ways = 0;
	if (!has_holder && !add_variable(runtime, pid, "_PyThreadState_GetCurrent"))
		add_variable(runtime, pid, "PyThreadState_GetUnchecked");
	if (has_key)
		add_tss(runtime, pid);
	else
		add_variable(runtime, pid, "PyGILState_GetThisThreadState");
	if (has_holder)
		add_global(runtime);
}
