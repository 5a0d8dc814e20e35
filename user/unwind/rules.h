/* SPDX-License-Identifier: BSD-2-Clause
 *
 * rules: states in DWARF's terms -> rules as BPF follows them, each kept once.
 *
 * Place      layer 3; used by table, between cfi and the rows.
 * Source     the forms that gcc, binutils and OpenSSL's assembly write, as found in Debian's
 *            libraries.
 * Shapes     a rule's number is its place in order of first use; rule 0 is ABI_RULE_NONE. A state
 *            of another form is ABI_RULE_UNSUPPORTED, and a register that is kept in another form
 *            is ABI_SAVED_LOST. Neither leads to a wrong frame: a walk that needs what is lost ends
 *            there.
 * Ownership  rules_init()/rules_fini(); rules_take() gives an array to its caller.
 * Errors     -ERR_FAILED: out of memory.
 * Bounds     UNWIND_MAX_RULES rules, 100 bytes each; states beyond are ABI_RULE_UNSUPPORTED. A
 *            look-up takes constant time whatever the file holds: the hash has a random key.
 */
#ifndef PYLEAKTRACE_UNWIND_RULES_H
#define PYLEAKTRACE_UNWIND_RULES_H

#include <stdint.h>

#include "abi/unwind.h"
#include "base/err.h"
#include "unwind/cfi_state.h"
#include "unwind/section.h"

#define RULE_NONE        0u /* the first two rules of every table */
#define RULE_UNSUPPORTED 1u

struct rules {
	struct known_rule *known;
	uint32_t n;
	uint64_t key[sizeof(struct abi_unwind_rule) / 4 + 1];
};

int rules_init(struct rules *rules, struct err *err);
void rules_fini(struct rules *rules); /* accepts a zeroed struct */

/* The rule of a state; the bytes of its expressions are the section's. */
struct abi_unwind_rule rules_translate(const struct unwind_section *section,
				       const struct cfi_state *state);

/*
 * The number of a rule, which is added if it is new.
 *
 * out    number: RULE_UNSUPPORTED when there are too many rules
 */
int rules_number(struct rules *rules, const struct abi_unwind_rule *rule, uint32_t *number,
		 struct err *err);

/* All rules, in the order of their numbers (rules->n of them); to be freed with free(). NULL: out
 * of memory. */
struct abi_unwind_rule *rules_take(const struct rules *rules);

#endif
