/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/way_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "model/package.h"

#define FRAMES   3  /* of own code */
#define INNER    40 /* columns of the library's function, at most */
#define PARTS    2  /* of a path */
#define LINE_MAX 1024

/* ---- paths ---------------------------------------------------------------------------------- */

/* Where the last `n` parts of a path begin; the path itself when it has no more. */
static const char *last_parts(const char *path, size_t n)
{
	const char *at = path + strlen(path);

	while (at > path)
		if (*--at == '/' && --n == 0)
			return at + 1;
	return path;
}

/* Does another path end like this? */
static bool is_ambiguous(const char *path, const char *end, const struct stack *stack)
{
	size_t length = strlen(end);

	for (size_t i = 0; i < stack->n_frames; i++) {
		const char *other = stack->frames[i].file;
		size_t n = other ? strlen(other) : 0;

		if (stack->frames[i].kind == FRAME_PYTHON && n >= length && strcmp(other, path) &&
		    !strcmp(other + n - length, end) &&
		    (n == length || other[n - length - 1] == '/'))
			return true;
	}
	return false;
}

const char *way_path(const char *path, const struct stack *const *others, size_t n_others)
{
	for (size_t n = PARTS;; n++) {
		const char *end = last_parts(path, n);
		bool ambiguous = false;

		for (size_t i = 0; i < n_others && !ambiguous && end > path; i++)
			ambiguous = is_ambiguous(path, end, others[i]);
		if (!ambiguous)
			return end;
	}
}

/* ---- frames --------------------------------------------------------------------------------- */

/* Text that is put together; what does not fit is left out as a whole. */
struct line {
	char text[LINE_MAX];
	size_t used, room; /* columns, of what is escaped later */
};

static size_t columns_left(const struct line *line)
{
	size_t columns = escape_columns(line->text);

	return columns < line->room ? line->room - columns : 0;
}

static void append(struct line *line, const char *text)
{
	size_t n = strlen(text);

	if (n >= sizeof(line->text) - line->used)
		n = sizeof(line->text) - line->used - 1;
	memcpy(line->text + line->used, text, n);
	line->used += n;
	line->text[line->used] = '\0';
}

static void say_python(char *text, size_t size, const struct way *way, const struct frame *frame)
{
	const char *file = frame->file ? frame->file : "?";

	snprintf(text, size, "%.400s (%.400s:%" PRIu32 ")", frame->function ? frame->function : "?",
		 way_path(file, way->others, way->n_others), frame->line);
}

/* In so many columns the line is what must be there: less of the path, then less of the function.
 */
static void say_python_in(char *text, size_t size, const struct way *way, const struct frame *frame,
			  size_t room)
{
	const char *function = frame->function ? frame->function : "?";
	const char *file = frame->file ? last_parts(frame->file, 1) : "?", *last;

	say_python(text, size, way, frame);
	if (escape_columns(text) <= room)
		return;
	snprintf(text, size, "%.400s (%.400s:%" PRIu32 ")", function, file, frame->line);
	last = strrchr(function, '.');
	if (escape_columns(text) > room && last)
		snprintf(text, size, "...%.400s (%.400s:%" PRIu32 ")", last + 1, file, frame->line);
}

/* "json.loads", "_fastbody.fast_parse": what own code called, or who worked for it. "": nothing */
static void say_inner(char *text, size_t size, const struct way *way, const struct frame *frame)
{
	struct package package = package_of(frame, way->interpreter);
	size_t length = package.name ? strcspn(package.name, ".") : 0;

	*text = '\0';
	if (!frame->function || package.kind == PACKAGE_INTERPRETER ||
	    (frame->kind != FRAME_PYTHON && (frame->kind != FRAME_NATIVE || way->python)) ||
	    (way->said && !strcmp(frame->function, way->said)))
		return;
	length = length < package.length ? length : package.length;
	snprintf(text, size, "%.*s%s%.200s", (int)(length < 60 ? length : 60),
		 package.name ? package.name : "", length ? "." : "", frame->function);
}

