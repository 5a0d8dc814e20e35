/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/objects_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"

#define AGE_COLUMNS  20
#define INDENT       12
#define FOOT_INDENT  8
#define HEAD_TYPE    38 /* columns of the type in the first line */
#define GARBAGE_TEXT "cyclic garbage awaiting collection"
#define ENDED_TEXT   "not known: the target has ended"
#define UNNAMED_TEXT "not looked up: what holds it is too large"

/* ---- text that is cut ----------------------------------------------------------------------- */

/* Columns of one character; *text is moved behind it. */
static size_t step(const char **text)
{
	const char *start = *text;
	char one[8] = "";

	escape_next(text);
	memcpy(one, start, (size_t)(*text - start));
	return escape_columns(one);
}

/* In at most so many columns; the middle is left out where there are more. */
static void put_cut(const struct pen *pen, enum ink ink, const char *text, size_t columns)
{
	size_t all = escape_columns(text), front = 0, n;
	const char *end = text, *tail;
	char *start;

	if (all <= columns) {
		pen_put(pen, ink, text);
		return;
	}
	for (tail = text; front + (n = step(&tail)) <= columns / 2; end = tail)
		front += n;
	start = strndup(text, (size_t)(end - text));
	pen_put(pen, ink, start ? start : "");
	free(start);
	fputs("...", pen->out);
	all -= front;
	for (tail = end; all > columns - front - 3;)
		all -= step(&tail);
	pen_put(pen, ink, tail);
}

/* ---- what is in it -------------------------------------------------------------------------- */

static void put_parts(const struct pen *pen, const struct heap_value *value)
{
	size_t room = OBJECTS_TEXT_WIDTH - INDENT;

	for (size_t i = 0; i < value->n_parts; i++) {
		const struct heap_value_part *part = &value->parts[i];
		size_t name = escape_columns(part->name);

		fprintf(pen->out, "%*s", INDENT, "");
		pen_put(pen, INK_PLAIN, part->name);
		fputs(name ? " = " : "", pen->out);
		put_cut(pen, INK_PLAIN, part->text, name + 10 < room ? room - name - 3 : 10);
		fputc('\n', pen->out);
	}
	if (value->more)
		fprintf(pen->out, "%*sand %s more\n", INDENT, "", fmt_count(value->more).text);
}

/* ---- the objects ---------------------------------------------------------------------------- */

static void put_age(const struct pen *pen, const struct heap_object *row)
{
	char text[96];

	if (!row->is_new)
		snprintf(text, sizeof(text), "over %s", fmt_duration(row->least_s).text);
	else if (row->least_s > 0)
		snprintf(text, sizeof(text), "%s to %s", fmt_duration(row->least_s).text,
			 fmt_duration(row->most_s).text);
	else
		snprintf(text, sizeof(text), "up to %s", fmt_duration(row->most_s).text);
	fprintf(pen->out, "%*s", AGE_COLUMNS, text);
}

/* What the value says is not said twice. */
static bool says_type(const struct heap_objects *objects, const struct heap_object *row)
{
	if (row->have_value)
		return objects->several_types && row->value.text[0] != '<';
	return objects->several_types || row->have_items;
}

/* "<app.Session>", where all are one, and what is in it follows. */
static bool is_plain(const struct heap_objects *objects, const struct heap_object *row)
{
	const char *text = row->value.text;
	size_t length = strlen(row->type);

	return !objects->several_types && row->value.n_parts && text[0] == '<' &&
	       !strncmp(text + 1, row->type, length) && !strcmp(text + 1 + length, ">");
}

static void put_object(const struct pen *pen, const struct heap_objects *objects,
		       const struct heap_object *row)
{
	const char *path = row->path               ? row->path
			   : objects->target_ended ? ENDED_TEXT
			   : row->unnamed          ? UNNAMED_TEXT
						   : GARBAGE_TEXT;
	int at = 0;

	if (objects->n_scans > 1) {
		if (row->have_age)
			put_age(pen, row);
		else
			fprintf(pen->out, "%*s", AGE_COLUMNS, "not known");
		at += AGE_COLUMNS;
	}
	if (objects->target_ended)
		at += fprintf(pen->out, "%10s", "-");
	else
		at += fprintf(pen->out, "%10" PRIu64, row->bytes);
	at += fprintf(pen->out, "  0x%-14" PRIx64 "  ", row->address);
	put_cut(pen, INK_HEAD, path, (size_t)(OBJECTS_TEXT_WIDTH - at));
	fputc('\n', pen->out);
	if (says_type(objects, row)) {
		fprintf(pen->out, "%*s", INDENT, "");
		put_cut(pen, INK_PLAIN, row->type, OBJECTS_TEXT_WIDTH - INDENT - 20);
		if (row->have_items)
			fprintf(pen->out, ", %" PRIu64 " item%s", row->items,
				row->items == 1 ? "" : "s");
		fputc('\n', pen->out);
	}
	if (row->changed) {
		fprintf(pen->out, "%*s", INDENT, "");
		pen_put(pen, INK_WARNING, "(changed during the scan)");
		fputc('\n', pen->out);
	}
	if (!row->have_value)
		return;
	if (!is_plain(objects, row)) {
		fprintf(pen->out, "%*s", INDENT, "");
		put_cut(pen, INK_PLAIN, row->value.text, OBJECTS_TEXT_WIDTH - INDENT);
		fputc('\n', pen->out);
	}
	put_parts(pen, &row->value);
}

/* ---- above them ----------------------------------------------------------------------------- */

static void put_made(const struct pen *pen, const struct heap_objects *objects)
{
	fprintf(pen->out, "; %s made in the last %s (%s)",
		objects->made ? fmt_count(objects->made).text : "none",
		fmt_duration(objects->span_s).text, fmt_things(objects->n_scans, "scan").text);
}

static void put_head(const struct pen *pen, const struct heap_held *held)
{
	const struct heap_objects *objects = &held->objects;

	pen_ink(pen, INK_HEAD);
	if (objects->single)
		fputs("One object of ", pen->out);
	else
		fprintf(pen->out, "%s object%s of ", fmt_count(held->type_count).text,
			held->type_count == 1 ? "" : "s");
	put_cut(pen, INK_HEAD, held->type, HEAD_TYPE);
	pen_ink(pen, INK_PLAIN);
	if (!objects->single && objects->n_scans > 1)
		put_made(pen, objects);
	fputc('\n', pen->out);
	if (!objects->single && objects->n_scans > 1 && !objects->made)
		fputs("Shown are the first by address.\n", pen->out);
	if (objects->n_scans > 1)
		fprintf(pen->out, "%*s", AGE_COLUMNS, "age");
	fprintf(pen->out, "%10s  %-16s  %s\n", "bytes", "address", "held as");
}

void objects_text(const struct pen *pen, const struct heap_held *held)
{
	const struct heap_objects *objects = &held->objects;

	put_head(pen, held);
	for (size_t i = 0; i < objects->n_rows; i++)
		put_object(pen, objects, &objects->rows[i]);
	if (!objects->single && objects->n_rows < held->type_count)
		fprintf(pen->out, "%*sand %s more object%s (-T N shows more)\n", FOOT_INDENT, "",
			fmt_count(held->type_count - objects->n_rows).text,
			held->type_count - objects->n_rows == 1 ? "" : "s");
}
