/* SPDX-License-Identifier: BSD-2-Clause
 *
 * class_code: the code in which instances of a class made in Python die, and the evaluation loop,
 * in which none is made.
 *
 * Place      containers; used by container_watch.
 * Source     tp_dealloc of the class: subtype_dealloc() for every class statement. Where it ends is
 *            said by the file's unwind information, also of stripped builds.
 * Errors     -ERR_TARGET: it is no function of CPython's own file, or has no unwind information.
 */
#ifndef PYLEAKTRACE_CONTAINERS_CLASS_CODE_H
#define PYLEAKTRACE_CONTAINERS_CLASS_CODE_H

#include "python/target.h"
#include "symbol/eval_loop.h"

struct class_code {
	uint64_t dealloc_start, dealloc_end; /* [start, end) */
	struct eval_loop loop;
};

int class_code_find(struct class_code *code, const struct target *target, uint64_t class,
		    struct err *err);

#endif
