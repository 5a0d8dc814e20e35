/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The page is built by tools/build-page from export/page and stands in this object file as it is.
 * Its data is JSON inside a <script type="application/json">, which a browser does not run; see
 * main.js for how it is shown:
 *
 *   title, foot   text
 *   facts         [[name, value, more or ""], ...], the first one is the most important
 *   notes         sentences that the reader has to know: what is not covered, how the
 *                 target ended
 *   verdicts, growing, growing_classes, heap, trend, losses
 *                 as in pyleaktrace-2.schema.json, absent where there is none; `verdicts` also
 *                 where there is one
 *   retained      containers by what they hold; absent where references were not followed
 *   domains       names; stacks have indexes
 *   frames        [[kind, text], ...], each different frame once; kinds as in data.js
 *   stacks        [[domain, bytes, count, growth, oldest_s, bytes_error, count_error, [frame, ...],
 *                 [[type, bytes], ...]], ...]; the errors are -1 for what was counted
 *   series        [[name, label], ...] of what trend.series may have
 *
 * All of the target's text is made visible (base/escape.h) before it goes in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "export/formats.h"
#include "export/json_parts.h"
#include "export/trace_json.h"
#include "export/trend_json.h"
#include "export/verdict_json.h"
#include "model/cost_text.h"
#include "model/nameless.h"
#include "model/trend.h"

#define MARK "@DATA@"

__asm__(".pushsection .rodata\n"
	".global pyleaktrace_page\n"
	".global pyleaktrace_page_end\n"
	"pyleaktrace_page: .incbin \"" PYLEAKTRACE_PAGE "\"\n"
	"pyleaktrace_page_end: .byte 0\n"
	".popsection\n");
extern const char pyleaktrace_page[], pyleaktrace_page_end[];

/* ---- JSON that can stand inside HTML -------------------------------------------------------- */

/*
 * Only strings can hold these characters, and there an escape means the same. U+2028 and the like
 * are escaped by jansson.
 */
static int put_escaped(const char *text, size_t size, void *stream)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '<' || text[i] == '>' || text[i] == '&')
			fprintf(stream, "\\u%04x", (unsigned)text[i]);
		else
			fputc(text[i], stream);
	}
	return 0;
}

static void dump(FILE *out, const char *before, json_t *value, bool *failed)
{
	fputs(before, out);
	if (!value ||
	    json_dump_callback(value, put_escaped, out, JSON_PARTS_FLAGS | JSON_ENSURE_ASCII))
		*failed = true;
	json_decref(value);
}

static json_t *visible(const char *text)
{
	size_t size = 4 * strlen(text) + 16;
	char *copy = malloc(size);
	json_t *value = copy ? json_string(escape_copy(copy, size, text)) : NULL;

	free(copy);
	return value;
}

/* The same of every string in a value; the names of members are ours. */
static void make_visible(json_t *value)
{
	const char *name, *text = json_string_value(value);
	json_t *part;
	size_t i, size;
	char *copy;

	json_array_foreach(value, i, part) make_visible(part);
	json_object_foreach(value, name, part) make_visible(part);
	if (!text)
		return;
	size = 4 * strlen(text) + 16;
	copy = malloc(size);
	json_string_set(value, copy ? escape_copy(copy, size, text) : "?");
	free(copy);
}

static void dump_part(FILE *out, const char *before, json_t *value, bool *failed)
{
	make_visible(value);
	dump(out, before, value, failed);
}

/* ---- head ----------------------------------------------------------------------------------- */

static void add_fact(json_t **facts, const char *name, const char *value, const char *more)
{
	json_t *fact = json_array();

	json_part_append(&fact, json_string(name));
	json_part_append(&fact, visible(value));
	json_part_append(&fact, visible(more));
	json_part_append(facts, fact);
}

static const char *program_of(const struct profile *profile)
{
	const char *exe = profile->target.exe, *slash = exe ? strrchr(exe, '/') : NULL;

	return slash && slash[1] ? slash + 1 : exe ? exe : "a process";
}

static json_t *title(const struct profile *profile)
{
	char text[256];

	if (profile->n_targets)
		snprintf(text, sizeof(text), "%zu processes: outstanding allocations",
			 profile->n_targets);
	else
		snprintf(text, sizeof(text), "%.200s (pid %d): outstanding allocations",
			 program_of(profile), profile->target.pid);
	return visible(text);
}

/* The words of the command line, cut where it gets long. */
static void put_command(const struct profile *profile, char text[400])
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < profile->target.n_cmdline && used < 399; i++) {
		int n = snprintf(text + used, 400 - used, "%s%s", i ? " " : "",
				 profile->target.cmdline[i]);

		used += n > 0 ? (size_t)n : 0;
	}
}

