/* SPDX-License-Identifier: BSD-2-Clause
 *
 * recording: reads a recording: which reports are in it, what of it is damaged, and one report
 * again.
 *
 * Place      record; driven by cli (report, diff). Needs neither root nor the target.
 * Shapes     reports in the order of the file. Each can be read without those before its segment.
 * Ownership  recording_close() frees all; profiles are the caller's (profile_free()).
 * Errors     -ERR_USAGE: it is no recording, or one of a later version. Damage is no error: it is
 *            counted here, and the reports around it are read.
 * Bounds     everything in the file may be anybody's: format.h, decode.h. Opening reads and checks
 * the whole file, and the first lines of each report; a frame is in memory at a time. Threads one
 * at a time.
 */
#ifndef PYLEAKTRACE_RECORD_RECORDING_H
#define PYLEAKTRACE_RECORD_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/profile.h"

struct recording_look {
	uint64_t number;  /* as it was written, from 0 on */
	double at_s;      /* since the recording began */
	int64_t time;     /* wall clock, seconds of UTC */
	bool last;        /* of the run; not of one that was killed */
	uint64_t offset;  /* of its frame */
	uint64_t segment; /* offset of the first frame that is left of its segment */
};

struct recording_damage {
	uint64_t offset, bytes;
	bool cut; /* the file ends in the middle of a report */
};

#define RECORDING_DAMAGES 16 /* that are told apart */

struct recording {
	int fd;
	struct frames *frames;
	struct recording_look *looks;
	size_t n_looks;
	struct recording_damage damages[RECORDING_DAMAGES]; /* the first ones */
	size_t n_damages;                                   /* all there are */
	uint64_t damaged_bytes;
	uint64_t bytes; /* of the file */
};

/* NULL with err set; in path: a file, "-" is none */
struct recording *recording_open(const char *path, struct err *err);
void recording_close(struct recording *recording);

/* The seconds that it covers: of the last report. */
double recording_end_s(const struct recording *recording);

/*
 * Read a report.
 *
 * out    profile: sorted as it was recorded, with all stacks; strange (may be NULL): values that
 * this version does not understand, and left out return 0; -ERR_FAILED: names that it needs are
 * damaged, or it is no report
 */
int recording_read(struct recording *recording, size_t i, struct profile **profile, size_t *strange,
		   struct err *err);

#endif
