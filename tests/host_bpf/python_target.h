/* SPDX-License-Identifier: BSD-2-Clause
 *
 * python_target: a thread of a CPython of any version in the memory image: thread state, frames,
 * code objects where the version's row of the layout table says they lie. Nothing is mapped behind
 * what may be read.
 *
 * Place      tests/host_bpf; brings shim.h, the BPF side, and the user side that fills its facts.
 * Shapes     frame_at(i), code_at(i): frame and code object number i; 1 is the leaf. Position i,
 *            first line 1000 + i.
 * Example    begin(layout_find(12, false));
 *            put_chain(3);
 *            put_tstate(AT_TSTATE, TP, frame_at(1), AT_CFRAME);
 *            check_frame(entry_of(walk_now(), 0), 1, 1, false);
 */
#ifndef PYLEAKTRACE_TESTS_HOST_BPF_PYTHON_TARGET_H
#define PYLEAKTRACE_TESTS_HOST_BPF_PYTHON_TARGET_H

/* two compile units in one: names of the one may be parameters of the other */
#pragma GCC diagnostic ignored "-Wshadow"
#include "probe/facts.c"
#include "python/layout.c"
#include "base/err.c"

#undef FIELD
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "facts_of_test.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* where things lie in the target */
#define TP          0x7f1000000000ull /* thread pointer of the thread that is looked at */
#define OTHER_TP    0x7f2000000000ull
#define AT_TSTATE   0x100000000ull
#define AT_OTHER    0x110000000ull /* another thread's PyThreadState */
#define AT_CFRAME   0x120000000ull
#define AT_GLOBAL   0x130000000ull
#define AT_FRAMES   0x200000000ull
#define AT_CODES    0x300000000ull
#define STEP        0x1000ull
#define AT_FILENAME 0x400000000ull
#define AT_NAME     0x500000000ull

#define TGID        77

enum owner { OWNER_THREAD = 0, OWNER_GENERATOR = 1, OWNER_FRAME_OBJECT = 2, OWNER_SHIM = 3 };

#define MAX_PLACED 64

struct target {
	struct py_runtime runtime;
	const struct py_layout *layout;
	const struct abi_python *python;
	/* address of frame i in memory that is mapped already; 0: it has a page of its own */
	__u64 placed[MAX_PLACED];
};

static struct target target;

static const struct abi_thread *the_thread(void)
{
	__u32 tid = shim.tid;

	return bpf_map_lookup_elem(&threads, &tid);
}

static const struct abi_frame *entry_of(const struct abi_thread *thread, unsigned i)
{
	assert_true(i < thread->n_entries);
	return &thread->entries[i / ABI_CHUNK].frames[i % ABI_CHUNK];
}

static void put_window(__u64 at, const struct abi_window *window)
{
	image_map(&shim.memory, at + window->start, window->size);
}

static void put_tstate(__u64 at, __u64 tp, __u64 frame, __u64 cframe)
{
	const struct py_layout *layout = target.layout;
	__u64 first = frame;

	put_window(at, &target.python->tstate);
	image_put_u64(&shim.memory, at + (__u64)layout->tstate.thread_id, tp);
	if (layout->tstate.cframe >= 0) {
		image_map(&shim.memory, cframe + (__u64)layout->cframe_current_frame, 8);
		image_put_u64(&shim.memory, cframe + (__u64)layout->cframe_current_frame, frame);
		first = cframe;
	}
	image_put_u64(&shim.memory,
		      at + (__u64)(layout->tstate.frame >= 0    ? layout->tstate.frame
				   : layout->tstate.cframe >= 0 ? layout->tstate.cframe
								: layout->tstate.current_frame),
		      first);
}

/* The place of frame and code object number i; 1 is the leaf. */
static __u64 frame_at(unsigned i)
{
	return i < MAX_PLACED && target.placed[i] ? target.placed[i] : AT_FRAMES + i * STEP;
}

static __u64 code_at(unsigned i)
{
	return AT_CODES + i * (STEP + 32); /* no two neighbours share a place in abi_thread.codes */
}

/* A position as the version writes it: unit -1 is "not begun". */
static void put_position(unsigned i, long unit)
{
	const struct py_layout *layout = target.layout;

	if (layout->frame.lasti >= 0)
		image_put(&shim.memory, frame_at(i) + (__u64)layout->frame.lasti,
			  unit < 0 ? (__u64)-1
				   : (__u64)unit * (layout->frame.lasti_unit == 1 ? 2 : 1),
			  4);
	else
		image_put_u64(&shim.memory, frame_at(i) + (__u64)layout->frame.instr_ptr,
			      code_at(i) + (__u64)layout->code.code + 2 * (__u64)unit);
}

