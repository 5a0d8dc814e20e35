/* SPDX-License-Identifier: BSD-2-Clause
 *
 * open_below: a path as a target sees it -> the file, and never one outside of the target's root.
 *
 * Place      layer 2.
 * Source     openat2(2), RESOLVE_IN_ROOT: absolute links and ".." cannot leave the root (5.6).
 * Ownership  the caller closes the fd.
 * Errors     -1: there is no such regular file, or it may not be read.
 * Bounds     only regular files are opened: nothing waits for a FIFO, and no device is touched.
 */
#ifndef PYLEAKTRACE_TARGET_OPEN_BELOW_H
#define PYLEAKTRACE_TARGET_OPEN_BELOW_H

/* in  root: a directory, open (O_PATH) */
int open_below(int root, const char *path);

#endif