/* What is said first: below a ceiling all that was spent, since between two windows there are no
 * hits. */
static void add_cost(json_t **facts, const struct cost *cost)
{
	struct cost_text text;
	const char *parts[] = {text.ceiling, text.hits, text.slowdown, text.syscalls};
	char value[160], more[800] = "";
	size_t used = 0;

	cost_text(cost, &text);
	if (*text.so_far)
		snprintf(value, sizeof(value), "%s", text.so_far);
	else if (!*text.ceiling && cost->ns_per_hit > 0)
		snprintf(value, sizeof(value), "%s of a core",
			 fmt_percent(cost->target_cpu_fraction).text);
	else
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (*parts[i])
			used += (size_t)snprintf(more + used, sizeof(more) - used, "%s%s",
						 used ? "; " : "", parts[i]);
	add_fact(facts, "Cost to the target", value, more);
}

/* What was allocated, and how it was traced. */
static void add_traced(json_t **array, const struct profile *profile)
{
	char more[400], traced[64] = "";

	snprintf(more, sizeof(more), "in %s",
		 fmt_things(profile->totals.outstanding_count, "allocation").text);
	add_fact(array, "Outstanding", fmt_bytes(profile->totals.outstanding_bytes).text, more);
	if (profile_counts_calls(profile)) {
		snprintf(more, sizeof(more), "in %s, %s freed",
			 fmt_things(profile->totals.allocated_count, "allocation").text,
			 fmt_count(profile->totals.freed_count).text);
		add_fact(array, "Allocated during the trace",
			 fmt_bytes(profile->totals.allocated_bytes).text, more);
	}
	for (int i = 0; i < DOMAIN_COUNT; i++)
		if (profile->mode.domains[i])
			snprintf(traced + strlen(traced), sizeof(traced) - strlen(traced), "%s%s",
				 *traced ? ", " : "", domain_name((enum domain)i));
	snprintf(more, sizeof(more), "%s%s%s", *traced ? "traced: " : "no allocator traced", traced,
		 profile->mode.exact ? "; every call" : "; sampled");
	add_fact(array, "Traced for", fmt_duration(profile->duration_s).text, more);
}

static json_t *facts(const struct profile *profile)
{
	json_t *array = json_array();
	char value[160], more[400];

	if (!profile->mode.untraced)
		add_traced(&array, profile);
	if (profile->target.python) {
		snprintf(value, sizeof(value), "%.60s %.60s",
			 profile->target.implementation ? profile->target.implementation : "",
			 profile->target.python);
		put_command(profile, more);
		add_fact(&array, "Target", value, more);
	}
	for (size_t i = 0, used = 0; i < profile->n_targets && used < sizeof(more); i++)
		used += (size_t)snprintf(more + used, sizeof(more) - used, "%s%d", i ? ", " : "",
					 profile->targets[i].pid);
	if (profile->n_targets) {
		snprintf(value, sizeof(value), "%zu processes", profile->n_targets);
		add_fact(&array, "Targets", value, more);
	}
	if (profile->target.rss_bytes) {
		snprintf(more, sizeof(more), "%s",
			 fmt_things(profile->target.threads, "thread").text);
		add_fact(&array, "Resident memory", fmt_bytes(profile->target.rss_bytes).text,
			 more);
	}
	if (profile->have_cost)
		add_cost(&array, &profile->cost);
	return array;
}

static void add_end(json_t **notes, const struct profile_target *target, bool several)
{
	int detail = target->end_detail;
	char text[96] = "", named[128];

	if (target->end == TARGET_EXITED && detail >= 0)
		snprintf(text, sizeof(text), "The target exited with code %d during the trace.",
			 detail);
	else if (target->end == TARGET_EXITED)
		snprintf(text, sizeof(text), "The target exited during the trace.");
	else if (target->end == TARGET_KILLED)
		snprintf(text, sizeof(text), "The target was killed by signal %d during the trace.",
			 detail);
	else if (target->end == TARGET_EXECED)
		snprintf(text, sizeof(text),
			 "The target replaced itself by exec during the trace.");
	else if (target->stopped)
		snprintf(text, sizeof(text), "The target was stopped.");
	if (!*text)
		return;
	snprintf(named, sizeof(named), "pid %d: %s", target->pid, text);
	json_part_append(notes, json_string(several ? named : text));
}

static void add_left_out(json_t **notes, const struct selection *selection)
{
	char text[160];

	if (!selection->n_modules)
		return;
	snprintf(text, sizeof(text),
		 "Left out: %s in %s without a frame of the modules asked for (--module).",
		 fmt_bytes(selection->left_out_bytes).text,
		 fmt_things(selection->left_out_stacks, "stack").text);
	json_part_append(notes, json_string(text));
}

