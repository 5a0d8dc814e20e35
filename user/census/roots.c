/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/roots.h"

#include <stdlib.h>
#include <string.h>

#include "python/atexit.h"
#include "target/bss.h"
#include "target/remote_mem.h"

static int add(struct reach *reach, const struct root *root)
{
	if (reach->n_roots >= REACH_ROOTS_MAX && root->kind < ROOT_IMMORTAL)
		return 0;
	if (reach->n_roots == reach->roots_room) {
		size_t room = reach->roots_room ? 2 * reach->roots_room : 64;
		struct root *roots = realloc(reach->roots, room * sizeof(*roots));

		if (!roots)
			return -1;
		reach->roots = roots;
		reach->roots_room = room;
	}
	reach->roots[reach->n_roots++] = *root;
	return 0;
}

/* The main interpreter is the last of the list. */
static bool is_sub(const struct reach *reach, uint32_t thread)
{
	return reach->threads.rows[thread].interpreter + 1 < reach->threads.n_interpreters;
}

/* A thread that runs may leave a frame while the next one is looked for: then it is read again. */
#define TRIES 3

static int add_frames(struct reach *reach, uint32_t thread)
{
	struct py_frame *frames = malloc(REACH_FRAMES * sizeof(*frames));
	bool complete = false;
	size_t n = 0;
	int result = frames ? 0 : -1;

	for (unsigned i = 0; i < TRIES && frames && !complete && n < REACH_FRAMES; i++)
		n = py_frames_read(frames, REACH_FRAMES, &complete, census_pid(reach->census),
				   census_runtime(reach->census),
				   reach->threads.rows[thread].state);
	reach->frames_cut |= n == REACH_FRAMES;
	for (size_t i = 0; i < n && !result; i++)
		result = add(reach, &(struct root){.kind = ROOT_FRAME,
						   .sub = is_sub(reach, thread),
						   .thread = thread,
						   .frame = frames[i]});
	free(frames);
	return result;
}

static int add_threads(struct reach *reach)
{
	const struct py_layout *layout = &census_runtime(reach->census)->layout;
	int result = 0;

	for (uint32_t i = 0; i < reach->threads.n_rows && !result; i++) {
		uint64_t state = reach->threads.rows[i].state;

		result = add_frames(reach, i);
		if (!result)
			result = add(reach,
				     &(struct root){.kind = ROOT_THREAD,
						    .sub = is_sub(reach, i),
						    .thread = i,
						    .start = state,
						    .end = state + (uint64_t)layout->tstate.size});
	}
	return result;
}

/* What it has registered to be called at its end. */
static int add_callbacks(struct reach *reach, uint64_t interp, bool sub)
{
	struct root root = {.kind = ROOT_ATEXIT, .sub = sub};
	struct py_atexit found;

	if (!py_atexit_find(&found, census_pid(reach->census), census_runtime(reach->census),
			    interp))
		return 0;
	root.structs = found.array;
	root.start = found.array ? found.array : found.list;
	root.end = root.start + 8 * (found.array ? found.count : 1);
	return add(reach, &root);
}

/* in  kind: ROOT_MODULES, ROOT_ATEXIT or ROOT_INTERPRETER */
static int add_interpreter(struct reach *reach, enum root_kind kind, uint64_t interp, bool sub)
{
	const struct py_layout *layout = &census_runtime(reach->census)->layout;
	struct root root = {.kind = kind, .sub = sub, .start = interp};

	if (kind == ROOT_ATEXIT)
		return add_callbacks(reach, interp, sub);
	root.end = interp + (uint64_t)layout->interp.size;
	if (kind == ROOT_MODULES) {
		root.start += (uint64_t)layout->interp.modules;
		root.end = root.start + 8;
	}
	return add(reach, &root);
}

/* The main one, which is the last of the list, is first. */
static int add_interpreters(struct reach *reach, enum root_kind kind)
{
	const struct py_runtime *runtime = census_runtime(reach->census);
	pid_t pid = census_pid(reach->census);
	uint64_t main_one = py_runtime_main(runtime, pid), interp = 0;
	int result = main_one ? add_interpreter(reach, kind, main_one, false) : 0;

	remote_read_u64(pid, runtime->interp_head_address, &interp);
	for (unsigned i = 0; interp && i < PY_INTERPRETERS_MAX && !result; i++) {
		if (interp != main_one)
			result = add_interpreter(reach, kind, interp, main_one != 0);
		remote_read_u64(pid, interp + (uint64_t)runtime->layout.interp.next, &interp);
	}
	return result;
}

static bool is_data(const struct map_range *range)
{
	return range->readable && range->writable && !range->shared && range->inode;
}

static int add_data(struct reach *reach, const struct maps *maps)
{
	int result = 0;

	for (size_t i = 0; i < maps->n_ranges && !result; i++) {
		const struct map_range *range = &maps->ranges[i];
		struct root root = {.kind = ROOT_DATA, .start = range->start, .end = range->end};

		if (!is_data(range))
			continue;
		/* the .bss goes on in the anonymous range behind it */
		if (i + 1 < maps->n_ranges && range[1].start == range->end &&
		    bss_end(maps, i + 1) > range->end)
			root.end = bss_end(maps, i + 1);
		root.file = strdup(range->path);
		result = root.file ? add(reach, &root) : -1;
		if (result)
			free(root.file);
	}
	return result;
}

int roots_find(struct reach *reach, struct err *err)
{
	pid_t pid = census_pid(reach->census);
	struct maps maps = {0};
	int result = py_threads_read(&reach->threads, pid, census_runtime(reach->census), err);

	if (!result)
		result = maps_read(&maps, pid, err);
	if (result)
		return result;
	if (add_interpreters(reach, ROOT_MODULES) || add_threads(reach) ||
	    add_interpreters(reach, ROOT_ATEXIT) || add_interpreters(reach, ROOT_INTERPRETER) ||
	    add_data(reach, &maps) || add(reach, &(struct root){.kind = ROOT_IMMORTAL}) ||
	    add(reach, &(struct root){.kind = ROOT_HELD}))
		result = err_set(err, ERR_FAILED, "no memory for the roots of pid %d", (int)pid);
	maps_fini(&maps);
	return result;
}
