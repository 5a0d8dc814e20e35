/* SPDX-License-Identifier: BSD-2-Clause
 *
 * runtime: an opened process -> which CPython runs in it and where its parts are.
 *
 * Place      layer 2; called by cli; its result feeds probe, symbol, snapshot.
 * Source     cpython internals: _PyRuntime and its .PyRuntime section, Py_Version, _Py_DebugOffsets
 *            (3.13+), obmalloc.c for the allocator tables, pystate.c for the thread state; nptl for
 *            the TSS slot.
 * Shapes     all addresses are addresses in the target; 0 = not there.
 * Errors     -ERR_TARGET: not a CPython that is supported; the sentence names what it is ("pid 7 is
 *            /usr/bin/dash, not a Python", "CPython 2.7.18 ...", "PyPy 7.3 ...", "free-threaded
 *            CPython 3.13 ..."). -ERR_PERMISSION as process_open().
 * Ownership  py_runtime_find() fills, py_runtime_fini() releases the modules.
 * Bounds     reads the target's memory, never writes, never stops it.
 */
#ifndef PYLEAKTRACE_PYTHON_RUNTIME_H
#define PYLEAKTRACE_PYTHON_RUNTIME_H

#include "python/layout.h"
#include "target/maps.h"
#include "target/module.h"
#include "target/process.h"

/* One PyMemAllocatorEx record as it is in the target now: {ctx, malloc, calloc, realloc, free}. */
struct py_allocator {
	uint64_t table; /* address of the record */
	uint64_t ctx, malloc, calloc, realloc, free;
};

/* Ways from a thread's own thread pointer (fsbase) to its PyThreadState; tried in order. */
enum py_tstate_way_kind {
	PY_TSTATE_TSS,    /* pthread key: *(*(tp + offset + 8 * (key / 32)) + 16 * (key % 32) + 8);
			     musl: see tss */
	PY_TSTATE_TLS,    /* *(tp + offset), offset may be negative */
	PY_TSTATE_DTV,    /* *(*(*(tp + 8) + 16 * module_id) + offset) */
	PY_TSTATE_GLOBAL, /* *(offset): who holds the GIL; right only when its thread_id is ours */
};

struct py_tstate_way {
	enum py_tstate_way_kind kind;
	int64_t offset;     /* TSS: of pthread.specific[] in struct pthread */
	uint32_t key;       /* TSS */
	uint64_t module_id; /* DTV */
};

#define PY_TSTATE_WAYS_MAX 3

struct py_runtime {
	struct module python; /* libpython or the executable */
	struct module libc;
	bool libc_is_musl;
	char version[32];    /* "3.11.2", "3.15.0b1", "3.13.5t" */
	uint32_t hexversion; /* 0x030b02f0; the low 16 bits are 0 when only major.minor is known */
	struct py_layout layout;

	uint64_t runtime;                    /* &_PyRuntime; 0 in 3.6 */
	uint64_t type_type, code_type, none; /* &PyType_Type, &PyCode_Type, &_Py_NoneStruct */
	uint64_t eval_frame;                 /* _PyEval_EvalFrameDefault */
	/* address of the word that holds the first PyInterpreterState * */
	uint64_t interp_head_address;

	struct py_allocator raw, mem, obj;
	/* _PyObject_Malloc where it could be identified (debug copies, symbols); else 0 */
	uint64_t default_obj_malloc;
	struct {
		uint64_t table, ctx, alloc, free;
	} arena; /* PyObjectArenaAllocator; table 0: not found */

	struct py_tstate_way ways[PY_TSTATE_WAYS_MAX];
	unsigned n_ways;
};

int py_runtime_find(struct py_runtime *runtime, const struct process *process, struct err *err);
void py_runtime_fini(struct py_runtime *runtime);

/*
 * The PyInterpreterState of the main interpreter: the last of the list, at whose head is the
 * newest. 0: there is none, or it cannot be read.
 */
uint64_t py_runtime_main(const struct py_runtime *runtime, pid_t pid);

/* How many interpreters there are, the main one too. false: the list cannot be read to its end. */
bool py_runtime_interpreters(const struct py_runtime *runtime, pid_t pid, uint64_t *n);

/* Read one allocator record again (it may have been changed since, by the target or by us). */
int py_allocator_read(struct py_allocator *allocator, pid_t pid, uint64_t table, struct err *err);

#endif
