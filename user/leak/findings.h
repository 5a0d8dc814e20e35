/* SPDX-License-Identifier: BSD-2-Clause
 *
 * findings: what grows, separately for each part of memory.
 *
 * Objects: what retains more and more of them, as the census found it. The other parts (blocks of C
 * code, mappings, stacks of threads) are one finding each, with the stack that allocated most of
 * what stays, if it is certain.
 *
 * Place      leak, private to it. Pure.
 * Shapes     largest growth that is sure first.
 */
#ifndef PYLEAKTRACE_LEAK_FINDINGS_H
#define PYLEAKTRACE_LEAK_FINDINGS_H

#include "model/verdict.h"

/* in  profile: with trend and retention. Return how many. */
size_t findings_collect(struct finding *findings, size_t room, struct profile *profile);

#endif
