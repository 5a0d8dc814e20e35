/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/recorded.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/fmt.h"

#define SAID_MAX 3 /* places that are damaged */

static void complain(const struct err *err)
{
	fprintf(stderr, "pyleaktrace: %s\n", err->text);
}

static void say_damage(const char *path, const struct recording_damage *damage)
{
	if (damage->cut)
		fprintf(stderr,
			"pyleaktrace: %s: the last %" PRIu64
			" bytes are not a whole report: it was cut off at byte %" PRIu64 "\n",
			path, damage->bytes, damage->offset);
	else
		fprintf(stderr,
			"pyleaktrace: %s: %" PRIu64 " bytes from byte %" PRIu64
			" on are damaged, and passed over\n",
			path, damage->bytes, damage->offset);
}

struct recording *recorded_open(const char *path, int *code)
{
	struct err err = ERR_INIT;
	struct recording *recording = recording_open(path, &err);

	*code = (int)err.code;
	if (!recording) {
		complain(&err);
		return NULL;
	}
	for (size_t i = 0; i < recording->n_damages && i < SAID_MAX; i++)
		say_damage(path, &recording->damages[i]);
	if (recording->n_damages > SAID_MAX)
		fprintf(stderr, "pyleaktrace: %s: %zu more places are damaged; %s in all\n", path,
			recording->n_damages - SAID_MAX, fmt_bytes(recording->damaged_bytes).text);
	return recording;
}

/* ---- spans ---------------------------------------------------------------------------------- */

/* The wall clock at that time of the day: of the last day of the recording, or the one before. */
static double clock_time(const struct recording *recording, double of_day)
{
	time_t last = recording->looks[recording->n_looks - 1].time, at;
	struct tm day;

	if (!localtime_r(&last, &day))
		return 0;
	for (int back = 0;; back++) {
		struct tm moment = day;

		moment.tm_mday -= back;
		moment.tm_hour = moment.tm_min = 0;
		moment.tm_sec = (int)of_day;
		moment.tm_isdst = -1;
		at = mktime(&moment);
		if (at <= last || back || difftime(at, recording->looks[0].time) < 86400)
			return (double)at;
	}
}

/* As at_s of reports. */
static double seconds_of(const struct recording *recording, const struct moment *moment)
{
	const struct recording_look *last = &recording->looks[recording->n_looks - 1];

	if (moment->clock)
		return last->at_s + clock_time(recording, moment->seconds) - (double)last->time;
	return signbit(moment->seconds) ? last->at_s + moment->seconds : moment->seconds;
}

int recorded_find(const struct recording *recording, const char *path,
		  const struct record_options *options, struct recorded_span *span)
{
	double from = options->from.given ? seconds_of(recording, &options->from) : -INFINITY;
	double to = options->to.given ? seconds_of(recording, &options->to) : INFINITY;
	bool any = false;

	for (size_t i = 0; i < recording->n_looks; i++) {
		double at_s = recording->looks[i].at_s;

		/* times are written in ms */
		if (at_s < from - 0.001 || at_s > to + 0.001)
			continue;
		if (!any)
			span->first = i;
		span->last = i;
		any = true;
	}
	if (any)
		return 0;
	fprintf(stderr, "pyleaktrace: %s: no report in this span; there are %zu from %s to %s",
		path, recording->n_looks, recorded_clock(recording, 0).text,
		recorded_clock(recording, recording->n_looks - 1).text);
	fprintf(stderr, " (%s to ", fmt_duration(recording->looks[0].at_s).text);
	fprintf(stderr, "%s after the start)\n", fmt_duration(recording_end_s(recording)).text);
	return ERR_USAGE;
}

/* ---- reports -------------------------------------------------------------------------------- */

static void say_unread(const char *path, size_t n, const struct err *err)
{
	if (n)
		fprintf(stderr, "pyleaktrace: %s: %zu report%s cannot be read: %s\n", path, n,
			n == 1 ? "" : "s", err->text);
}

struct profile *recorded_read(struct recording *recording, const char *path, size_t *i, size_t end)
{
	struct err err = ERR_INIT;
	struct profile *profile = NULL;
	size_t strange = 0, unread = 0;

	while (recording_read(recording, *i, &profile, &strange, &err)) {
		unread++;
		if (*i == end)
			break;
		*i += *i < end ? 1 : (size_t)-1;
	}
	say_unread(path, unread, &err);
	if (strange)
		fprintf(stderr,
			"pyleaktrace: %s: %zu values are not known to this version, and left out\n",
			path, strange);
	return profile;
}

struct fmt recorded_clock(const struct recording *recording, size_t i)
{
	time_t time = recording->looks[i].time;
	struct fmt text = {"?"};
	struct tm local;

	if (localtime_r(&time, &local))
		strftime(text.text, sizeof(text.text), "%H:%M:%S", &local);
	return text;
}
