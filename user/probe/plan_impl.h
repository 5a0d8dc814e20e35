/* SPDX-License-Identifier: BSD-2-Clause
 *
 * plan_impl: what the files of plan share: how a probe gets into it.
 *
 * Place      layer 3; plan.c (the interpreter and libc), plan_native.c (allocators other than
 *            libc's), no others.
 */
#ifndef PYLEAKTRACE_PROBE_PLAN_IMPL_H
#define PYLEAKTRACE_PROBE_PLAN_IMPL_H

#include "probe/plan.h"

/* Add a line for readers of the plan. */
void plan_note(struct plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Add a probe for a function, looked for from `start` on (its entry, or an alias of it). A function
 * that is probed already is left out: several names often share one address.
 */
int plan_add_probe_at(struct plan *plan, const struct module *module, const char *name,
		      enum abi_call_kind kind, unsigned domain, uint64_t function, uint64_t start,
		      const struct place_need *need, struct err *err);

/* The same, with what its kind needs. */
int plan_add_probe(struct plan *plan, const struct module *module, const char *name,
		   enum abi_call_kind kind, unsigned domain, uint64_t function, uint64_t start,
		   struct err *err);

/* Of a path, the last part. */
const char *plan_base_name(const char *path);

#endif
