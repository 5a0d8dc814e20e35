/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/census_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "view/held_text.h"

#define BOLD   "1"
#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"

static void ink(FILE *out, const struct census_text_options *options, const char *code)
{
	if (options->color)
		fprintf(out, "\033[%sm", code);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static size_t shown(size_t n, unsigned top)
{
	return top && n > top ? top : n;
}

/* ---- types ---------------------------------------------------------------------------------- */

static void put_types(FILE *out, const struct heap_report *report,
		      const struct census_text_options *options)
{
	size_t n = shown(report->n_types, options->top);

	ink(out, options, BOLD);
	fprintf(out, "%12s %14s %10s  %s", "count", "bytes", "average", "type");
	ink(out, options, "0");
	fputc('\n', out);
	for (size_t i = 0; i < n; i++) {
		const struct heap_type *type = report->types[i];

		fprintf(out, "%12" PRIu64 " %14" PRIu64 " %10" PRIu64 "  ", type->count,
			type->bytes, type->count ? type->bytes / type->count : 0);
		escape_terminal(out, type->name);
		fputc('\n', out);
	}
	if (!n)
		fputs("        no matching types\n", out);
	if (!options->quiet && n < report->n_types)
		fprintf(out, "        and %s more type%s (-T 0 shows all)\n",
			fmt_count(report->n_types - n).text, plural(report->n_types - n));
}

/* ---- growth --------------------------------------------------------------------------------- */

/* "+3400", "-12", "+0.4": whole numbers but for small ones */
static void put_rate(FILE *out, int width, double rate)
{
	bool small = fabs(rate) < 9.95 && fabs(rate - round(rate)) > 0.005;

	fprintf(out, "%+*.*f", width, small ? 1 : 0, rate == 0 ? 0 : rate);
}

static void put_row(FILE *out, const struct heap_growth_row *row,
		    const struct census_text_options *options)
{
	char sure[16] = "-";

	if (row->confidence >= 0)
		snprintf(sure, sizeof(sure), "%.0f%%", floor(row->confidence * 100));
	fprintf(out, "%12" PRIu64 " %+12" PRId64 " ", row->count, row->count_delta);
	ink(out, options,
	    row->least_count_per_min > 0 ? RED
	    : row->count_per_min < 0     ? GREEN
					 : "0");
	put_rate(out, 12, row->count_per_min);
	fputc(' ', out);
	put_rate(out, 14, row->bytes_per_min);
	ink(out, options, "0");
	fprintf(out, " %6s %-8s  ", sure,
		row->shape == FIT_UNKNOWN ? "-" : fit_shape_name(row->shape));
	escape_terminal(out, row->name);
	fputc('\n', out);
}

static void put_growth(FILE *out, const struct heap_report *report,
		       const struct census_text_options *options)
{
	size_t n = shown(report->n_rows, options->top);

	ink(out, options, BOLD);
	fprintf(out, "%12s %12s %12s %14s %6s %-8s  %s", "count", "gained", "count/min",
		"bytes/min", "sure", "how", "type");
	ink(out, options, "0");
	fputc('\n', out);
	for (size_t i = 0; i < n; i++)
		put_row(out, report->rows[i], options);
	if (!n)
		fputs("        nothing changed\n", out);
	else if (!options->quiet && report->growth->no_full_collection)
		fputs("        no full collection ran meanwhile: garbage in cycles may be part of "
		      "it\n",
		      out);
	if (!options->quiet && n < report->n_rows)
		fprintf(out, "        and %s more that changed (-T 0 shows all)\n",
			fmt_count(report->n_rows - n).text);
}

/* ---- around them ---------------------------------------------------------------------------- */

static void put_head(FILE *out, const struct heap_report *report,
		     const struct census_text_options *options)
{
	const struct profile *about = report->about;
	const struct heap_scan *scan = report->scan;
	char clock[16] = "?";
	struct tm local;

	if (localtime_r(&about->time.tv_sec, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	ink(out, options, BOLD);
	fprintf(out, "[%s] pid %d (CPython ", clock, about->target.pid);
	escape_terminal(out, about->target.python ? about->target.python : "?");
	fprintf(out, "): %s of %s, %s;", fmt_things(scan->count, "object").text,
		fmt_things(scan->n_types, "type").text, fmt_bytes(scan->bytes).text);
	ink(out, options, "0");
	fprintf(out, " RSS %s, %u thread%s\n", fmt_bytes(about->target.rss_bytes).text,
		about->target.threads, plural(about->target.threads));
	if (report->ended_early)
		fputs("Ended early: the target has ended.\n", out);
	if (report->growth)
		fprintf(out, "Growth over %s, %s; steadiest first:\n",
			fmt_duration(report->growth->span_s).text,
			fmt_things(report->growth->n_scans, "scan").text);
}

static void put_gc(FILE *out, const struct heap_gc *gc)
{
	const char *separator = "gc: ";

	if (gc->have_enabled) {
		fprintf(out, "%s%s", separator, gc->enabled ? "on" : "off");
		separator = ", ";
	}
	if (gc->have_generations) {
		fprintf(out, "%sthresholds %d %d %d, counts %d %d %d", separator, gc->thresholds[0],
			gc->thresholds[1], gc->thresholds[2], gc->counts[0], gc->counts[1],
			gc->counts[2]);
		separator = ", ";
	}
	if (gc->have_garbage) {
		fprintf(out, "%s%s in gc.garbage", separator, fmt_count(gc->garbage).text);
		separator = ", ";
	}
	if (gc->have_frozen && gc->frozen) {
		fprintf(out, "%s%s frozen", separator, fmt_count(gc->frozen).text);
		separator = ", ";
	}
	if (gc->have_collections) {
		fprintf(out, "%s%s so far", separator,
			fmt_things(gc->collections[0] + gc->collections[1] + gc->collections[2],
				   "collection")
				.text);
		separator = ", ";
		if (gc->collected && gc->last_collection_s > 0)
			fprintf(out, ", the last one seen %s ago",
				fmt_duration(gc->last_collection_s).text);
		else if (!gc->collected && gc->watched_s > 0)
			fprintf(out, ", none in the last %s", fmt_duration(gc->watched_s).text);
	}
	if (separator[0] == ',')
		fputc('\n', out);
}

static void put_foot(FILE *out, const struct heap_report *report,
		     const struct census_text_options *options)
{
	const struct heap_scan *scan = report->scan;
	const struct profile *about = report->about;

	put_gc(out, &scan->gc);
	fprintf(out, "Read %s in %s; %s of the objects are tracked by the collector.\n",
		fmt_bytes(scan->read_bytes).text, fmt_duration(scan->duration_s).text,
		fmt_count(scan->tracked).text);
	if (scan->pause_s > 0)
		fprintf(out, "The process was stopped for %s.\n", fmt_duration(scan->pause_s).text);
	for (size_t i = 0; i < about->n_losses; i++) {
		ink(out, options, YELLOW);
		fprintf(out, "%s: ", fmt_count(about->losses[i].count).text);
		escape_terminal(out, about->losses[i].sentence);
		ink(out, options, "0");
		fputc('\n', out);
	}
}

void census_text(FILE *out, const struct heap_report *report,
		 const struct census_text_options *options)
{
	put_head(out, report, options);
	if (report->growth)
		put_growth(out, report, options);
	else if (!report->held)
		put_types(out, report, options);
	if (report->held)
		held_text(&(struct pen){.out = out, .color = options->color}, report->held,
			  options->top, options->quiet);
	if (!options->quiet)
		put_foot(out, report, options);
}
