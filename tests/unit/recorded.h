/* SPDX-License-Identifier: BSD-2-Clause
 *
 * recorded: recordings of made profiles, and what a report makes of them.
 */
#ifndef PYLEAKTRACE_UNIT_RECORDED_H
#define PYLEAKTRACE_UNIT_RECORDED_H

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "golden/golden.h"

#include "export/formats.h"
#include "record/recorder.h"
#include "record/recording.h"
#include "record/shapes.h"
#include "view/report.h"

/* A name for a recording in a folder of its own; recorded_remove() takes both away. */
static inline const char *recorded_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/recording-XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/x.plt");
	return path;
}

static inline void recorded_remove(const char *path)
{
	char folder[64];

	unlink(path);
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	assert_int_equal(rmdir(folder), 0);
}

static inline struct recorder *recorded_begin(const char *path)
{
	struct err err = ERR_INIT;
	struct recorder *recorder = recorder_open(path, &err);

	if (!recorder)
		fail_msg("%s", err.text);
	return recorder;
}

static inline void recorded_add(struct recorder *recorder, struct profile *profile, double at_s)
{
	struct err err = ERR_INIT;

	if (recorder_add(recorder, profile, &(struct recorder_moment){.at_s = at_s}, &err))
		fail_msg("%s", err.text);
}

static inline struct recording *recorded_open(const char *path)
{
	struct err err = ERR_INIT;
	struct recording *recording = recording_open(path, &err);

	if (!recording)
		fail_msg("%s", err.text);
	return recording;
}

static inline struct profile *recorded_read(struct recording *recording, size_t i)
{
	struct err err = ERR_INIT;
	struct profile *profile;
	size_t strange;

	if (recording_read(recording, i, &profile, &strange, &err))
		fail_msg("%s", err.text);
	assert_int_equal(strange, 0);
	return profile;
}

/* The profile, as it is in a recording of it alone. */
static inline struct profile *recorded(struct profile *profile)
{
	const char *path = recorded_path();
	struct recorder *recorder = recorded_begin(path);
	struct recording *recording;
	struct profile *read;

	recorded_add(recorder, profile, 5);
	recorder_close(recorder);
	recording = recorded_open(path);
	assert_int_equal(recording->n_looks, 1);
	assert_int_equal(recording->n_damages, 0);
	read = recorded_read(recording, 0);
	recording_close(recording);
	recorded_remove(path);
	return read;
}

static inline int recorded_brief(FILE *out, const struct document *document, struct err *err)
{
	(void)err;
	report_text(out, document->profile,
		    &(struct report_options){.top = 5, .frames = 6, .lines = REPORT_LINES});
	return 0;
}

static inline int recorded_whole(FILE *out, const struct document *document, struct err *err)
{
	(void)err;
	report_text(out, document->profile,
		    &(struct report_options){.whole = true, .all_frames = true, .last = true});
	return 0;
}

static golden_writer *const recorded_writers[] = {export_json,   recorded_brief, recorded_whole,
						  export_folded, export_svg,     export_html};
#define RECORDED_WRITERS (sizeof(recorded_writers) / sizeof(recorded_writers[0]))

#endif
