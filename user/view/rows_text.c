/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/rows_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "model/group.h"
#include "view/frames_text.h"

#define TAB          8
#define DOTS         "..."
#define LEAST_TITLE  16
#define TYPES_SHOWN  3
#define TYPES_BRIEF  2
#define WORTH_A_RATE 0.5 /* bytes per second that are written as 1 B/s */
#define WORTH_AN_AGE 1.0 /* seconds */
/* since something was added: windows that show what stays are some seconds apart */
#define WORTH_A_REST 10.0

/* ---- what is behind the figures ------------------------------------------------------------- */

/* "dict 81% str 19%": the largest shares of the sampled blocks' bytes */
static void put_types(const struct pen *pen, const struct stack *stack, size_t most)
{
	double all = 0;

	for (size_t i = 0; i < stack->n_types; i++)
		all += (double)stack->types[i].bytes;
	if (!stack->types_sampled || !(all > 0))
		return;
	fputs("  ", pen->out);
	for (size_t i = 0; i < stack->n_types && i < most; i++) {
		double share = 100 * (double)stack->types[i].bytes / all;

		if (i && share < 0.5)
			break;
		if (i)
			fputc(' ', pen->out);
		pen_put(pen, INK_PLAIN, stack->types[i].name ? stack->types[i].name : "?");
		fprintf(pen->out, " %.0f%%", share);
	}
}

/* How good an estimate is: by its bytes, which are what stacks are ordered by. */
static void put_error(const struct pen *pen, const struct stack *figures, bool brief)
{
	double bytes = (double)figures->outstanding_bytes;

	fputs("  estimated", pen->out);
	if (figures->bytes_error > 0 && figures->bytes_error < bytes)
		fprintf(pen->out, " \u00b1%s", fmt_percent(figures->bytes_error / bytes).text);
	if (figures->seen && !brief)
		fprintf(pen->out, " from %s block%s", fmt_count(figures->seen).text,
			figures->seen == 1 ? "" : "s");
}

static void put_domains(const struct pen *pen, unsigned domains)
{
	for (unsigned i = 0, n = 0; i < DOMAIN_COUNT; i++)
		if ((domains & 1u << i) && domains != 1u << DOMAIN_OBJECT)
			fprintf(pen->out, "%s%s", n++ ? ", " : "  ", domain_name((enum domain)i));
}

static void put_ages(const struct pen *pen, const struct stack *figures)
{
	if (figures->oldest_s >= WORTH_AN_AGE)
		fprintf(pen->out, "  oldest %s", fmt_duration(figures->oldest_s).text);
	if (figures->newest_s >= WORTH_A_REST)
		fprintf(pen->out, ", newest %s", fmt_duration(figures->newest_s).text);
}

/* What may stand behind the figures, the most important first. */
enum fact { FACT_ERROR, FACT_GROWTH, FACT_DOMAINS, FACT_TYPES, FACT_AGES, FACT_COUNT };

static void put_fact(const struct pen *pen, const struct stack *figures, unsigned domains,
		     enum fact fact, bool brief)
{
	double growth = figures->growth_bytes_per_s;

	switch (fact) {
	case FACT_ERROR:
		if (figures->estimated)
			put_error(pen, figures, brief);
		break;
	case FACT_GROWTH:
		if (growth >= WORTH_A_RATE || growth <= -WORTH_A_RATE) {
			fputs("  ", pen->out);
			pen_put(pen, growth > 0 ? INK_GROWS : INK_SHRINKS, fmt_rate(growth).text);
		}
		break;
	case FACT_DOMAINS:
		put_domains(pen, domains);
		break;
	case FACT_TYPES:
		put_types(pen, figures, brief ? TYPES_BRIEF : TYPES_SHOWN);
		break;
	default:
		put_ages(pen, figures);
	}
}

/* Columns of a fact; 0: there is none. */
static size_t width_of(const struct stack *figures, unsigned domains, enum fact fact)
{
	char *text = NULL;
	size_t size, width = 0;
	const struct pen pen = {.out = open_memstream(&text, &size)};

	if (!pen.out)
		return 0;
	put_fact(&pen, figures, domains, fact, true);
	if (!fclose(pen.out) && text)
		width = escape_columns(text);
	free(text);
	return width;
}

/*
 * What is behind the figures on the line of a stack or a group, whose allocators are given as bits:
 * all of it, or what fits behind `used` columns.
 */
