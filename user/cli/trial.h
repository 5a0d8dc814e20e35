/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trial: does it work here? By doing it: the programs that a trace loads, probes at an allocator, a
 * hardware watchpoint.
 *
 * A python3 of this machine is started and probed, and makes TRIAL_BLOCKS blocks of a size that
 * nothing else has: they are all recorded, or they are not. The watchpoint is on a word of our own.
 * Of a target, with its facts and its code, the programs are only loaded: nothing is attached to
 * it.
 *
 * Place      layer 6; cmd_doctor.c.
 * Shapes     writes one line for each, in the columns of features_print().
 * Errors     -ERR_KERNEL, -ERR_PERMISSION: a trace cannot work here; the sentence says why. Below
 *            the line stand the last words of the verifier, where it is that.
 * Bounds     one child, which ends with the trial; TRIAL_BLOCKS blocks of 54 KB in it. Half a
 *            second of CPU time, where the verifier is quick.
 */
#ifndef PYLEAKTRACE_CLI_TRIAL_H
#define PYLEAKTRACE_CLI_TRIAL_H

#include <stdio.h>

#include "probe/features.h"
#include "python/runtime.h"

#define TRIAL_BLOCKS 200
#define TRIAL_PYTHON "/usr/bin/python3"

/* in  process, runtime: of the target; NULL: with a python3 of this machine */
int trial_run(FILE *out, const struct features *features, const struct process *process,
	      const struct py_runtime *runtime, struct err *err);

#endif
