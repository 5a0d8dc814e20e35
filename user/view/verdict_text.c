/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/verdict_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "view/part.h"
#include "view/way_text.h"

#define CAUSE_WIDTH     11 /* of "C memory", and of "called by" */
#define SENTENCE_LINES  2
#define ALONE_LINES     6 /* of an answer that has no findings below it */
#define SENTENCE_INDENT 6
#define STACKS          16 /* whose paths are told from each other */

/* "+41.0 MiB/min" */
static struct fmt per_minute(double per_s)
{
	struct fmt rate;

	snprintf(rate.text, sizeof(rate.text), "+%.24s/min",
		 fmt_bytes((uint64_t)(fmax(per_s, 0) * 60)).text);
	return rate;
}

/* What all findings have in common. */
struct manner {
	const struct verdict *verdict;
	const char *interpreter;
	const struct stack *stacks[STACKS];
	size_t n_stacks;
	unsigned rate_width;
	bool all;
};

static void put_rate(const struct pen *pen, const struct manner *manner, double per_s)
{
	struct fmt rate = per_s < 1 ? (struct fmt){""} : per_minute(per_s);

	fprintf(pen->out, "%*s", (int)(manner->rate_width - strlen(rate.text)), "");
	pen_put(pen, INK_GROWS, rate.text);
}

/* Columns of the widest rate: they stand below each other. */
static unsigned rate_width(const struct verdict *verdict)
{
	size_t width = strlen(per_minute(verdict->unexplained_per_s).text);

	for (size_t i = 0; i < verdict->n_findings; i++) {
		size_t n = strlen(per_minute(verdict->findings[i].bytes_per_s).text);

		width = n > width ? n : width;
	}
	return (unsigned)width;
}

static unsigned width_of(const struct pen *pen)
{
	return pen->width && pen->width < VERDICT_WIDTH ? pen->width : VERDICT_WIDTH;
}

static void put_finding(const struct pen *pen, const struct manner *manner,
			const struct finding *finding, unsigned number)
{
	unsigned indent = manner->rate_width + 7, column = indent + CAUSE_WIDTH + 1;
	const struct way way = {
		.stack = finding->stack,
		.interpreter = manner->interpreter,
		.said = finding->c_function,
		.python = finding->cause <= CAUSE_CYCLE || finding->cause >= CAUSE_THREAD,
		.others = manner->stacks,
		.n_others = manner->n_stacks,
	};
	struct part line;

	part_open(&line, pen);
	line.to.width = manner->all ? 0 : width_of(pen);
	fprintf(line.pen.out, "  %u. ", number);
	put_rate(&line.pen, manner, finding->bytes_per_s);
	fprintf(line.pen.out, "  %-*s ", CAUSE_WIDTH, finding_cause_name(finding->cause));
	escape_terminal(line.pen.out, finding->sentence);
	part_put(&line, &(struct part_fit){SENTENCE_LINES, !manner->all, column});
	if (!finding->stack)
		return;
	fprintf(pen->out, "%*s%-*s ", (int)indent, "", CAUSE_WIDTH, finding->by);
	way_text(pen, &way, width_of(pen) > column ? width_of(pen) - column : 0);
	fputc('\n', pen->out);
}

/* A word that a shell takes as it is. */
static bool is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./:@%+=,-";

	return *word && !word[strspn(word, plain)];
}

/* To be copied into a shell: what is no plain word stands in quotes. */
static void put_command(const struct pen *pen, const char *const words[FINDING_WORDS])
{
	for (size_t i = 0; i < FINDING_WORDS && words[i]; i++) {
		const char *word = words[i];

		fputs(i ? " " : "", pen->out);
		if (is_plain(word)) {
			pen_put(pen, INK_PLAIN, word);
			continue;
		}
		fputc('\'', pen->out);
		for (const char *quote; (quote = strchr(word, '\'')); word = quote + 1) {
			char part[PROFILE_STRING_MAX];

			snprintf(part, sizeof(part), "%.*s", (int)(quote - word), word);
			pen_put(pen, INK_PLAIN, part);
			fputs("'\\''", pen->out);
		}
		pen_put(pen, INK_PLAIN, word);
		fputc('\'', pen->out);
	}
}

/* As it is to be copied: not at all where it is wider than the screen. */
static void put_next(const struct pen *pen, const struct manner *manner)
{
	for (size_t i = 0; i < manner->verdict->n_findings; i++) {
		const struct finding *finding = &manner->verdict->findings[i];
		struct part line;

		if (!finding->next[0])
			continue;
		part_open(&line, pen);
		line.to.width = width_of(pen);
		fputs("Next: ", line.pen.out);
		put_command(&line.pen, finding->next);
		fputc('\n', line.pen.out);
		if (manner->all)
			line.to.width = 0;
		else if (part_lines(&line, &(struct part_fit){.wrap = true}) > 1) {
			part_drop(&line);
			continue;
		}
		part_put(&line, &(struct part_fit){.lines = 1});
		return;
	}
}

/* How it begins: the state, and the sentence. return lines */
static size_t put_state(const struct pen *pen, const struct manner *manner)
{
	const struct verdict *verdict = manner->verdict;
	struct part line;

	part_open(&line, pen);
	line.to.width = manner->all ? 0 : width_of(pen);
	if (verdict->pid)
		fprintf(line.pen.out, "pid %d: ", verdict->pid);
	pen_put(&line.pen, INK_HEAD, verdict_state_name(verdict->state));
	fputs("  ", line.pen.out);
	pen_put(&line.pen, INK_PLAIN, verdict->sentence);
	fputc('\n', line.pen.out);
	return part_put(&line,
			&(struct part_fit){verdict->n_findings ? SENTENCE_LINES : ALONE_LINES, true,
					   SENTENCE_INDENT});
}

/* room: lines, with one for what is not shown */
static void put_findings(const struct pen *pen, const struct manner *manner, size_t room)
{
	size_t n = manner->verdict->n_findings;

	for (size_t i = 0; i < n; i++) {
		struct part part;
		size_t lines;

		part_open(&part, pen);
		put_finding(&part.pen, manner, &manner->verdict->findings[i], (unsigned)i + 1);
		lines = part_lines(&part, &(struct part_fit){0});
		if (!manner->all && lines + (i + 1 < n) > room) {
			part_drop(&part);
			fprintf(pen->out, "     ... %zu more cause%s (-v)\n", n - i,
				n - i == 1 ? "" : "s");
			return;
		}
		part.to.width = 0;
		part_put(&part, &(struct part_fit){0});
		room -= manner->all ? 0 : lines;
	}
}

void verdict_text(const struct pen *pen, const struct verdict *verdict, const char *interpreter,
		  size_t lines)
{
	struct manner manner = {.verdict = verdict, .interpreter = interpreter, .all = !lines};
	bool rest = verdict->unexplained_per_s > 0;
	size_t used;

	for (size_t i = 0; i < verdict->n_findings && manner.n_stacks < STACKS; i++)
		if (verdict->findings[i].stack)
			manner.stacks[manner.n_stacks++] = verdict->findings[i].stack;
	/* its line, and that of the next command */
	manner.rate_width = rate_width(verdict);
	used = put_state(pen, &manner) + rest + 1;
	put_findings(pen, &manner, lines > used ? lines - used : 0);
	if (rest) {
		fputs("     ", pen->out);
		put_rate(pen, &manner, verdict->unexplained_per_s);
		fprintf(pen->out, "  not explained yet; look again in %s\n",
			fmt_duration(verdict->look_again_s).text);
	}
	put_next(pen, &manner);
}
