/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/part.h"

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

#define TAB   8
#define DOTS  3
#define RESET "\033[0m"

/* ---- columns -------------------------------------------------------------------------------- */

/* Step over a character, or over one of our own escape sequences. return the column behind it */
static size_t step(const char **at, size_t column, bool *inked)
{
	if (**at == '\033') {
		*inked = strncmp(*at, RESET, strlen(RESET)) != 0;
		*at += strcspn(*at, "m\n");
		*at += **at == 'm';
		return column;
	}
	if (**at == '\t') {
		++*at;
		return (column / TAB + 1) * TAB;
	}
	escape_next(at);
	return column + 1;
}

/* in  text: up to its line break */
static size_t columns(const char *text)
{
	size_t column = 0;
	bool inked = false;

	while (*text && *text != '\n')
		column = step(&text, column, &inked);
	return column;
}

/* ---- one line ------------------------------------------------------------------------------- */

/* To `width` columns at most. */
static void put_cut(FILE *out, const char *line, size_t width)
{
	size_t column = 0, room = width > DOTS ? width - DOTS : 0;
	const char *at = line;
	bool inked = false;

	if (columns(line) <= width) {
		fwrite(line, 1, strcspn(line, "\n"), out);
		return;
	}
	while (*at && *at != '\n') {
		const char *next = at;
		bool still = inked;

		column = step(&next, column, &still);
		if (column > room)
			break;
		inked = still;
		at = next;
	}
	fwrite(line, 1, (size_t)(at - line), out);
	fputs("...", out);
	if (inked)
		fputs(RESET, out);
}

/* Where a line of `width` columns ends: at its last space, or where it is full. */
static const char *end_of(const char *line, size_t width)
{
	const char *at = line, *space = NULL;
	size_t column = 0;
	bool inked = false;

	while (*at && *at != '\n') {
		const char *next = at;

		column = step(&next, column, &inked);
		if (*at == ' ' && at > line)
			space = at;
		if (column > width)
			break;
		at = next;
	}
	return space ? space : at;
}

/* return lines; out NULL: only counted */
static size_t put_line(FILE *out, const char *line, unsigned width, const struct part_fit *fit,
		       size_t most)
{
	unsigned indent = 0;
	size_t n = 1;

	while (fit->wrap && width && n < most && columns(line) > width - indent) {
		const char *end = end_of(line, width - indent);

		if (out)
			fprintf(out, "%*s%.*s\n", (int)indent, "", (int)(end - line), line);
		line = end + strspn(end, " ");
		indent = fit->indent < width / 2 ? fit->indent : width / 2;
		n++;
	}
	if (!out)
		return n;
	fprintf(out, "%*s", (int)indent, "");
	if (width)
		put_cut(out, line, width - indent);
	else
		fwrite(line, 1, strcspn(line, "\n"), out);
	fputc('\n', out);
	return n;
}

/* ---- the part ------------------------------------------------------------------------------- */

void part_open(struct part *part, const struct pen *to)
{
	*part = (struct part){.pen = *to, .to = *to};
	part->pen.out = open_memstream(&part->text, &part->size);
	if (!part->pen.out)
		part->pen.out = to->out;
}

/* return lines; of the last one that may be the rest is not shown */
static size_t put_all(const struct part *part, FILE *out, const struct part_fit *fit)
{
	const char *line = part->text, *next;
	size_t n = 0;

	for (; *line && (!fit->lines || n < fit->lines); line = next) {
		size_t most = fit->lines ? fit->lines - n : (size_t)-1;

		next = line + strcspn(line, "\n");
		next += *next == '\n';
		n += put_line(out, line, part->to.width, fit, most);
	}
	return n;
}

size_t part_lines(struct part *part, const struct part_fit *fit)
{
	if (part->pen.out == part->to.out || fflush(part->pen.out) || !part->text)
		return 0;
	return put_all(part, NULL, fit);
}

size_t part_put(struct part *part, const struct part_fit *fit)
{
	size_t n = 0;

	if (part->pen.out == part->to.out)
		return 0;
	if (!fclose(part->pen.out) && part->text)
		n = put_all(part, part->to.out, fit);
	free(part->text);
	return n;
}

void part_drop(struct part *part)
{
	if (part->pen.out == part->to.out)
		return;
	fclose(part->pen.out);
	free(part->text);
}
