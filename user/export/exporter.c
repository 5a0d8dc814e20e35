/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/exporter.h"

#include <string.h>
#include <strings.h>

#include "base/escape.h"
#include "export/formats.h"
#include "export/roots.h"

#define QUOTE_MAX  96

#define KIND(kind) (1u << DOCUMENT_##kind)
#define ALL        (KIND(TRACE) | KIND(HEAP) | KIND(GRAPH) | KIND(TREND) | KIND(WATCH) | KIND(DIFF))

static const struct exporter exporters[] = {
	{"text", ".txt", ALL, NULL, NULL, false, false, false},
	{"json", ".json", ALL, export_json, NULL, false, false, false},
	{"folded", ".folded", KIND(TRACE) | KIND(DIFF), export_folded, NULL, true, false, false},
	{"svg", ".svg", KIND(TRACE), export_svg, NULL, true, false, false},
	{"html", ".html", KIND(TRACE), export_html, NULL, true, false, true},
	{"speedscope", ".speedscope.json", KIND(TRACE), export_speedscope, NULL, true, false,
	 false},
	{"pprof", ".pb.gz", KIND(TRACE), export_pprof, NULL, false, true, false},
	{"otlp", ".otlp.pb", KIND(TRACE), export_otlp, NULL, false, true, false},
	{"dot", ".dot", KIND(GRAPH), export_dot, NULL, false, false, false},
	{"svg", ".svg", KIND(GRAPH), export_dot_svg, "dot", false, false, false},
	{0},
};

bool exporter_has_roots(enum group_by by)
{
	return by == GROUP_MODULE || by == GROUP_THREAD || by == GROUP_PID;
}

int exporter_write(const struct exporter *exporter, FILE *out, const struct document *document,
		   struct err *err)
{
	const struct profile *profile = document->profile;
	struct document rooted = *document;
	struct profile *roots;
	int result;

	if (!exporter->tree || !roots_are_needed(profile, !exporter->answers))
		return exporter->write(out, document, err);
	rooted.profile = roots = roots_new(profile, !exporter->answers);
	if (!roots)
		return err_set(err, ERR_FAILED, "no memory to write %zu stacks as %s",
			       profile->n_stacks, exporter->name);
	result = exporter->write(out, &rooted, err);
	profile_free(roots);
	return result;
}

void exporter_list(char *text, size_t size, enum document_kind kind, bool suffixes)
{
	size_t used = 0;

	text[0] = '\0';
	for (const struct exporter *row = exporters; row->name && used < size; row++) {
		if (row->kinds & 1u << kind)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
						 suffixes ? row->suffix : row->name);
	}
}

const struct exporter *exporter_by_name(const char *name, enum document_kind kind, struct err *err)
{
	char quoted[QUOTE_MAX], formats[160];

	for (const struct exporter *row = exporters; row->name; row++)
		if (row->kinds & 1u << kind && !strcasecmp(name, row->name))
			return row;
	exporter_list(formats, sizeof(formats), kind, false);
	err_set(err, ERR_USAGE, "unknown format \"%s\"; use one of %s",
		escape_copy(quoted, sizeof(quoted), name), formats);
	return NULL;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t length = strlen(name), n = strlen(suffix);

	return length > n && !strcasecmp(name + length - n, suffix);
}

const struct exporter *exporter_by_file(const char *path, enum document_kind kind, struct err *err)
{
	char quoted[QUOTE_MAX], formats[160];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t longest = 0;

	/* x.speedscope.json is that, or nothing: no JSON of another kind under its name */
	for (const struct exporter *row = exporters; row->name; row++)
		if (ends_with(name, row->suffix) && strlen(row->suffix) > longest)
			longest = strlen(row->suffix);
	for (const struct exporter *row = exporters; row->name; row++)
		if (row->kinds & 1u << kind && strlen(row->suffix) == longest &&
		    ends_with(name, row->suffix))
			return row;
	exporter_list(formats, sizeof(formats), kind, true);
	err_set(err, ERR_USAGE, "%s: the file extension names no format; use one of %s, or give -f",
		escape_copy(quoted, sizeof(quoted), path), formats);
	return NULL;
}
