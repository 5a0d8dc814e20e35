/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/encode.h"
#include "record/format.h"
#include "record/frames.h"
#include "record/shapes.h"

struct recorder {
	int fd;
	char *path;
	off_t end; /* of the last whole report */
	uint64_t n_looks, segment;
	unsigned in_segment; /* reports */
	struct names_out names;
};

struct recorder *recorder_open(const char *path, struct err *err)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));

	if (!recorder || !(recorder->path = strdup(path))) {
		free(recorder);
		err_set(err, ERR_FAILED, "out of memory");
		return NULL;
	}
	recorder->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (recorder->fd < 0) {
		if (errno == EEXIST)
			err_set(err, ERR_USAGE,
				"%s is there already, and a recording is never written over; "
				"remove it, or use %%t in the name for the time",
				path);
		else
			err_set(err, ERR_FAILED, "%s: %s%s", path, strerror(errno),
				err_remedy(errno));
		recorder_close(recorder);
		return NULL;
	}
	return recorder;
}

void recorder_close(struct recorder *recorder)
{
	if (!recorder)
		return;
	names_out_clear(&recorder->names);
	if (recorder->fd >= 0 && !recorder->end)
		unlink(recorder->path);
	if (recorder->fd >= 0)
		close(recorder->fd);
	free(recorder->path);
	free(recorder);
}

void recorder_begin_segment(struct recorder *recorder)
{
	names_out_clear(&recorder->names);
	recorder->segment += recorder->in_segment > 0;
	recorder->in_segment = 0;
}

/* ---- a report as text ------------------------------------------------------------------------ */

/* As a line; takes the value. */
static void put(FILE *out, struct names_out *names, json_t *value)
{
	char *text = value ? names_text(value) : NULL;

	if (text)
		fprintf(out, "%s\n", text);
	names->failed |= !text;
	free(text);
	json_decref(value);
}

static json_t *head_of(struct recorder *recorder, const struct profile *profile)
{
	json_t *head = json_object();

	json_object_set_new(head, "pyleaktrace_recording", json_integer(RECORD_VERSION));
	json_object_set_new(head, "segment", json_integer((json_int_t)recorder->segment));
	json_object_set_new(head, "version", json_string(PYLEAKTRACE_VERSION));
	json_object_set_new(head, "target",
			    encode(&recorder->names, &shape_target, &profile->target));
	json_object_set_new(head, "mode", encode(&recorder->names, &shape_mode, &profile->mode));
	return head;
}

static void put_look(FILE *out, const struct recorder *recorder, const struct profile *profile,
		     const struct recorder_moment *moment)
{
	fprintf(out,
		"{\"look\":%" PRIu64 ",\"segment\":%" PRIu64
		",\"at_s\":%.3f,\"time\":%lld,\"last\":%s}\n",
		recorder->n_looks, recorder->segment, moment->at_s, (long long)profile->time.tv_sec,
		moment->last ? "true" : "false");
}

/* Both as JSON. names: the lines that they need; to be freed. NULL: memory is out */
static char *write_names(struct recorder *recorder, const struct profile *profile, json_t **head,
			 json_t **report)
{
	struct names_out *names = &recorder->names;
	char *text = NULL;
	size_t length = 0;

	*head = NULL;
	*report = json_object();
	names->failed = false;
	names->lines = open_memstream(&text, &length);
	if (!names->lines)
		return NULL;
	if (!recorder->in_segment)
		*head = head_of(recorder, profile);
	json_object_set_new(*report, "profile", encode(names, &shape_profile, profile));
	names->failed |= fclose(names->lines) != 0;
	names->lines = NULL;
	return text;
}

/* To be freed; NULL: memory is out. The names come before the report that needs them. */
static char *write_text(struct recorder *recorder, const struct profile *profile,
			const struct recorder_moment *moment, size_t *length)
{
	json_t *head, *report;
	char *names = write_names(recorder, profile, &head, &report), *text = NULL;
	FILE *out = names ? open_memstream(&text, length) : NULL;

	if (out) {
		if (head)
			put(out, &recorder->names, json_incref(head));
		put_look(out, recorder, profile, moment);
		fputs(names, out);
		put(out, &recorder->names, json_incref(report));
	}
	json_decref(head);
	json_decref(report);
	free(names);
	if (!out || fclose(out) || recorder->names.failed) {
		free(text);
		text = NULL;
	}
	return text;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int write_all(struct recorder *recorder, const char *bytes, size_t n, struct err *err)
{
	int result = 0;

	for (size_t done = 0; done < n && !result;) {
		ssize_t more =
			pwrite(recorder->fd, bytes + done, n - done, recorder->end + (off_t)done);

		if (more > 0)
			done += (size_t)more;
		else if (more == 0 || errno != EINTR)
			result = err_set(err, ERR_FAILED, "%s: %s", recorder->path,
					 strerror(more ? errno : ENOSPC));
	}
	/* what is left of it is cut off, as far as that is possible: readers know it anyway */
	if (result && ftruncate(recorder->fd, recorder->end))
		return result;
	if (!result)
		recorder->end += (off_t)n;
	return result;
}

int recorder_add(struct recorder *recorder, struct profile *profile,
		 const struct recorder_moment *moment, struct err *err)
{
	size_t length = 0, size;
	char *text, *packed;
	int result;

	shapes_round(profile);
	if (recorder->in_segment == RECORD_SEGMENT)
		recorder_begin_segment(recorder);
	text = write_text(recorder, profile, moment, &length);
	if (!text)
		return err_set(err, ERR_FAILED, "no memory to record %zu stacks",
			       profile->n_stacks);
	if (length > RECORD_FRAME_MAX) {
		free(text);
		return err_set(err, ERR_FAILED,
			       "a report of %zu stacks is too large to be recorded; "
			       "trace less, with --domain or --min-size",
			       profile->n_stacks);
	}
	packed = frames_pack(text, length, &size, err);
	free(text);
	if (!packed)
		return -(int)err->code;
	result = write_all(recorder, packed, size, err);
	free(packed);
	recorder->n_looks++;
	recorder->in_segment++;
	if (result)
		recorder_begin_segment(recorder); /* its names are not in the file */
	return result;
}
