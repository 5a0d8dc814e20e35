/* SPDX-License-Identifier: BSD-2-Clause
 *
 * image: which program a process runs, so that it is noticed when it has replaced itself (exec).
 *
 * Place      layer 1; cli compares before and after.
 * Source     proc(5): startcode and startstack of /proc/PID/stat, which exec places at random;
 *            the file of /proc/PID/exe.
 * Degrades   without address space randomization an exec of the same file by the same command line
 *            looks the same. What may not be read, or not any more as the process ends, is 0: not
 *            known, and no difference.
 */
#ifndef PYLEAKTRACE_TARGET_IMAGE_H
#define PYLEAKTRACE_TARGET_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct image {
	uint64_t start_code, start_stack; /* addresses */
	uint64_t device, inode;           /* of the program's file; inode 0: not known */
};

/* return false: the process is gone */
bool image_read(struct image *image, pid_t pid);

/* Pure. */
bool image_differs(const struct image *before, const struct image *now);

/* Does the process run another program than this one? false also when it is gone. */
bool image_replaced(const struct image *image, pid_t pid);

#endif
