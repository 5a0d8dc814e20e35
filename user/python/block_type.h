/* SPDX-License-Identifier: BSD-2-Clause
 *
 * block_type: a block of an allocator -> the type of the object in it, or "a buffer".
 *
 * Place      layer 2; used by snapshot and the census.
 * Source     Modules/gcmodule.c (_PyObject_GC_New and its pre-header), Objects/obmalloc.c (debug
 *            header), Objects/typeobject.c (_PyType_PreHeaderSize()).
 * Degrades   the answer is a judgement on bytes that may be changing: a type is named only when
 *            everything that can be compared agrees with it. Objects taken for buffers: dead ones,
 *            those on a free list, and those of C types that allocate more than tp_basicsize
 *            without saying so. A buffer taken for an object: one that is the same as one, byte by
 *            byte, as far as it is compared.
 */
#ifndef PYLEAKTRACE_PYTHON_BLOCK_TYPE_H
#define PYLEAKTRACE_PYTHON_BLOCK_TYPE_H

#include <stddef.h>
#include <stdint.h>

#include "python/types.h"

/*
 * bytes of a block's head that py_block_type() can make use of: a debug header and a pre-header (16
 * each), then a str up to its state (52 in a free-threaded build)
 */
#define PY_BLOCK_HEAD_MAX 88

/*
 * Do these PY_FREE_THREADED_HEAD bytes look like the head of an object of a free-threaded build, up
 * to its type: owner, lock, references? One without any is on a free list, or is being freed.
 */
#define PY_FREE_THREADED_HEAD 24
bool py_is_free_threaded_head(const struct py_layout *layout, const uint8_t *head);

/*
 * Which object lies in an allocator's block?
 *
 * An object begins at the block, or behind a GC head and a pre-header (managed dict, weak reference
 * list); debug allocators put 16 bytes before that. The candidate must agree with its type: HAVE_GC
 * types have a head before them, others do not; the sizes fit the block; the reference count is
 * plausible.
 *
 * in     block: remote address; size: bytes of the block, as asked for or rounded up to 16; head:
 *        its first `head_length` bytes (PY_BLOCK_HEAD_MAX are enough)
 * return the type (as py_types_get()), or NULL: a buffer, not an object
 * note   reads of the target: none, but for types not seen before and where a reference count could
 *        be an address
 */
const struct py_type *py_block_type(struct py_types *types, uint64_t block, uint64_t size,
				    const uint8_t *head, size_t head_length);

#endif
