/* SPDX-License-Identifier: BSD-2-Clause
 *
 * loader: the dynamic loader of a process -> the place where it notifies debuggers
 * before and after it loads or unloads something.
 *
 *      dlclose()   state RT_DELETE,     call;   unmap;   state RT_CONSISTENT, call
 *      dlopen()    state RT_ADD,        call;   map;     state RT_CONSISTENT, call
 *
 * Place      layer 1; session has a probe there.
 * Source     <link.h>: struct r_debug, whose state is the first namespace's: in those of dlmopen()
 *            it stays consistent. From glibc 2.35 on its version is 2 once there is another
 *            (elf/dl-debug.c). AT_BASE of /proc/PID/auxv. glibc alone: musl unmaps nothing in
 *            dlclose(), and there debuggers have a breakpoint of their own at this place (with
 *            glibc they take its SystemTap probes, elsewhere).
 * Ownership  loader_find() opens, loader_close() closes.
 * Degrades   no such loader: false. The loader does not know what a program maps itself.
 */
#ifndef PYLEAKTRACE_TARGET_LOADER_H
#define PYLEAKTRACE_TARGET_LOADER_H

#include "target/module.h"

struct loader {
	struct module module;
	uint64_t offset;  /* of the function that is called, in the file */
	uint64_t state;   /* address in the target: int, RT_CONSISTENT, RT_ADD or RT_DELETE */
	uint64_t version; /* address in the target: int, 1 until there is a second namespace; 0:
			     before glibc 2.35 */
};

bool loader_find(struct loader *loader, pid_t pid);
void loader_close(struct loader *loader); /* accepts a zeroed struct */

#endif