static json_t *notes(const struct profile *profile, size_t n_shown)
{
	json_t *array = json_array();
	char text[1024];
	uint64_t hidden = 0;

	if (!profile->n_targets)
		add_end(&array, &profile->target, false);
	for (size_t i = 0; i < profile->n_targets; i++)
		add_end(&array, &profile->targets[i], true);
	for (size_t i = 0; i < profile->n_notes; i++)
		json_part_append(&array, json_part_text(profile->notes[i].sentence));
	if (nameless_sentence(profile, text, sizeof(text)))
		json_part_append(&array, visible(text));
	add_left_out(&array, &profile->selection);
	if (profile->mode.object_coverage)
		json_part_append(&array, visible(profile->mode.object_coverage));
	if (profile->totals.missed_frees && !profile_has_loss(profile, "missed_frees")) {
		snprintf(text, sizeof(text), "%s freed unseen; the figures were corrected.",
			 fmt_things(profile->totals.missed_frees, "block").text);
		json_part_append(&array, json_string(text));
	}
	for (size_t i = n_shown; i < profile->n_stacks; i++)
		hidden += profile->stacks[i].outstanding_bytes;
	if (hidden) {
		snprintf(text, sizeof(text),
			 "The page holds the first %s stacks; %s more, with %s, are in the other "
			 "formats.",
			 fmt_count(n_shown).text, fmt_count(profile->n_stacks - n_shown).text,
			 fmt_bytes(hidden).text);
		json_part_append(&array, json_string(text));
	}
	return array;
}

static json_t *foot(const struct profile *profile)
{
	json_t *time = json_part_time(profile), *value;
	char text[128];

	if (!time)
		return NULL;
	snprintf(text, sizeof(text), "pyleaktrace " PYLEAKTRACE_VERSION ", %s",
		 json_string_value(time));
	value = json_string(text);
	json_decref(time);
	return value;
}

/* ---- frames and stacks ---------------------------------------------------------------------- */

struct frame_table {
	const struct frame **frames; /* sorted, each once */
	size_t n;
};

static int compare_frames(const void *a, const void *b)
{
	return frame_compare(*(const struct frame *const *)a, *(const struct frame *const *)b);
}

static bool collect_frames(struct frame_table *table, const struct profile *profile,
			   size_t n_stacks)
{
	size_t all = 0, kept = 0;

	for (size_t i = 0; i < n_stacks; i++)
		all += profile->stacks[i].n_frames;
	table->frames = malloc((all + 1) * sizeof(*table->frames));
	if (!table->frames)
		return false;
	table->n = 0;
	for (size_t i = 0; i < n_stacks; i++)
		for (size_t f = 0; f < profile->stacks[i].n_frames; f++)
			table->frames[table->n++] = &profile->stacks[i].frames[f];
	qsort(table->frames, table->n, sizeof(*table->frames), compare_frames);
	for (size_t i = 0; i < table->n; i++)
		if (!kept || frame_compare(table->frames[kept - 1], table->frames[i]))
			table->frames[kept++] = table->frames[i];
	table->n = kept;
	return true;
}

static json_t *index_of(const struct frame_table *table, const struct frame *frame)
{
	const struct frame **found =
		bsearch(&frame, table->frames, table->n, sizeof(*found), compare_frames);

	return json_integer(found - table->frames);
}

static json_t *frame_entry(const struct frame *frame)
{
	json_t *array = json_array();
	char text[FRAME_TEXT_MAX];

	frame_text(frame, text, sizeof(text));
	/* the values of frame_kind are the page's */
	_Static_assert(FRAME_PYTHON == 0 && FRAME_NATIVE == 1 && FRAME_GAP == 2 && FRAME_GROUP == 3,
		       "data.js, KINDS");
	json_part_append(&array, json_integer(frame->kind));
	json_part_append(&array, visible(text));
	return array;
}

static json_t *stack_entry(const struct stack *stack, const struct frame_table *table)
{
	json_t *array = json_array(), *frames = json_array(), *types = json_array();

	for (size_t i = 0; i < stack->n_frames; i++)
		json_part_append(&frames, index_of(table, &stack->frames[i]));
	for (size_t i = 0; i < stack->n_types && stack->types_sampled; i++) {
		json_t *type = json_array();

		json_part_append(&type, visible(stack->types[i].name ? stack->types[i].name : "?"));
		json_part_append(&type, json_part_count(stack->types[i].bytes));
		json_part_append(&types, type);
	}
	json_part_append(
		&array,
		json_integer((unsigned)stack->domain < DOMAIN_COUNT ? (int)stack->domain : 0));
	json_part_append(&array, json_part_count(stack->outstanding_bytes));
	json_part_append(&array, json_part_count(stack->outstanding_count));
	json_part_append(&array, json_part_real(stack->growth_bytes_per_s));
	json_part_append(&array, json_part_real(stack->oldest_s));
	json_part_append(&array, json_part_real(stack->estimated ? stack->bytes_error : -1));
	json_part_append(&array, json_part_real(stack->estimated ? stack->count_error : -1));
	json_part_append(&array, frames);
	json_part_append(&array, types);
	return array;
}