static void put_facts(const struct pen *pen, const struct stack *figures, unsigned domains,
		      size_t used, bool brief)
{
	static const enum fact shown[] = {FACT_GROWTH, FACT_TYPES, FACT_DOMAINS, FACT_AGES,
					  FACT_ERROR};
	bool fits[FACT_COUNT];

	for (int fact = 0; fact < FACT_COUNT; fact++) {
		size_t width = brief && pen->width ? width_of(figures, domains, fact) : 0;

		fits[fact] = used + width <= pen->width || !brief || !pen->width;
		used += fits[fact] ? width : 0;
	}
	for (size_t i = 0; i < FACT_COUNT; i++)
		if (fits[shown[i]])
			put_fact(pen, figures, domains, shown[i], brief);
	fputc('\n', pen->out);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void put_frames(const struct pen *pen, const struct profile *profile,
		       const struct stack *stack, const struct rows_manner *manner)
{
	const char *interpreter = profile_target_of(profile, stack)->python_module;

	if (manner->brief)
		frames_text_short(pen, stack, interpreter, manner->n_frames);
	else
		frames_text(pen, stack, interpreter, manner->all_frames);
}

/* return columns, the tab before it included */
static size_t put_figures(const struct pen *pen, const struct stack *figures, const char *from)
{
	char text[96];

	snprintf(text, sizeof(text), "%" PRIu64 " bytes in %" PRIu64 " allocations%s",
		 figures->outstanding_bytes, figures->outstanding_count, from);
	pen_put(pen, INK_SIZE, text);
	return TAB + strlen(text);
}

static void put_stack(const struct pen *pen, const struct profile *profile,
		      const struct stack *stack, const struct rows_manner *manner)
{
	size_t used;

	fputc('\t', pen->out);
	used = put_figures(pen, stack, " from stack");
	put_facts(pen, stack, domain_bit(stack->domain), used, manner->brief);
	put_frames(pen, profile, stack, manner);
}

/* Behind so many columns: escapes count as they are written, at a place in one before it. */
static const char *skip(const char *text, size_t n)
{
	while (*text && n) {
		const char *next = text;
		size_t columns;
		char piece[16];

		escape_next(&next);
		snprintf(piece, sizeof(piece), "%.*s", (int)(next - text), text);
		columns = escape_columns(piece);
		n = columns < n ? n - columns : 0;
		text = next;
	}
	return text;
}

/* A title of `room` columns at most, cut in its middle; 0: as it is. */
static const char *fitting(char *text, size_t size, const char *title, size_t room)
{
	size_t columns = escape_columns(title), head = 0;

	snprintf(text, size, "%s", title);
	if (!room || columns <= room || room < LEAST_TITLE)
		return text;
	head = (room - strlen(DOTS)) / 2;
	snprintf(text, size, "%.*s" DOTS "%s", (int)(skip(title, head) - title), title,
		 skip(title, columns - (room - strlen(DOTS) - head)));
	return text;
}

/* A group, and one of its stacks: the first in the order. */
static void put_group(const struct pen *pen, const struct profile *profile,
		      const struct group *group, const struct rows_manner *manner)
{
	const struct stack *largest = &profile->stacks[group->largest];
	const char *by = group_by_name(profile->grouping->by);
	char size[96], title[PROFILE_STRING_MAX];
	size_t used, n;

	fputc('\t', pen->out);
	used = put_figures(pen, &group->sum, " from ");
	n = (size_t)snprintf(size, sizeof(size), " (%s stack%s, %s)",
			     fmt_count(group->n_stacks).text, group->n_stacks == 1 ? "" : "s",
			     fmt_percent(group->share).text);
	fprintf(pen->out, "%s ", by);
	used += strlen(by) + 1;
	pen_put(pen, INK_HEAD,
		fitting(title, sizeof(title), group->title,
			manner->brief && pen->width > used + n ? pen->width - used - n : 0));
	fputs(size, pen->out);
	used += escape_columns(title) + n;
	put_facts(pen, &group->sum, group->domains, used, manner->brief);
	if (group->n_stacks > 1) {
		fputs("\t\t", pen->out);
		put_figures(pen, largest, " of it:");
		fputc('\n', pen->out);
	}
	put_frames(pen, profile, largest, manner);
}

/* How many stacks, or groups of them, have something outstanding: they are first. */
size_t rows_outstanding(const struct profile *profile)
{
	const struct grouping *grouping = profile->grouping;
	size_t n = 0;

	if (grouping)
		while (n < grouping->n_groups && stack_is_outstanding(&grouping->groups[n].sum))
			n++;
	else
		while (n < profile->n_stacks && stack_is_outstanding(&profile->stacks[n]))
			n++;
	return n;
}

/* The figures of a row, by which it is ordered: a stack's or a group's. */
const struct stack *rows_at(const struct profile *profile, size_t i)
{
	return profile->grouping ? &profile->grouping->groups[i].sum : &profile->stacks[i];
}

void rows_head(const struct pen *pen, const struct profile *profile, size_t top)
{
	const struct grouping *grouping = profile->grouping;
	char clock[16] = "??:??:??";
	struct tm local;

	if (localtime_r(&profile->time.tv_sec, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	pen_ink(pen, INK_HEAD);
	fprintf(pen->out, "[%s] Top %zu %ss with outstanding allocations:", clock, top,
		group_by_name(grouping ? grouping->by : GROUP_STACK));
	pen_ink(pen, INK_PLAIN);
	fputc('\n', pen->out);
}

void rows_put(const struct pen *pen, const struct profile *profile, size_t i,
	      const struct rows_manner *manner)
{
	if (profile->grouping)
		put_group(pen, profile, &profile->grouping->groups[i], manner);
	else
		put_stack(pen, profile, &profile->stacks[i], manner);
}
