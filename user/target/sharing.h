/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sharing: may this process be read now, without making private what it shares since a fork?
 *
 * Place      layer 1; used by process, the census and cli, before they read much.
 * Source     remote_handle.h: which way its memory is read; usage.h: what it shares.
 * Effect     while it may not, remote_mem reads nothing of it (REMOTE_REFUSED); the next check that
 *            finds nothing shared allows it again.
 * Cost       nothing where it is read through /proc/PID/mem; otherwise smaps is read, some
 *            milliseconds per GB.
 * Bounds     what is forked after a check is noticed by the next one: until then each read copies
 *            the shared pages that it touches.
 * Threads    any.
 */
#ifndef PYLEAKTRACE_TARGET_SHARING_H
#define PYLEAKTRACE_TARGET_SHARING_H

#include <sys/types.h>

#include "base/err.h"
#include "target/usage.h"

/* return 0; -ERR_PERMISSION: see usage_refuse_shared(); or why smaps cannot be read: see
 * usage_read() */
int sharing_check(pid_t pid, struct err *err);

/* The same by what has just been read of smaps. */
int sharing_check_usage(const struct usage *usage, pid_t pid, struct err *err);

#endif
