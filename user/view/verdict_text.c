/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/verdict_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"

#define CAUSE_WIDTH 11 /* of "C memory", and of "called by" */
#define FRAMES      3  /* of a way, innermost first */

/* "+41.0 MiB/min" */
static struct fmt per_minute(double per_s)
{
	struct fmt rate;

	snprintf(rate.text, sizeof(rate.text), "+%.24s/min",
		 fmt_bytes((uint64_t)(fmax(per_s, 0) * 60)).text);
	return rate;
}

static void put_cut(const struct pen *pen, const char *text, size_t room)
{
	char line[1024];

	escape_copy(line, room + 1 < sizeof(line) ? room + 1 : sizeof(line), text);
	fputs(line, pen->out);
}

/* Is it worth a place among the few: Python's, and of C code the innermost that has a name? */
static bool is_shown(const struct frame *frame, bool *have_native)
{
	if (frame->kind == FRAME_PYTHON)
		return true;
	if (frame->kind != FRAME_NATIVE || !frame->function || *have_native)
		return false;
	*have_native = true;
	return true;
}

/* "remember (app/cache.py:41) < handle (app/web.py:88)"; of objects only what Python says */
static void put_way(const struct pen *pen, const struct stack *stack, bool objects, size_t room)
{
	char way[4 * FRAME_TEXT_MAX], frame[FRAME_TEXT_MAX];
	size_t used = 0, n = 0;
	bool have_native = objects;

	way[0] = '\0';
	for (size_t i = stack->n_frames; i-- > 0 && n < FRAMES && used < sizeof(way);)
		if (is_shown(&stack->frames[i], &have_native))
			used += (size_t)snprintf(
				way + used, sizeof(way) - used, "%s%s", n++ ? " < " : "",
				frame_text(&stack->frames[i], frame, sizeof(frame)));
	put_cut(pen, n ? way : "C code of a thread without Python", room);
}

static void put_finding(const struct pen *pen, const struct finding *finding, unsigned number)
{
	struct fmt rate = finding->bytes_per_s < 1 ? (struct fmt){"            "}
						   : per_minute(finding->bytes_per_s);
	int indent = (int)strlen(rate.text) + 7;
	size_t room = (size_t)(VERDICT_WIDTH - indent - CAUSE_WIDTH - 1);

	fprintf(pen->out, "  %u. ", number);
	pen_put(pen, INK_GROWS, rate.text);
	fprintf(pen->out, "  %-*s ", CAUSE_WIDTH, finding_cause_name(finding->cause));
	put_cut(pen, finding->sentence, 3 * room);
	fputc('\n', pen->out);
	if (!finding->stack)
		return;
	fprintf(pen->out, "%*s%-*s ", indent, "", CAUSE_WIDTH, finding->by);
	put_way(pen, finding->stack,
		finding->cause <= CAUSE_CYCLE || finding->cause == CAUSE_THREAD, room);
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

void verdict_text(const struct pen *pen, const struct verdict *verdict)
{
	const struct finding *next = NULL;

	if (verdict->pid)
		fprintf(pen->out, "pid %d: ", verdict->pid);
	pen_put(pen, INK_HEAD, verdict_state_name(verdict->state));
	fputs("  ", pen->out);
	pen_put(pen, INK_PLAIN, verdict->sentence);
	fputc('\n', pen->out);
	for (size_t i = 0; i < verdict->n_findings; i++) {
		put_finding(pen, &verdict->findings[i], (unsigned)i + 1);
		next = next || !verdict->findings[i].next[0] ? next : &verdict->findings[i];
	}
	if (verdict->unexplained_per_s > 0)
		fprintf(pen->out, "     %s  not explained yet; look again in %s\n",
			per_minute(verdict->unexplained_per_s).text,
			fmt_duration(verdict->look_again_s).text);
	if (next) {
		fputs("Next: ", pen->out);
		put_command(pen, next->next);
		fputc('\n', pen->out);
	}
	fputc('\n', pen->out);
}
