/* SPDX-License-Identifier: BSD-2-Clause
 *
 * along: of findings those that only come along with another -> a part of it. Each thread that does
 * not end brings what libc and threading keep for it, each sub-interpreter brings blocks of its
 * own and what CPython's data keeps of its types.
 *
 * Place      leak, private to findings. Pure.
 * Degrades   growth that has nothing to do with them, and is as slow, is taken for theirs.
 */
#ifndef PYLEAKTRACE_LEAK_ALONG_H
#define PYLEAKTRACE_LEAK_ALONG_H

#include "model/verdict.h"

/*
 * Add what comes along with the finding of this cause to it, if there is one.
 *
 * in     cause: CAUSE_THREAD or CAUSE_INTERPRETER; per_s: how many more of them each second
 * return how many findings are left
 */
size_t along_absorb(struct finding *findings, size_t n, enum finding_cause cause, double per_s);

#endif
