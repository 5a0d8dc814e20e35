/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trend_text: a trend -> the text of `pyleaktrace trend`, and the lines that a trace has of it.
 *
 * Place      layer 5; called by cli, and by report for a profile's trend.
 * Shapes     what it shows first; then a table of quantities, where the RSS is, the allocators, the
 *            threads, the collector; at the end what could not be read.
 * Degrades   what is not known is left out; nothing is written as 0 that was not 0.
 * Bounds     no memory; names are escaped.
 * Threads    safe from any on different streams.
 */
#ifndef PYLEAKTRACE_VIEW_TREND_TEXT_H
#define PYLEAKTRACE_VIEW_TREND_TEXT_H

#include <stdio.h>

#include "model/profile.h"
#include "model/trend.h"

struct trend_text_options {
	unsigned top; /* threads shown; 0: all */
	bool color;
	bool quiet; /* only rows that change or are large; no thread without a finding */
};

/* The whole report. */
void trend_text(FILE *out, const struct profile *about, const struct trend *trend,
		const struct trend_text_options *options);

/* One look in one line: "[14:03:07] RSS 104.2 MiB  objects 61.2 MiB  ..." */
void trend_text_look(FILE *out, const struct trend *trend, time_t time);

/* For the head of a trace's report: "Memory: RSS ..." and what the trend shows. */
void trend_text_brief(FILE *out, const struct trend *trend, bool color);

/* The first line of that; and what it shows that no verdict says. */
void trend_text_memory(FILE *out, const struct trend *trend);
void trend_text_unsaid(FILE *out, const struct trend *trend, bool color);

#endif
