/* SPDX-License-Identifier: BSD-2-Clause
 *
 * leftovers: breakpoints that a process has in its text but its files do not -> removed.
 *
 * A tool that is killed while the kernel removes its uprobes may leave some behind (prober.h says
 * when). The process runs on correctly, and so do its children; each hit is a useless trap,
 * until the breakpoint is removed. That is done by the kernel, never by writing into text:
 * a uprobe is put at the very place (the kernel finds its breakpoint there already) and closed. Its
 * end removes the breakpoint from every process for which no user of a uprobe remains, forked
 * children included.
 *
 *      page of the file   53 48 83 ec 10   differs in breakpoints only; the process's own copy
 *      in the process     cc 48 83 ec 10   ─▶ open a perf event there, close it ─▶ 53 48 83 ec 10
 *
 * What another uprobe user has there (perf, bpftrace, another pyleaktrace) stays: the kernel asks
 * each of them. A debugger's breakpoints look the same and the kernel would take them for its own,
 * so nothing is done while the process is traced by a debugger or handles SIGTRAP itself; nor while
 * that is true of one of its children that run its program, of the first CHILDREN_MAX
 * (children.h). A debugger of a grandchild is not noticed, and would lose its breakpoint if it is
 * at the place of a leftover one. A page that differs in anything else (text relocations, code that
 * patches itself) is not touched.
 *
 * Place      layer 3; used by session before it attaches, and by `doctor`.
 * Source     proc(5): pagemap (bits 61 to 63: shared or of a file, swapped, present), status
 *            (TracerPid, SigCgt); kernel/events/uprobes.c: verify_opcode(),
 *            register_for_each_vma(); the breakpoints: arch/x86/include/asm/ uprobes.h,
 *            arch/arm64/include/asm/brk-imm.h.
 * Ownership  leftovers_find() gives, leftovers_free() takes.
 * Errors     -ERR_FAILED, -ERR_PERMISSION: the memory or a file cannot be read. leftovers_remove():
 *            the sentence says what is in the way; nothing was changed then.
 * Bounds     executable private mappings of files, only pages that the process has a copy of its
 *            own of, LEFTOVERS_MAX places; what is beyond is found the next time. Reads such a page
 *            once: one that is swapped out is swapped in.
 */
#ifndef PYLEAKTRACE_PROBE_LEFTOVERS_H
#define PYLEAKTRACE_PROBE_LEFTOVERS_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LEFTOVERS_MAX 1024

/* One breakpoint. */
struct leftover {
	uint64_t address;
	uint64_t offset;  /* in the file */
	const char *file; /* as it opens from here */
};

struct leftovers {
	struct leftover *places;
	unsigned n;
	char **files; /* private */
	unsigned n_files;
};

int leftovers_find(struct leftovers *leftovers, pid_t pid, struct err *err);
void leftovers_free(struct leftovers *leftovers); /* accepts a zeroed struct */

/*
 * Take them out; waits for the kernel, some seconds at worst. What a live uprobe user has is there
 * afterwards: leftovers_find() finds it again.
 */
int leftovers_remove(const struct leftovers *leftovers, pid_t pid, struct err *err);

#endif
