/* SPDX-License-Identifier: BSD-2-Clause
 *
 * layout: CPython version -> where things lie in its structs. All version knowledge of this program
 * is the rows of layout_table.inc; code that walks never asks for a version.
 *
 * Place      layer 2; found once per target by runtime.c; read by python, symbol, census, and
 *            copied into the BPF program's facts by probe.
 * Source     DWARF of the interpreters named next to each row (tools/py-layout reads them again and
 *            compares).
 * Shapes     one row per minor version and build kind. Offsets in bytes; LAYOUT_NONE: no such field
 *            there. From 3.13 on the values that _Py_DebugOffsets gives are preferred over the row
 *            (layout_refine()).
 */
#ifndef PYLEAKTRACE_PYTHON_LAYOUT_H
#define PYLEAKTRACE_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LAYOUT_NONE (-1)

/* how a code object stores its lines */
enum line_table {
	LINES_LNOTAB,   /* 3.6-3.9: pairs of (bytecode, line) steps */
	LINES_PEP626,   /* 3.10: pairs with ranges */
	LINES_LOCATION, /* 3.11+: location table */
};

/* where the attributes of an instance are that has no dict of its own */
enum attribute_values {
	VALUES_NOWHERE,  /* 3.6-3.10: it has a dict */
	VALUES_ATTACHED, /* 3.11: in a block of their own; its address is 32 before the object */
	VALUES_TAGGED,   /* 3.12: its address less 1 is 24 before the object, else a dict is */
	VALUES_INLINE,   /* 3.13+: behind the object (PY_TYPE_INLINE_VALUES) */
};

/* bits of object.gc_bits */
enum {
	PY_GC_BITS_TRACKED = 1,
	PY_GC_BITS_FROZEN = 8,
	PY_GC_BITS_DEFERRED =
		64, /* not all references to it are counted: only the collector frees it */
};

struct py_layout {
	const char *source; /* the interpreter whose DWARF this row was read from */
	uint8_t minor;      /* 3.minor */
	bool free_threaded;
	enum line_table line_table;
	enum attribute_values values;