static void put_previous(unsigned i, __u64 previous)
{
	image_put_u64(&shim.memory, frame_at(i) + (__u64)target.layout->frame.previous, previous);
}

static void put_owner(unsigned i, enum owner owner)
{
	if (target.layout->frame.owner >= 0)
		image_put(&shim.memory, frame_at(i) + (__u64)target.layout->frame.owner, owner, 1);
}

static void put_code(unsigned i)
{
	const struct py_layout *layout = target.layout;

	/* what is read of a code object is part of it in every version */
	assert_true(target.python->code.start + target.python->code.size <=
		    (__u32)layout->code.size);
	put_window(code_at(i), &target.python->code);
	image_put(&shim.memory, code_at(i) + (__u64)layout->code.firstlineno, 1000 + i, 4);
	image_put_u64(&shim.memory, code_at(i) + (__u64)layout->code.filename, AT_FILENAME + 8 * i);
	image_put_u64(&shim.memory, code_at(i) + (__u64)layout->code.name, AT_NAME + 8 * i);
}

static void put_frame(unsigned i, __u64 previous)
{
	const struct py_layout *layout = target.layout;

	/* what is below the frame in its page may be fetched with it */
	if (i >= MAX_PLACED || !target.placed[i])
		image_map(&shim.memory, frame_at(i),
			  target.python->frame.start + target.python->frame.size);
	/* where the reference may be tagged, it is */
	image_put_u64(&shim.memory, frame_at(i) + (__u64)layout->frame.code,
		      layout->frame.code_mask == ~0ull ? code_at(i) : code_at(i) | 1);
	put_previous(i, previous);
	put_owner(i, OWNER_THREAD);
	put_code(i);
	put_position(i, (long)i);
}

/* A chain of n frames; the leaf is frame_at(1). */
static void put_chain(unsigned n)
{
	for (unsigned i = 1; i <= n; i++)
		put_frame(i, i < n ? frame_at(i + 1) : 0);
}

static void add_way(struct py_tstate_way way)
{
	target.runtime.ways[target.runtime.n_ways++] = way;
}

/* Facts of the target as it is now; before: add_way(). */
static void fill_facts(void)
{
	struct err err = ERR_INIT;

	memset(facts_of_test(), 0, sizeof(facts));
	facts_of_test()->tgid = TGID;
	if (facts_fill(&facts_of_test()->python, &target.runtime, &err))
		fail_msg("%s", err.text);
	target.python = &facts_of_test()->python;
	active = 1;
	recording = (1u << ABI_PARTS) - 1;
	code_epoch = 0;
}

static const struct py_tstate_way way_global = {.kind = PY_TSTATE_GLOBAL, .offset = AT_GLOBAL};

/* A new target of this version, with one way that leads to AT_TSTATE. */
static void begin(const struct py_layout *layout)
{
	shim_reset();
	memset(&target, 0, sizeof(target));
	target.layout = layout;
	target.runtime.layout = *layout;
	shim.tgid = TGID;
	shim.tid = TGID;
	shim.thread_pointer = TP;
	add_way(way_global);
	fill_facts();
	image_map(&shim.memory, AT_GLOBAL, 8);
	image_put_u64(&shim.memory, AT_GLOBAL, AT_TSTATE);
}

/* The walk of the running thread. */
static const struct abi_thread *walk_now(void)
{
	assert_non_null(thread_get());
	walk_stack(thread_get());
	assert_true(the_thread()->n_entries <= ABI_MAX_ENTRIES);
	return the_thread();
}

static void check_frame(const struct abi_frame *entry, unsigned i, __u32 unit, bool generator)
{
	assert_int_equal(ABI_FRAME_KIND(entry->tag), ABI_FRAME_PYTHON);
	assert_int_equal(entry->where, code_at(i));
	assert_int_equal(entry->unit, unit);
	assert_int_equal(ABI_FRAME_SIGNATURE(entry->tag),
			 abi_code_signature(1000 + i, AT_FILENAME + 8 * i, AT_NAME + 8 * i));
	assert_int_equal(!!(entry->tag & ABI_FRAME_GENERATOR), generator);
}

static void check_gap(const struct abi_frame *entry, enum abi_gap why)
{
	assert_int_equal(ABI_FRAME_KIND(entry->tag), ABI_FRAME_GAP);
	assert_int_equal(entry->unit, why);
	assert_int_equal(entry->where, 0);
}

static __u64 counted(enum abi_counter counter)
{
	return ((struct counters *)shim_array_at(SHIM_MAP(&counts), 0, 0))->value[counter];
}

/* The test for each version. */
static void for_each_row(void (*check)(void))
{
	const struct py_layout *layout;
	unsigned n = 0;

	for (; (layout = layout_row(n)) != NULL; n++) {
		begin(layout);
		check();
	}
	assert_true(n >= 10);
	shim_reset();
}

#endif