static json_t *domains(void)
{
	json_t *array = json_array();

	for (int i = 0; i < DOMAIN_COUNT; i++)
		json_part_append(&array, json_string(domain_name((enum domain)i)));
	return array;
}

/* Stacks with nothing outstanding are sorted last and have no place on the page. */
static size_t count_shown(const struct profile *profile)
{
	size_t n = 0;

	while (n < profile->n_stacks && n < EXPORT_HTML_STACKS &&
	       (profile->stacks[n].outstanding_bytes || profile->stacks[n].outstanding_count))
		n++;
	return n;
}

/* ---- what else was found --------------------------------------------------------------------- */

static json_t *verdicts(const struct profile *profile)
{
	json_t *array = json_array();

	if (profile->n_verdicts) {
		json_decref(array);
		return json_part_verdicts(profile);
	}
	json_part_append(&array, json_part_verdict(profile->verdict, profile));
	return array;
}

static json_t *series(const struct trend *trend)
{
	json_t *array = json_array();

	for (int kind = 0; kind < TREND_KINDS; kind++) {
		json_t *names = json_array();

		json_part_append(&names, json_string(trend_kind_info((enum trend_kind)kind)->name));
		json_part_append(&names, json_string(trend_label(trend, (enum trend_kind)kind)));
		json_part_append(&array, names);
	}
	return array;
}

static void put_found(FILE *out, const struct profile *profile, bool *failed)
{
	if (profile->verdict || profile->n_verdicts)
		dump_part(out, ",\n\"verdicts\":", verdicts(profile), failed);
	if (profile->growing_containers)
		dump_part(out, ",\n\"growing\":", json_part_growing_containers(profile), failed);
	if (profile->growing_classes)
		dump_part(out, ",\n\"growing_classes\":", json_part_growing_classes(profile),
			  failed);
	if (profile->retention)
		dump_part(out, ",\n\"retained\":", json_part_retained(profile), failed);
	if (profile->growing_types)
		dump_part(out, ",\n\"heap\":", json_part_trace_heap(profile), failed);
	if (profile->trend) {
		dump_part(out, ",\n\"trend\":", json_part_trend(profile->trend), failed);
		dump(out, ",\n\"series\":", series(profile->trend), failed);
	}
	dump_part(out, ",\n\"losses\":", json_part_losses(profile), failed);
}

static bool put_data(FILE *out, const struct profile *profile)
{
	size_t n = count_shown(profile);
	struct frame_table table;
	bool failed = false;

	if (!collect_frames(&table, profile, n))
		return false;
	dump(out, "{\"title\":", title(profile), &failed);
	dump(out, ",\n\"facts\":", facts(profile), &failed);
	dump(out, ",\n\"notes\":", notes(profile, n), &failed);
	dump(out, ",\n\"foot\":", foot(profile), &failed);
	put_found(out, profile, &failed);
	dump(out, ",\n\"domains\":", domains(), &failed);
	fputs(",\n\"frames\":[", out);
	for (size_t i = 0; i < table.n && !failed; i++)
		dump(out, i ? ",\n" : "\n", frame_entry(table.frames[i]), &failed);
	fputs("],\n\"stacks\":[", out);
	for (size_t i = 0; i < n && !failed; i++)
		dump(out, i ? ",\n" : "\n", stack_entry(&profile->stacks[i], &table), &failed);
	fputs("]}", out);
	free(table.frames);
	return !failed;
}

int export_html(FILE *out, const struct document *document, struct err *err)
{
	const struct profile *profile = document->profile;
	size_t size = (size_t)(pyleaktrace_page_end - pyleaktrace_page);
	const char *mark = memmem(pyleaktrace_page, size, MARK, strlen(MARK)), *rest;

	if (!mark)
		return err_set(err, ERR_FAILED,
			       "the page of this build has no placeholder for the data");
	rest = mark + strlen(MARK);
	fwrite(pyleaktrace_page, 1, (size_t)(mark - pyleaktrace_page), out);
	if (!put_data(out, profile))
		return err_set(err, ERR_FAILED, "no memory for the page of %zu stacks",
			       profile->n_stacks);
	fwrite(rest, 1, (size_t)(pyleaktrace_page_end - rest), out);
	return 0;
}
