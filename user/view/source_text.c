/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/source_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "view/part.h"

#define TEXT_MAX 400 /* bytes of a line of source */
#define TAB      8

/* Of a line of source: with spaces for tabs, which would count from another column. */
static void put_source(FILE *out, const char *text)
{
	char line[TEXT_MAX];
	size_t n = 0;

	for (; *text && *text != '\r' && n < sizeof(line) - TAB; text++) {
		if (*text != '\t') {
			line[n++] = *text;
			continue;
		}
		do
			line[n++] = ' ';
		while (n % TAB);
	}
	line[n] = '\0';
	escape_terminal(out, line);
}

static void put_figures(const struct pen *pen, const struct source_line *line)
{
	char growth[40] = "";
	char bytes[40];

	snprintf(bytes, sizeof(bytes), "%s%.30s", line->estimated ? "~" : "",
		 fmt_bytes(line->outstanding_bytes).text);
	if (line->growth_per_s >= 1 || line->growth_per_s <= -1)
		snprintf(growth, sizeof(growth), "%.38s", fmt_rate(line->growth_per_s).text);
	fprintf(pen->out, "%12s %10s ", bytes, fmt_count(line->outstanding_count).text);
	fprintf(pen->out, "%*s", (int)(13 > strlen(growth) ? 13 - strlen(growth) : 0), "");
	pen_put(pen, INK_GROWS, growth);
}

static void put_line(const struct pen *pen, const struct source_file *file, uint32_t number,
		     const struct source_line *figures)
{
	struct part part;

	part_open(&part, pen);
	if (figures)
		put_figures(&part.pen, figures);
	else
		fprintf(part.pen.out, "%37s", "");
	fprintf(part.pen.out, " %5" PRIu32 "  ", number);
	if (number <= file->n_text)
		put_source(part.pen.out, file->text[number - 1]);
	fputc('\n', part.pen.out);
	part_put(&part, &(struct part_fit){1, false, 0});
}

/* Is the line near one with a figure? The next such is lines[at]. */
static bool is_near(const struct source_file *file, size_t at, uint32_t number)
{
	return (at < file->n_lines && file->lines[at].number <= number + SOURCE_TEXT_AROUND) ||
	       (at > 0 && file->lines[at - 1].number + SOURCE_TEXT_AROUND >= number);
}

static void put_text(const struct pen *pen, const struct source_file *file)
{
	size_t at = 0;
	bool skipped = false, any = false;

	for (uint32_t number = 1; number <= file->n_text; number++) {
		bool has = at < file->n_lines && file->lines[at].number == number;

		if (!has && !is_near(file, at, number)) {
			skipped = true;
			continue;
		}
		if (skipped && any)
			fprintf(pen->out, "%44s\n", "...");
		put_line(pen, file, number, has ? &file->lines[at] : NULL);
		at += has;
		skipped = false;
		any = true;
	}
	/* the file is another one by now */
	for (; at < file->n_lines; at++)
		put_line(pen, file, file->lines[at].number, &file->lines[at]);
}

void source_text(const struct pen *pen, const struct profile *profile)
{
	const struct profile_sources *sources = profile->sources;

	for (size_t i = 0; sources && i < sources->n_files; i++) {
		const struct source_file *file = &sources->files[i];

		fputc('\n', pen->out);
		pen_put(pen, INK_HEAD, file->path);
		fputs(file->text ? ":\n" : " (cannot be read):\n", pen->out);
		fprintf(pen->out, "%12s %10s %13s %6s\n", "outstanding", "blocks", "growth",
			"line");
		put_text(pen, file);
	}
	if (sources && !sources->n_files)
		fputs("\nNo line of the program's own has anything outstanding that was traced.\n",
		      pen->out);
}