	struct { /* _PyRuntimeState, from _PyRuntime; absent in 3.6 */
		int32_t interpreters_head;
		int32_t tstate_current; /* gilstate.tstate_current, 3.7-3.11 */
		int32_t tss_key;        /* [gilstate.]autoTSSkey._key, u32; 3.7-3.14 */
		int32_t alloc_raw, alloc_mem, alloc_obj; /* allocators.standard.*, 3.12+ */
		int32_t alloc_arena;                     /* allocators.obj_arena, 3.12+ */
	} runtime;
	struct { /* PyInterpreterState */
		int32_t next, threads_head, modules, gc;
		int32_t size;
		/* atexit.callbacks, from 3.10 on: an array of addresses, and how many (i32); from
		 * 3.14 on a list, and no count */
		int32_t atexit_callbacks, atexit_count;
	} interp;
	struct { /* PyThreadState */
		int32_t next, interp, thread_id, native_thread_id;
		int32_t frame;         /* PyFrameObject *, 3.6-3.10 */
		int32_t cframe;        /* _PyCFrame *, 3.11-3.12 */
		int32_t current_frame; /* _PyInterpreterFrame *, 3.13+ */
		/* with what CPython keeps behind it, 3.12+; free-threaded: up to its heaps */
		int32_t size;
	} tstate;
	int32_t cframe_current_frame; /* in _PyCFrame */
	struct {                    /* PyFrameObject up to 3.10, _PyInterpreterFrame from 3.11 on */
		int32_t previous;   /* f_back / previous */
		int32_t code;       /* f_code / f_executable; mask with code_mask */
		int32_t lasti;      /* i32, up to 3.10 */
		int32_t instr_ptr;  /* prev_instr / instr_ptr, from 3.11 on */
		int32_t owner;      /* u8, from 3.11 on */
		int32_t tlbc_index; /* i32, free-threaded 3.14+ */
		int32_t is_entry; /* u8, 3.11: its activation of the evaluation loop ends with it */
		int32_t locals;   /* f_localsplus / localsplus: locals, cells, stack */
		/* where the stack ends: a pointer behind its last word (0: the frame runs), or how
		 * many words (i32, < 0: it runs), from where value_stack points, else from
		 * `locals` */
		int32_t value_stack, stack_pointer, stack_depth;
		uint64_t code_mask;      /* ~0, or ~3 where the field is a tagged reference */
		uint8_t lasti_unit;      /* bytes a unit of lasti stands for: 1, or 2 in 3.10 */
		uint8_t owner_generator; /* owner of a generator's frame; 0xff: no such field */
		uint8_t owner_shim; /* owner >= this: not a Python frame; 0xff: there are none */
	} frame;
	struct { /* PyCodeObject */
		int32_t firstlineno, filename, name, qualname, line_table;
		int32_t code;           /* co_code_adaptive: the bytecode, from 3.11 on */
		int32_t firsttraceable; /* i32, from 3.11 on */
		int32_t flags, argcount, tlbc;
		int32_t size;                            /* sizeof (PyCodeObject) */
		int32_t nlocals, nlocalsplus, stacksize; /* i32; nlocalsplus from 3.11 on */
		int32_t localsplusnames;                 /* tuple, from 3.11 on */
		int32_t varnames, cellvars, freevars;    /* tuples, up to 3.10 */
	} code;
	struct { /* PyUnicodeObject: state is a u32 */
		int32_t length, state, ascii_data, compact_data, any_data;
		int32_t wstr, wstr_length; /* strings that are not ready, up to 3.11 */
		uint8_t kind_shift, compact_bit, ascii_bit; /* bit positions in state */
		uint8_t ready_bit;                          /* the same; 0xff: always ready */
	} str;
	struct {
		int32_t refcount; /* ob_refcnt; free-threaded: ob_ref_local, ob_ref_shared at + 4 */
		int32_t gc_bits;  /* u8, free-threaded */
		int32_t ob_type, var_size, bytes_data, tuple_items;
		uint8_t refcount_bytes; /* 8, or 4 where the upper half holds other things */
	} object;
	struct { /* PyTypeObject */
		int32_t name, basicsize, itemsize, flags, dict, base;
		int32_t heap_name, heap_qualname, heap_module; /* PyHeapTypeObject */
		int32_t heap_size;                             /* sizeof (PyHeapTypeObject) */
	} type;
	struct { /* PyDictObject, its keys object */
		int32_t used, keys, values;
		int32_t keys_size;             /* i64 dk_size, up to 3.10 */
		int32_t keys_log2_index_bytes; /* u8, from 3.11 on */
		int32_t keys_kind; /* u8, from 3.11 on; 0: entries with hash, else without */
		int32_t keys_nentries, keys_indices;
	} dict;
	struct {                     /* _gc_runtime_state; absent in 3.6 */
		int32_t runtime;     /* in _PyRuntimeState, 3.7 and 3.8; later interp.gc */
		int32_t generation0; /* gc_generation *, three: GC head, i32 threshold, i32 count */
		int32_t young;       /* the three themselves; free-threaded */
		int32_t garbage;     /* PyObject *, a list */
		int32_t enabled;     /* i32 */
		int32_t permanent;   /* gc_generation of frozen objects, from 3.7 on */
		/* of each generation {collections, collected, uncollectable}, from 3.7 on */
		int32_t stats;
		uint8_t stats_ring; /* 1: `stats` points at rings of the last ones instead, 3.15 */
	} gc;
	struct { /* each PyThreadState has a number, which is never used again; from 3.7 on */
		int32_t next_id; /* in PyInterpreterState, u64: that of the next one */
		int32_t id;      /* in PyThreadState */
	} threads;
	struct { /* PyFunctionObject */
		int32_t code, globals, defaults, kwdefaults, closure, dict;
	} function;
	struct {               /* PyGenObject; coroutines and asynchronous generators are alike */
		int32_t frame; /* gi_iframe; up to 3.10 gi_frame, a PyFrameObject * */
		int32_t state; /* gi_frame_state, i8, from 3.11 on */
		uint8_t state_cleared; /* gi_frame_state >= this: ended, its frame is empty */
	} generator;
	struct {               /* PyFrameObject, from 3.11 on */
		int32_t frame; /* f_frame: the frame, elsewhere or in here */
		int32_t own;   /* _f_frame_data: in here */
	} frame_object;
	struct {                    /* PyModuleObject */
		int32_t definition; /* md_def, up to 3.14 */
		int32_t state,
			state_size; /* md_state, md_state_size (3.15; before, in the definition) */
	} module;
	uint8_t gc_head_size;     /* 32 (3.6, 3.7), 16, or 0 (free-threaded) */
	int32_t gc_refs;          /* in the GC head: i64, state << 1; 3.6 and 3.7 */
	uint32_t arena_size;      /* of pymalloc */
	uint32_t small_threshold; /* requests above this many bytes go to libc */
	bool raw_too; /* where CPython uses mimalloc, it does so for the raw domain too (3.15) */
};

/* The row of this version, or NULL: not supported. */
const struct py_layout *layout_find(unsigned minor, bool free_threaded);

/* All rows, for tests and tools. */
const struct py_layout *layout_row(unsigned index); /* NULL after the last */

/*
 * Overwrite what the target's own _Py_DebugOffsets states (3.13+).
 *
 * in     layout: a copy of the row; debug_offsets: `length` bytes read from the start of _PyRuntime
 * return 0, also when the row is of a version that has no such block; -ERR_TARGET when cookie or
 *        version do not fit the row, the interpreter is an alpha or beta, or an offset is out of
 *        bounds (of its struct, of 64 KiB); the layout is unchanged then
 */
int layout_refine(struct py_layout *layout, const uint8_t *debug_offsets, uint32_t length,
		  struct err *err);

#endif
