/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/exporter.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/escape.h"
#include "export/formats.h"
#include "export/roots.h"

#define QUOTE_MAX 96

const struct exporter exporters[] = {
	{"text", ".txt", "the report", NULL, false},
	{"json", ".json", "everything, for programs", export_json, false},
	{"folded", ".folded", "one line a stack, for flame graph tools", export_folded, true},
	{"svg", ".svg", "a flame graph as a picture", export_svg, true},
	{"html", ".html", "a flame graph to work with, in a browser, offline", export_html, true},
	{NULL, NULL, NULL, NULL, false},
};

bool exporter_has_roots(enum group_by by)
{
	return by == GROUP_MODULE || by == GROUP_THREAD || by == GROUP_PID;
}

int exporter_write(const struct exporter *exporter, FILE *out, const struct profile *profile,
		   struct err *err)
{
	struct profile *rooted;
	int result;

	if (!exporter->tree || !profile->grouping || !exporter_has_roots(profile->grouping->by))
		return exporter->write(out, profile, err);
	rooted = roots_new(profile);
	if (!rooted)
		return err_set(err, ERR_FAILED, "no memory to write %zu stacks as %s",
			       profile->n_stacks, exporter->name);
	result = exporter->write(out, rooted, err);
	profile_free(rooted);
	return result;
}

/* "text, json, folded" or "text (.txt), json (.json)" */
static void list(char *text, size_t size, bool suffixes)
{
	size_t used = 0;

	text[0] = '\0';
	for (const struct exporter *row = exporters; row->name && used < size; row++) {
		int n = snprintf(text + used, size - used, suffixes ? "%s%s (%s)" : "%s%s",
				 used ? ", " : "", row->name, row->suffix);

		used += n > 0 ? (size_t)n : 0;
	}
}

const struct exporter *exporter_by_name(const char *name, struct err *err)
{
	char quoted[QUOTE_MAX], formats[160];

	for (const struct exporter *row = exporters; row->name; row++)
		if (!strcasecmp(name, row->name))
			return row;
	list(formats, sizeof(formats), false);
	err_set(err, ERR_USAGE, "there is no format \"%s\"; there are %s",
		escape_copy(quoted, sizeof(quoted), name), formats);
	return NULL;
}

const struct exporter *exporter_by_file(const char *path, struct err *err)
{
	char quoted[QUOTE_MAX], formats[160];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t length = strlen(name);

	for (const struct exporter *row = exporters; row->name; row++) {
		size_t n = strlen(row->suffix);

		/* ".speedscope.json" will be one of its own */
		if (length > n && !strcasecmp(name + length - n, row->suffix) &&
		    !(length > 16 && !strcasecmp(name + length - 16, ".speedscope.json")))
			return row;
	}
	list(formats, sizeof(formats), true);
	err_set(err, ERR_USAGE,
		"%s: the file extension names no format; use one of these, or give -f: "
		"%s",
		escape_copy(quoted, sizeof(quoted), path), formats);
	return NULL;
}
