/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rules: a row's state in DWARF's terms (cfi.h) -> a compact rule (bpf/abi/unwind.h), and each rule once.
 *
 * Place      layer 3; used by table.
 * Source     what compilers and libraries of x86-64 write: CFA as register + offset, or one load from such an
 *            address (gcc's stack realignment, OpenSSL's assembly), the linkers' expression for PLT sections, and
 *            glibc's for its signal trampoline. Everything else becomes ABI_RULE_UNSUPPORTED, which ends a stack with
 *            a gap frame and never with a wrong one.
 * Ownership  rules_init()/rules_fini().
 * Bounds     UNWIND_MAX_RULES different ones.
 */
#ifndef PYLEAKTRACE_UNWIND_RULES_H
#define PYLEAKTRACE_UNWIND_RULES_H

#include "abi/unwind.h"
#include "unwind/cfi.h"

/* What the row says, as a rule. */
void rules_make(struct abi_unwind_rule *rule, const struct cfi_state *state, bool signal);

struct rules {
	struct abi_unwind_rule *all; /* all[0] is ABI_RULE_NONE */
	uint32_t n, capacity;
	struct rules_known *known; /* private */
};

/* false: out of memory */
bool rules_init(struct rules *rules);
void rules_fini(struct rules *rules);

/* The number of this rule; UINT32_MAX when there are too many, or memory is out. */
uint32_t rules_number(struct rules *rules, const struct abi_unwind_rule *rule);

#endif
