/* SPDX-License-Identifier: BSD-2-Clause
 *
 * doctor_restore: what a killed pyleaktrace has left in a process -> put right, or said.
 *
 * Place      layer 6; the command doctor.
 * Errors     -ERR_FAILED, -ERR_PERMISSION: another pyleaktrace traces the process; something is in
 *            the way of it.
 */
#ifndef PYLEAKTRACE_CLI_DOCTOR_RESTORE_H
#define PYLEAKTRACE_CLI_DOCTOR_RESTORE_H

#include "base/err.h"
#include "python/runtime.h"
#include "target/process.h"

/* Put the allocator tables back, take breakpoints out; a line on stdout for each. */
int doctor_restore(const struct process *process, const struct py_runtime *runtime,
		   struct err *err);

/* Say on stdout what doctor_restore() would find; nothing when there is nothing. */
void doctor_print_left(const struct process *process, const struct py_runtime *runtime);

#endif
