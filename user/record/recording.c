/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "record/decode.h"
#include "record/format.h"
#include "record/frames.h"

#define LOOKS_MAX (1u << 24)

/* ---- lines ---------------------------------------------------------------------------------- */

/* The next line, terminated; NULL: there is none. */
static char *next_line(char **at, size_t *length)
{
	char *line = *at, *end = strchr(line, '\n');

	if (!*line)
		return NULL;
	*length = end ? (size_t)(end - line) : strlen(line);
	*at = line + *length + (end != NULL);
	line[*length] = '\0';
	return line;
}

static json_t *parse(const char *line, size_t length)
{
	json_t *value = json_loadb(line, length, 0, NULL);

	if (value && json_is_object(value))
		return value;
	json_decref(value);
	return NULL;
}

static bool begins(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

/* ---- what there is --------------------------------------------------------------------------- */

static void add_damage(struct recording *recording, uint64_t offset, uint64_t bytes, bool cut)
{
	if (recording->n_damages < RECORDING_DAMAGES)
		recording->damages[recording->n_damages] =
			(struct recording_damage){offset, bytes, cut};
	recording->n_damages++;
	recording->damaged_bytes += bytes;
}

static bool add_look(struct recording *recording, const struct recording_look *look)
{
	size_t n = recording->n_looks;

	if (n == LOOKS_MAX)
		return false;
	/* as a power of two is reached, there is room for the next one */
	if (!(n & (n - 1))) {
		struct recording_look *looks =
			realloc(recording->looks, (n ? 2 * n : 1) * sizeof(*looks));

		if (!looks)
			return false;
		recording->looks = looks;
	}
	recording->looks[recording->n_looks++] = *look;
	return true;
}

struct scan {
	uint64_t segment, segment_offset;
	bool in_segment;
	json_int_t version; /* of the first head */
};

/* return whether it is the line of a report */
static bool take_look(struct recording_look *look, const json_t *line, uint64_t *segment)
{
	const json_t *number = json_object_get(line, "look");
	double at_s = json_number_value(json_object_get(line, "at_s"));

	if (!json_is_integer(number) || json_integer_value(number) < 0 || !isfinite(at_s) ||
	    fabs(at_s) > 1e12)
		return false;
	look->number = (uint64_t)json_integer_value(number);
	look->at_s = at_s;
	look->time = json_integer_value(json_object_get(line, "time"));
	look->last = json_is_true(json_object_get(line, "last"));
	*segment = (uint64_t)json_integer_value(json_object_get(line, "segment"));
	return true;
}

/* A frame that is whole: its report. return false: it has none that could be read */
static bool take_frame(struct recording *recording, struct scan *scan,
		       const struct frame_read *frame)
{
	struct recording_look look = {.offset = frame->offset};
	char *at = frame->text, *text;
	uint64_t segment = 0;
	size_t length;
	json_t *line = NULL, *version = NULL;
	bool good = false;

	text = next_line(&at, &length);
	line = text ? parse(text, length) : NULL;
	version = json_object_get(line, "pyleaktrace_recording");
	if (json_is_integer(version)) {
		if (!scan->version)
			scan->version = json_integer_value(version);
		good = json_integer_value(version) <= RECORD_VERSION;
		json_decref(line);
		text = good ? next_line(&at, &length) : NULL;
		line = text ? parse(text, length) : NULL;
		scan->in_segment = false;
	}
	good = line && take_look(&look, line, &segment);
	json_decref(line);
	if (!good)
		return false;
	if (!scan->in_segment || segment != scan->segment) {
		scan->in_segment = true;
		scan->segment = segment;
		scan->segment_offset = frame->offset;
	}
	look.segment = scan->segment_offset;
	return add_look(recording, &look);
}

static int scan_all(struct recording *recording, const char *path, struct err *err)
{
	struct frame_read frame = {0};
	struct scan scan = {0};
	int found;

	while ((found = frames_next(recording->frames, &frame, err)) > 0) {
		recording->bytes = frame.offset + frame.bytes;
		if (frame.damaged || !take_frame(recording, &scan, &frame))
			add_damage(recording, frame.offset, frame.bytes, frame.cut);
	}
	if (found < 0)
		return err_prefix(err, "%s: ", path);
	if (scan.version > RECORD_VERSION)
		return err_set(
			err, ERR_USAGE,
			"%s was written by a later pyleaktrace (format %lld; this one reads up "
			"to %d)",
			path, (long long)scan.version, RECORD_VERSION);
	if (!recording->n_looks)
		return err_set(err, ERR_USAGE, "%s: %s", path,
			       recording->bytes ? "no report of `pyleaktrace record` is in it"
						: "the recording is empty: no report was due yet");
	return 0;
}

struct recording *recording_open(const char *path, struct err *err)
{
	struct recording *recording = calloc(1, sizeof(*recording));
	struct stat about;
	int result = 0;

	if (!recording) {
		err_set(err, ERR_FAILED, "out of memory");
		return NULL;
	}
	/* whatever stands there: it is not waited for */
	recording->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (recording->fd < 0 || fstat(recording->fd, &about))
		result = err_set(err, errno == EACCES ? ERR_PERMISSION : ERR_USAGE, "%s: %s", path,
				 strerror(errno));
	else if (!S_ISREG(about.st_mode))
		result = err_set(err, ERR_USAGE, "%s is no file", path);
	else if (!(recording->frames = frames_new(recording->fd)))
		result = err_set(err, ERR_FAILED, "out of memory");
	if (!result)
		result = scan_all(recording, path, err);
	if (!result)
		return recording;
	recording_close(recording);
	return NULL;
}

void recording_close(struct recording *recording)
{
	if (!recording)
		return;
	frames_free(recording->frames);
	if (recording->fd >= 0)
		close(recording->fd);
	free(recording->looks);
	free(recording);
}

double recording_end_s(const struct recording *recording)
{
	return recording->looks[recording->n_looks - 1].at_s;
}

/* ---- one report ------------------------------------------------------------------------------ */

/* Take the names of a frame. out  *report: the report's line, to be released, if it is wanted */
static bool take_names(struct names_in *names, const struct frame_read *frame, json_t **report)
{
	char *at = frame->text, *text;
	size_t length;

	while ((text = next_line(&at, &length))) {
		json_t *line;
		bool good = true;

		if (begins(text, "{\"profile\":") && !report)
			continue;
		line = parse(text, length);
		if (!line)
			return false;
		if (report && json_object_get(line, "profile")) {
			json_decref(*report);
			*report = line;
			continue;
		}
		if (!json_object_get(line, "look") &&
		    !json_object_get(line, "pyleaktrace_recording"))
			good = names_in_take(names, line, length);
		json_decref(line);
		if (!good)
			return false;
	}
	return true;
}

static int collect(struct recording *recording, const struct recording_look *look,
		   struct names_in *names, json_t **report, struct err *err)
{
	struct frame_read frame = {0};
	int found;

	frames_seek(recording->frames, look->segment);
	while ((found = frames_next(recording->frames, &frame, err)) > 0) {
		bool wanted = frame.offset == look->offset;

		if (!frame.damaged && !take_names(names, &frame, wanted ? report : NULL) && wanted)
			return err_set(err, ERR_FAILED, "a line in it is no JSON of a recording");
		if (frame.offset >= look->offset)
			break;
	}
	return found < 0 ? found : 0;
}

int recording_read(struct recording *recording, size_t i, struct profile **profile, size_t *strange,
		   struct err *err)
{
	const struct recording_look *look = &recording->looks[i];
	struct names_in names = {0};
	json_t *report = NULL;
	size_t unknown = 0;
	int result = collect(recording, look, &names, &report, err);

	*profile = result ? NULL : profile_new();
	if (!result && !*profile)
		result = err_set(err, ERR_FAILED, "out of memory");
	if (!result)
		result = decode_profile(&names, json_object_get(report, "profile"), *profile,
					&unknown, err);
	if (result) {
		profile_free(*profile);
		*profile = NULL;
		err_prefix(err, "report %llu, at byte %llu: ", (unsigned long long)look->number,
			   (unsigned long long)look->offset);
	}
	if (strange)
		*strange = unknown;
	names_in_fini(&names);
	json_decref(report);
	return result;
}
