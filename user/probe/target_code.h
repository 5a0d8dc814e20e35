/* SPDX-License-Identifier: BSD-2-Clause
 *
 * target_code: the executable memory of a target, and its unwind tables where C frames are walked.
 *
 * Place      layer 3; a trace, a watch of containers and doctor's trial have one each.
 * Ownership  target_code_open() fills, whatever it returns; target_code_close() releases, also one
 *            that is all zero.
 * Errors     of code_map_update(); -ERR_FAILED: out of memory.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_PROBE_TARGET_CODE_H
#define PYLEAKTRACE_PROBE_TARGET_CODE_H

#include <stdbool.h>

#include "probe/code_tables.h"

struct target_code {
	struct code_map map;        /* empty without C frames */
	struct code_tables *tables; /* compiled; NULL: C frames are not walked */
};

/* in  walked: C frames are asked for, and possible */
int target_code_open(struct target_code *code, pid_t pid, bool walked, struct err *err);
void target_code_close(struct target_code *code);

/* C frames are not walked after all: the verifier rejects. */
void target_code_drop(struct target_code *code);

/* Read the mappings, compile what is new. return as code_map_update(); 0 where C frames are not
 * walked */
int target_code_update(struct target_code *code);

/* For naming C frames; NULL: there are none. */
const struct code_map *target_code_map(const struct target_code *code);

#endif
