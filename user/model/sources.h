/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sources: the stacks of a profile -> what each line of the program's own files has outstanding.
 *
 * A line has what it and all that it called allocated, once for each stack, however often it is in
 * it. So the lines of a file do not add up.
 *
 * Place      layer 1; collected by cli when a profile is complete; the text of the lines is read by
 *            trace/source_file; view and export show it.
 * Shapes     files by the most outstanding of any of their lines; lines by number, of which each
 *            has a figure. Own code only (package_is_own()).
 * Ownership  all of it lives in the profile.
 * Bounds     SOURCES_FILES files.
 */
#ifndef PYLEAKTRACE_MODEL_SOURCES_H
#define PYLEAKTRACE_MODEL_SOURCES_H

#include "model/profile.h"

#define SOURCES_FILES 4

struct source_line {
	uint32_t number; /* from 1 */
	bool estimated;  /* in part at least */
	uint64_t outstanding_bytes, outstanding_count;
	uint64_t allocated_bytes; /* since the baseline; 0: not known where estimated */
	double growth_per_s;      /* bytes, against the previous report */
};

struct source_file {
	const char *path; /* as the target sees it */
	struct source_line *lines;
	size_t n_lines;
	uint64_t most;           /* outstanding bytes, of the line with most */
	const char *const *text; /* of all lines of the file, from line 1 on; NULL: not read */
	size_t n_text;
};

struct profile_sources {
	struct source_file *files;
	size_t n_files;
};

/* Fills profile->sources, without texts. */
struct profile_sources *sources_collect(struct profile *profile);

#endif
