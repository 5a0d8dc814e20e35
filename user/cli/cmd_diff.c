/* SPDX-License-Identifier: BSD-2-Clause
 *
 * diff: what grew between the last reports of two recordings, or between two reports of one.
 */
#include "cli/commands.h"

#include <stdio.h>

#include "cli/document.h"
#include "cli/recorded.h"
#include "model/difference.h"

/* Two recordings have no span in common. */
static int check(const struct record_options *options)
{
	if (options->n_files < 2 || (!options->from.given && !options->to.given))
		return 0;
	fputs("pyleaktrace: --from and --to are for two reports of one recording\n", stderr);
	return ERR_USAGE;
}

/* The last report; of a span the first, towards its end. NULL: said why */
static struct profile *read_one(const char *path, const struct record_options *options, bool first,
				int *code)
{
	struct recording *recording = recorded_open(path, code);
	struct recorded_span span = {0};
	struct profile *profile = NULL;
	size_t i;

	if (!recording)
		return NULL;
	*code = recorded_find(recording, path, options, &span);
	i = first ? span.first : span.last;
	if (!*code) {
		profile = recorded_read(recording, path, &i, first ? span.last : span.first);
		*code = profile ? 0 : ERR_FAILED;
	}
	recording_close(recording);
	return profile;
}

static int show(const struct profile *before, struct profile *after, const struct options *options)
{
	const struct difference *difference = difference_make(before, after);
	struct profile *growth = difference_growth(difference);
	struct document document = {
		.kind = DOCUMENT_DIFF, .profile = growth, .difference = difference, .last = true};
	int printed, saved;

	if (!growth) {
		fputs("pyleaktrace: out of memory\n", stderr);
		return ERR_FAILED;
	}
	if (difference->span_s < 0 && !options->quiet)
		fputs("pyleaktrace: the second report is the older one\n", stderr);
	printed = document_print(&document, options);
	saved = document_save(&document, options);
	profile_free(growth);
	return printed ? printed : saved;
}

int command_diff(const struct options *options)
{
	const struct record_options *record = &options->record;
	int code = document_check(options);
	struct profile *before = NULL, *after = NULL;

	if (!code)
		code = check(record);
	if (!code)
		before = read_one(record->files[0], record, record->n_files == 1, &code);
	if (before)
		after = read_one(record->files[record->n_files - 1], record, false, &code);
	if (after)
		code = show(before, after, options);
	profile_free(after);
	profile_free(before);
	return code;
}
