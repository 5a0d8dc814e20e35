/* SPDX-License-Identifier: BSD-2-Clause
 *
 * source_file: a file of the target's program, as the target sees it -> its lines.
 *
 * Place      trace; used by cli.
 * Ownership  all lives in the profile.
 * Errors     a file that cannot be read has no text: then its lines are shown by number alone.
 * Bounds     SOURCE_FILE_MAX bytes, SOURCE_LINES_MAX lines; the file is hostile, and so are its
 *            bytes: view and export escape them.
 */
#ifndef PYLEAKTRACE_TRACE_SOURCE_FILE_H
#define PYLEAKTRACE_TRACE_SOURCE_FILE_H

#include <sys/types.h>

#include "model/sources.h"

#define SOURCE_FILE_MAX  (4u << 20)
#define SOURCE_LINES_MAX 200000

/* Fill text and n_text of each file. Relative paths count from the target's current directory. */
void source_files_read(struct profile *profile, struct profile_sources *sources, pid_t pid);

#endif
