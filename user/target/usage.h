/* SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: a process's private mappings -> how much of each is in memory, and how much of that other
 * processes have too.
 *
 * Place      layer 1; used by process and the census where /proc/PID/mem and pagemap may not be
 *            opened.
 * Source     /proc/PID/smaps (Documentation/filesystems/proc.rst): readable with the
 *            right to read the memory, whichever user owns the target.
 * Units      bytes.
 * Errors     -ERR_PERMISSION, -ERR_TARGET (ended), -ERR_FAILED.
 * Bounds     USAGE_TEXT_MAX bytes of text.
 */
#ifndef PYLEAKTRACE_TARGET_USAGE_H
#define PYLEAKTRACE_TARGET_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define USAGE_TEXT_MAX (512UL << 20)

struct usage_range {
	uint64_t start, end;
	uint64_t resident;
	uint64_t shared;  /* of it, memory without a file that a fork has left to two processes */
	bool is_left_out; /* for the caller */
};

struct usage {
	struct usage_range *ranges; /* by address */
	size_t n;
	uint64_t shared; /* in all */
};

int usage_read(struct usage *usage, pid_t pid, struct err *err);
void usage_free(struct usage *usage);

/* The text of smaps; changed while it is read. Pure, for tests. return 0; -1: memory is out */
int usage_parse(struct usage *usage, char *text);

/* The mapping that has this address, or NULL. */
struct usage_range *usage_at(const struct usage *usage, uint64_t address);

/* May this process be read by process_vm_readv()? return 0; -ERR_PERMISSION: that would make
 * private what it shares */
int usage_refuse_shared(const struct usage *usage, pid_t pid, struct err *err);

#endif