/* The function nearest to own code that is worth it: libc's innermost one where there is no other,
 * and none is named. */
static void put_inner(struct line *line, const struct way *way, size_t inner)
{
	char text[300], best[300] = "";
	bool runtime = false;

	for (size_t i = inner + 1; i < way->stack->n_frames && (!*best || runtime); i++) {
		const struct frame *frame = &way->stack->frames[i];
		bool is_runtime = package_of(frame, way->interpreter).kind == PACKAGE_RUNTIME;

		say_inner(text, sizeof(text), way, frame);
		if (!*text || (is_runtime && (way->said || (*best && !runtime))))
			continue;
		runtime = is_runtime;
		snprintf(best, sizeof(best), "%s", text);
	}
	if (*best && escape_columns(best) <= INNER &&
	    escape_columns(best) + 3 <= columns_left(line)) {
		char rest[LINE_MAX];

		snprintf(rest, sizeof(rest), "%s < %.*s", best, (int)sizeof(rest) - 320,
			 line->text);
		line->used = 0;
		append(line, rest);
	}
}

static bool is_in(const struct stack *stack, const size_t *shown, size_t n,
		  const struct frame *frame)
{
	for (size_t i = 0; i < n; i++)
		if (!frame_compare(&stack->frames[shown[i]], frame))
			return true;
	return false;
}

/* own: only of own code. return the outermost frame that is in it; n_frames: there is none */
static size_t put_python(struct line *line, const struct way *way, bool own, size_t *inner)
{
	const struct stack *stack = way->stack;
	size_t n = 0, outer = stack->n_frames, shown[FRAMES];
	bool skipped = false;
	char text[1000], piece[1024];

	for (size_t i = stack->n_frames; i-- > 0 && n < FRAMES;) {
		const struct frame *frame = &stack->frames[i];

		if (frame->kind != FRAME_PYTHON)
			continue;
		/* a recursion is shown once */
		if ((own && !package_is_own(frame)) || is_in(stack, shown, n, frame)) {
			skipped = n > 0;
			continue;
		}
		if (n)
			say_python(text, sizeof(text), way, frame);
		else
			say_python_in(text, sizeof(text), way, frame, line->room);
		snprintf(piece, sizeof(piece), "%s%s",
			 !n        ? ""
			 : skipped ? " < ... < "
				   : " < ",
			 text);
		if (n && escape_columns(piece) > columns_left(line))
			break;
		append(line, piece);
		*inner = n ? *inner : i;
		shown[n++] = i;
		outer = i;
		skipped = false;
	}
	return outer;
}

/* " < 9 more" */
static void put_more(struct line *line, const struct stack *stack, size_t outer)
{
	char text[40];
	size_t n = 0;

	for (size_t i = 0; i < outer; i++)
		n += stack->frames[i].kind == FRAME_PYTHON;
	snprintf(text, sizeof(text), " < %zu more", n);
	if (n && strlen(text) <= columns_left(line))
		append(line, text);
}

static void put_native(struct line *line, const struct stack *stack)
{
	char text[FRAME_TEXT_MAX];

	for (size_t i = stack->n_frames; i-- > 0;)
		if (stack->frames[i].kind == FRAME_NATIVE && stack->frames[i].function) {
			append(line, frame_text(&stack->frames[i], text, sizeof(text)));
			return;
		}
	append(line, "C code of a thread without Python");
}

void way_text(const struct pen *pen, const struct way *way, size_t room)
{
	struct line line = {.room = room};
	char text[LINE_MAX];
	size_t inner = 0, n = way->stack->n_frames, outer = put_python(&line, way, true, &inner);

	if (outer == n)
		outer = put_python(&line, way, false, &inner);
	if (outer == n) {
		put_native(&line, way->stack);
	} else {
		put_inner(&line, way, inner);
		put_more(&line, way->stack, outer);
	}
	escape_copy(text, room + 1 < sizeof(text) ? (room > 15 ? room + 1 : 16) : sizeof(text),
		    line.text);
	fputs(text, pen->out);
}
