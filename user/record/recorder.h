/* SPDX-License-Identifier: BSD-2-Clause
 *
 * recorder: writes a recording: a report at a time, each with one pwrite(2).
 *
 * Place      record; driven by cli.
 * Shapes     format.h.
 * Ownership  recorder_close() takes it; may be NULL. It removes a file that has no report.
 * Errors     said once. After a write that failed (a full disk) the file ends with the last whole
 *            report.
 * Bounds     memory: the names of a segment, and one report as JSON.
 * Needs      a file that is not there yet: what was recorded is never written over, and no link of
 *            somebody else's is followed. Mode 0600: it has names, paths and words of the target's.
 * Example    struct recorder *recorder = recorder_open("leak.plt", &err);
 *            recorder_add(recorder, profile, &(struct recorder_moment){.at_s = 5}, &err);
 *            recorder_close(recorder);
 */
#ifndef PYLEAKTRACE_RECORD_RECORDER_H
#define PYLEAKTRACE_RECORD_RECORDER_H

#include <stdbool.h>

#include "base/err.h"
#include "model/profile.h"

struct recorder;

/* NULL with err set */
struct recorder *recorder_open(const char *path, struct err *err);

/* Begin a new segment with the next report, as a new recorder does. */
void recorder_begin_segment(struct recorder *recorder);

struct recorder_moment {
	double at_s; /* since the recording began */
	bool last;   /* report of the run */
};

/* Add a report; its figures are brought to what a recording keeps of them (shapes_round()). */
int recorder_add(struct recorder *recorder, struct profile *profile,
		 const struct recorder_moment *moment, struct err *err);

void recorder_close(struct recorder *recorder);

#endif
