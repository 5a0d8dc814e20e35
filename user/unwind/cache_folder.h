/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cache_folder: a folder whose files only we can have written.
 *
 * Place      layer 3; used by cache.
 * Source     where it is: XDG Base Directory Specification 0.8; for root: FHS 3.0, /var/cache.
 * Shapes     files are written under a name of their own and renamed: a reader sees all of a file
 *            or none. The time of a file's last change is that of its last use.
 * Ownership  a folder is a file descriptor; the caller closes it.
 * Errors     -1: it is unavailable, or not exclusively ours. The reason does not matter: a cache
 *            may be absent.
 * Bounds     folder and files must belong to the effective user, must not be writable for others,
 *            must not be links.
 */
#ifndef PYLEAKTRACE_UNWIND_CACHE_FOLDER_H
#define PYLEAKTRACE_UNWIND_CACHE_FOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The user's, made if it is not there yet. */
int cache_folder_open(void);

/* The same below a folder that exists. */
int cache_folder_open_below(const char *base);

/* Open a file of the folder for reading, and note that it was used. */
int cache_folder_file(int folder, const char *name, off_t *size);

/* A new file under a name that is not final. In: final names have no `~`. Out: name: NAME_MAX + 1
 * bytes. */
int cache_folder_begin(int folder, char *name);

/* Close the new file and put it in the place of `final`; keep: false: throw it away. */
void cache_folder_end(int folder, int file, const char *name, const char *final, bool keep);

/* Remove files, the least recently used first, until at most max_bytes are left. */
void cache_folder_shrink(int folder, uint64_t max_bytes);

#endif
