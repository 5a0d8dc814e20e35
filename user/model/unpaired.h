/* SPDX-License-Identifier: BSD-2-Clause
 *
 * unpaired: stacks that took and dropped references to an object -> the functions that did not drop
 * what they took, or dropped what they did not take.
 *
 * A call may take what its caller drops and the other way round, so the sum that counts is that of
 * a function with all that it called: where it is 0 all is well below. Where it is not, the
 * function itself is to blame as soon as it took or dropped anything that is not made up for below,
 * or some that it called took and others dropped; else the functions that it called are:
 *
 *      main            +120            called only
 *        work          +120            called only
 *          read           0            took 500, and what it called dropped 500
 *          fill        +120            took 120: this one
 *
 * Functions are distinguished by their callers, not by their lines.
 *
 * Place      layer 1; used by view.
 * Shapes     most unpaired first.
 * Bounds     as deep as a stack is.
 */
#ifndef PYLEAKTRACE_MODEL_UNPAIRED_H
#define PYLEAKTRACE_MODEL_UNPAIRED_H

#include "model/heap_watch.h"

struct unpaired {
	int64_t net;        /* taken less dropped; not 0 */
	struct stack stack; /* root first, down to the function */
};

/*
 * in     stacks: n, are brought in another order
 * out    unpaired: room for n
 * return how many
 */
size_t unpaired_find(struct unpaired *unpaired, struct heap_watch_stack *stacks, size_t n);

#endif
