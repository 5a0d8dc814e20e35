/* SPDX-License-Identifier: BSD-2-Clause
 *
 * facts: a runtime -> what the BPF program must know of it (bpf/abi/facts.h).
 *
 * Place      layer 3; used by session. Pure.
 * Errors     -ERR_TARGET: the version's fields do not fit the windows that BPF reads (a new layout
 *            row needs larger ABI_*_WINDOW).
 */
#ifndef PYLEAKTRACE_PROBE_FACTS_H
#define PYLEAKTRACE_PROBE_FACTS_H

#include "abi/facts.h"
#include "python/runtime.h"

int facts_fill(struct abi_python *facts, const struct py_runtime *runtime, struct err *err);

#endif
