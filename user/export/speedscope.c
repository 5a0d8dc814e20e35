/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Source     speedscope.app/file-format-schema.json, of speedscope 1.25.
 *
 * A profile of speedscope's has one number for each stack: outstanding bytes, outstanding
 * allocations, and what the findings grow by, where there are some. Frames stand behind the
 * profiles, when all are known.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/escape.h"
#include "export/findings.h"
#include "export/formats.h"
#include "export/frame_tables.h"
#include "export/json_parts.h"

struct speedscope {
	FILE *out;
	const struct profile *profile;
	struct frame_tables tables;
	struct dictionary frames; /* of struct table_line */
	bool failed;
};

/* One of the profiles; rows without weight are left out. */
struct scope_profile {
	const char *name, *unit;
	size_t n_rows;
	uint64_t (*weight)(const struct profile *profile, size_t row);
	void (*put_row)(struct speedscope *scope, size_t row);
};

/* ---- rows ----------------------------------------------------------------------------------- */

static void put_frame(struct speedscope *scope, const struct frame *frame, bool first)
{
	const struct table_line line = {.function = frame_tables_function(&scope->tables, frame),
					.line = frame->line};
	uint32_t number = dictionary_number(&scope->frames, &line, sizeof(line));

	/* counted from 0 there */
	fprintf(scope->out, "%s%" PRIu32, first ? "" : ",", number ? number - 1 : 0);
}

static void put_frames(struct speedscope *scope, const struct stack *stack, bool first)
{
	for (size_t i = 0; i < stack->n_frames; i++)
		put_frame(scope, &stack->frames[i], first && !i);
	if (!stack->n_frames)
		put_frame(scope, &frame_tables_no_frames, first);
}

static void put_stack(struct speedscope *scope, size_t row)
{
	put_frames(scope, &scope->profile->stacks[row], true);
}

static uint64_t bytes_of(const struct profile *profile, size_t row)
{
	return profile->stacks[row].outstanding_bytes;
}

static uint64_t count_of(const struct profile *profile, size_t row)
{
	return profile->stacks[row].outstanding_count;
}

static void put_finding(struct speedscope *scope, size_t row)
{
	const struct finding *finding = findings_at(scope->profile, row, NULL);
	char title[FINDINGS_TITLE_MAX];
	const struct frame root = {.kind = FRAME_GROUP, .function = findings_title(finding, title)};

	put_frame(scope, &root, true);
	if (finding->stack)
		put_frames(scope, finding->stack, false);
}

static uint64_t growth_of(const struct profile *profile, size_t row)
{
	return findings_per_minute(findings_at(profile, row, NULL));
}

/* ---- the file ------------------------------------------------------------------------------- */

static void put_profile(struct speedscope *scope, const struct scope_profile *of)
{
	const char *before = "";
	uint64_t sum = 0;

	for (size_t i = 0; i < of->n_rows; i++)
		sum_add(&sum, of->weight(scope->profile, i));
	fprintf(scope->out,
		"{\"type\":\"sampled\",\"name\":\"%s\",\"unit\":\"%s\",\"startValue\":0,"
		"\"endValue\":%" PRIu64 ",\n\"samples\":[",
		of->name, of->unit, sum);
	for (size_t i = 0; i < of->n_rows; i++) {
		if (!of->weight(scope->profile, i))
			continue;
		fprintf(scope->out, "%s\n[", before);
		of->put_row(scope, i);
		fputc(']', scope->out);
		before = ",";
	}
	fputs("],\n\"weights\":[", scope->out);
	before = "";
	for (size_t i = 0; i < of->n_rows; i++) {
		uint64_t weight = of->weight(scope->profile, i);

		if (!weight)
			continue;
		fprintf(scope->out, "%s%" PRIu64, before, weight);
		before = ",";
	}
	fputs("]}", scope->out);
}

static size_t n_findings(const struct profile *profile)
{
	size_t n = 0;

	while (findings_at(profile, n, NULL))
		n++;
	return n;
}

static void put_profiles(struct speedscope *scope)
{
	size_t n_stacks = scope->profile->n_stacks, found = n_findings(scope->profile);
	const struct scope_profile profiles[] = {
		{"outstanding bytes", "bytes", n_stacks, bytes_of, put_stack},
		{"outstanding allocations", "none", n_stacks, count_of, put_stack},
		{"growth of the findings, bytes a minute", "bytes", found, growth_of, put_finding},
	};

	fputs(",\n\"profiles\":[\n", scope->out);
	for (size_t i = 0; i < (found ? 3 : 2); i++) {
		fputs(i ? ",\n" : "", scope->out);
		put_profile(scope, &profiles[i]);
	}
	fputs("]", scope->out);
}

static json_t *text_of(const struct dictionary_entry *entry)
{
	return json_stringn((const char *)entry->key, entry->size);
}

static void put_shared(struct speedscope *scope)
{
	const struct dictionary_entry **texts = dictionary_by_number(&scope->tables.texts),
				      **functions = dictionary_by_number(&scope->tables.functions);

	scope->failed |= !texts || !functions;
	fputs(",\n\"shared\":{\"frames\":[", scope->out);
	for (const struct dictionary_entry *entry = scope->frames.first; entry && !scope->failed;
	     entry = dictionary_next(entry)) {
		const struct table_line *line = (const void *)entry->key;
		const struct table_function *function =
			(const void *)functions[line->function]->key;
		json_t *object = json_object();

		json_part_set(&object, "name", text_of(texts[function->name]));
		if (function->file)
			json_part_set(&object, "file", text_of(texts[function->file]));
		if (line->line)
			json_part_set(&object, "line", json_part_count(line->line));
		json_part_dump(scope->out, entry->number > 1 ? ",\n" : "\n", object,
			       &scope->failed);
	}
	fputs("]}", scope->out);
	free(texts);
	free(functions);
}

static json_t *name_of(const struct profile *profile)
{
	const struct verdict *verdict = profile->verdict;
	char text[2 * PROFILE_STRING_MAX], visible[4 * PROFILE_STRING_MAX];

	if (profile->n_targets)
		snprintf(text, sizeof(text), "%zu processes", profile->n_targets);
	else
		snprintf(text, sizeof(text), "pid %d%s%s%s%s", profile->target.pid,
			 verdict ? ", " : "", verdict ? verdict_state_name(verdict->state) : "",
			 verdict ? ": " : "",
			 verdict && verdict->sentence ? verdict->sentence : "");
	return json_string(escape_copy(visible, sizeof(visible), text));
}

int export_speedscope(FILE *out, const struct document *document, struct err *err)
{
	struct speedscope scope = {.out = out, .profile = document->profile};

	fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\"", out);
	fputs(",\n\"exporter\":\"pyleaktrace@" PYLEAKTRACE_VERSION "\"", out);
	json_part_dump(out, ",\n\"name\":", name_of(scope.profile), &scope.failed);
	fprintf(out, ",\n\"activeProfileIndex\":%d", findings_are_all(scope.profile) ? 2 : 0);
	put_profiles(&scope);
	scope.failed |= frame_tables_failed(&scope.tables) || scope.frames.failed;
	put_shared(&scope);
	fputs("}\n", out);
	dictionary_fini(&scope.frames);
	frame_tables_fini(&scope.tables);
	return scope.failed
		       ? err_set(err, ERR_FAILED, "no memory to write %zu stacks as speedscope",
				 scope.profile->n_stacks)
		       : 0;
}
