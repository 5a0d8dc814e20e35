/* SPDX-License-Identifier: BSD-2-Clause
 *
 * report: a report of a recording, as it was shown when it was made.
 */
#include "cli/commands.h"

#include <stdio.h>

#include "base/fmt.h"
#include "cli/document.h"
#include "cli/recorded.h"

/* Which one it is, beside the report: that is the same as it was. */
static void say_which(const struct recording *recording, size_t i, const struct profile *profile)
{
	fprintf(stderr, "pyleaktrace: report %zu of %zu, %s", i + 1, recording->n_looks,
		recorded_clock(recording, i).text);
	fprintf(stderr, ", %s after the start; pid %d (CPython %s)\n",
		fmt_duration(recording->looks[i].at_s).text, profile->target.pid,
		profile->target.python ? profile->target.python : "?");
}

static int show(const struct recording *recording, size_t i, struct profile *profile,
		const struct options *options)
{
	const struct document document = {
		.kind = DOCUMENT_TRACE, .profile = profile, .last = recording->looks[i].last};
	int printed, saved;

	profile_sort(profile, options->trace.order);
	profile_select(profile, options->modules, options->n_modules);
	profile_group(profile, options->group_by, options->trace.order);
	printed = document_print(&document, options);
	saved = document_save(&document, options);
	return printed ? printed : saved;
}

int command_report(const struct options *options)
{
	const char *path = options->record.files[0];
	int code = document_check(options);
	struct recording *recording = code ? NULL : recorded_open(path, &code);
	struct recorded_span span = {0};
	struct profile *profile = NULL;
	size_t i;

	if (!recording)
		return code;
	code = recorded_find(recording, path, &options->record, &span);
	i = span.last;
	if (!code) {
		profile = recorded_read(recording, path, &i, span.first);
		code = profile ? 0 : ERR_FAILED;
	}
	if (profile && !options->quiet)
		say_which(recording, i, profile);
	if (profile)
		code = show(recording, i, profile, options);
	profile_free(profile);
	recording_close(recording);
	return code;
}
