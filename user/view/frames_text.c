/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/frames_text.h"

#include <string.h>

#include "base/escape.h"
#include "model/package.h"

#define FRAME_INDENT 16 /* columns of two tabs */

/* ---- one frame ------------------------------------------------------------------------------ */

static const char *skip(const char *text, size_t characters)
{
	while (*text && characters--)
		escape_next(&text);
	return text;
}

/*
 * One frame. Where it is wider than the terminal its middle goes: the name is at its beginning,
 * file and line are at its end. Escapes may make it a little wider than asked for; such names are
 * rare and still cannot do harm.
 */
static void put_frame(const struct pen *pen, const struct frame *frame)
{
	char text[FRAME_TEXT_MAX];
	size_t room = pen->width > FRAME_INDENT ? pen->width - FRAME_INDENT : 0, all = 0;
	enum ink how = frame->kind == FRAME_GAP      ? INK_GAP
		       : frame->kind == FRAME_NATIVE ? INK_NATIVE
						     : INK_PLAIN;

	frame_text(frame, text, sizeof(text));
	for (const char *at = text; *at; all++)
		escape_next(&at);
	fputs("\t\t", pen->out);
	if (pen->width && all > room) {
		size_t head = (room - 3) / 3, tail = room - 3 - head;
		const char *rest = skip(text, all - tail);

		text[skip(text, head) - text] = '\0';
		pen_put(pen, how, text);
		fputs("...", pen->out);
		pen_put(pen, how, rest);
	} else {
		pen_put(pen, how, text);
	}
	fputc('\n', pen->out);
}

/* ---- frames that say nothing ---------------------------------------------------------------- */

/* Ends with a `*`: a beginning. The compiler's ".part.0" and the like behind a name do not
 * count. */
static bool is_named(const char *function, const char *const *patterns)
{
	for (; *patterns; patterns++) {
		size_t n = strcspn(*patterns, "*");

		if (strncmp(function, *patterns, n))
			continue;
		if ((*patterns)[n] || !function[n] || function[n] == '.' || function[n] == '@')
			return true;
	}
	return false;
}

static bool passes_calls_on(const char *function)
{
	static const char *const patterns[] = {
		/* calls of anything */
		"_PyObject_Call*", "PyObject_Call*", "_PyObject_FastCall*", "_PyObject_Vectorcall*",
		"PyObject_Vectorcall*", "_PyObject_MakeTpCall", "_PyVectorcall*", "PyVectorcall*",
		"object_vacall", "vectorcall_*", "call_attribute", "call_method", "callmethod",
		"call_unbound*", "call_function", "do_call*", "fast_function",
		/* of what is written in Python, methods, C functions, classes, special methods */
		"PyEval_*", "_PyEval_EvalFrame*", "_PyEval_EvalCode*", "_PyEval_Vector*",
		"_PyFunction_Vectorcall", "_PyFunction_FastCall*", "function_call",
		"function_code_fastcall", "method_call", "method_vectorcall*",
		"instancemethod_call", "classmethoddescr_call", "cfunction_*", "_PyCFunction_*",
		"PyCFunction_Call", "_PyMethodDef_*", "_PyMethodDescr_*", "wrapperdescr_*",
		"wrapper_call", "type_call", "slot_am_*", "slot_mp_*", "slot_nb_*", "slot_sq_*",
		"slot_tp_*", "_Py_slot_*", "gen_send_ex*", "gen_iternext",
		/* the same in files without symbols */
		"builtin_function_or_method.tp_call", "classmethod_descriptor.tp_call",
		"generator.tp_iternext", "instancemethod.tp_call", "method-wrapper.tp_call",
		"method.tp_call", "method_descriptor.tp_call", "type.tp_call",
		"wrapper_descriptor.tp_call", NULL};

	return is_named(function, patterns);
}

static bool starts_threads(const char *function)
{
	static const char *const patterns[] = {
		"_start",           "main",     "_Py_UnixMain", "Py_Main",     "Py_BytesMain",
		"Py_RunMain",       "pymain_*", "run_file",     "run_mod",     "run_eval_code_obj",
		"pyrun_*",          "_PyRun_*", "PyRun_*",      "t_bootstrap", "thread_run",
		"pythread_wrapper", NULL};

	return is_named(function, patterns);
}

/* libc's functions below main() and below that of a thread */
static bool is_libc_start(const char *function)
{
	static const char *const patterns[] = {"__libc_start*", "start_thread", "clone", "clone3",
					       "__clone",       "__clone3",     NULL};

	return is_named(function, patterns);
}

static bool says_nothing(const struct frame *frame, const char *interpreter)
{
	const char *function = frame->function;
	enum package_kind kind;

	if (frame->kind != FRAME_NATIVE)
		return false;
	kind = package_of(frame, interpreter).kind;
	if (kind == PACKAGE_INTERPRETER)
		return !function || passes_calls_on(function) || starts_threads(function);
	return kind == PACKAGE_RUNTIME && function && is_libc_start(function);
}

/* ---- all of them ---------------------------------------------------------------------------- */

/* The number of frames in a row, from `last` towards the root, that say nothing. The leaf is none.
 */
static size_t run_length(const struct stack *stack, size_t last, const char *interpreter)
{
	size_t n = 0;

	if (last + 1 == stack->n_frames)
		return 0;
	while (n <= last && says_nothing(&stack->frames[last - n], interpreter))
		n++;
	return n;
}

static void put_note(const struct pen *pen, const char *text)
{
	fputs("\t\t", pen->out);
	pen_put(pen, INK_NATIVE, text);
	fputc('\n', pen->out);
}

/* "... 4 C frames of the interpreter" */
static void put_c_run(const struct pen *pen, size_t n, bool start)
{
	char text[80];

	snprintf(text, sizeof(text), "... %zu C frames %s", n,
		 start ? "that start the thread" : "of the interpreter");
	put_note(pen, text);
}

void frames_text(const struct pen *pen, const struct stack *stack, const char *interpreter,
		 bool all)
{
	for (size_t i = stack->n_frames; i-- > 0;) {
		size_t run = all ? 0 : run_length(stack, i, interpreter);

		if (run < 2) {
			put_frame(pen, &stack->frames[i]);
			continue;
		}
		put_c_run(pen, run, run == i + 1);
		i -= run - 1;
	}
}

/* ---- a few of them -------------------------------------------------------------------------- */

#define NAMED      2  /* packages of a run */
#define PERIOD_MAX 16 /* frames of one turn of a recursion */

/* Between frames of own code: what is not, and what is no gap. */
static bool is_others(const struct frame *frame, const char *interpreter)
{
	enum package_kind kind = package_of(frame, interpreter).kind;

	if (frame->kind == FRAME_PYTHON)
		return !package_is_own(frame);
	return frame->kind == FRAME_NATIVE &&
	       (kind == PACKAGE_INTERPRETER || kind == PACKAGE_RUNTIME || kind <= PACKAGE_STDLIB);
}

static bool is_named_already(const struct package *named, size_t n, struct package package)
{
	for (size_t i = 0; i < n; i++)
		if (named[i].length == package.length &&
		    !memcmp(named[i].name, package.name, package.length))
			return true;
	return false;
}

/* "... 7 frames of http, socketserver" */
static void put_run(const struct pen *pen, const struct stack *stack, size_t last, size_t n,
		    const char *interpreter)
{
	struct package named[NAMED];
	char text[160];
	size_t n_named = 0, used;
	bool more = false;

	for (size_t i = 0; i < n; i++) {
		struct package package = package_of(&stack->frames[last - i], interpreter);

		if (package.kind > PACKAGE_STDLIB || is_named_already(named, n_named, package))
			continue;
		if (n_named < NAMED)
			named[n_named++] = package;
		else
			more = true;
	}
	used = (size_t)snprintf(text, sizeof(text), "... %zu %s", n,
				n_named ? "frames of" : "C frames");
	for (size_t i = 0; i < n_named; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %.*s", i ? "," : "",
					 (int)(named[i].length < 32 ? named[i].length : 32),
					 named[i].name);
	snprintf(text + used, sizeof(text) - used, "%s", more ? " and others" : "");
	put_note(pen, text);
}

/* Frames from `last` down to `first`. */
struct stretch {
	size_t last, first;
	bool own; /* of own code, with others' between; else of what that called */
};

struct line {
	size_t at;    /* its innermost frame */
	size_t n;     /* frames in it; 0: there is no line any more */
	size_t times; /* they are a recursion: so often what is above them; else 0 */
};

/* Frames `i - 1` and on, towards the root, that are the same as those above them, twice or more. */
static struct line find_recursion(const struct stack *stack, struct stretch stretch, size_t i)
{
	for (size_t period = 1; period <= PERIOD_MAX && i - 1 + period <= stretch.last; period++) {
		size_t n = 0;

		while (n < i - stretch.first && !frame_compare(&stack->frames[i - 1 - n],
							       &stack->frames[i - 1 - n + period]))
			n++;
		if (n >= 2 * period)
			return (struct line){i - 1, n - n % period, n / period};
	}
	return (struct line){0};
}

/*
 * The next line of a stretch, from frame `i` on, towards the root: its frames, a run of others'
 * frames, or a recursion. C frames of the interpreter that say nothing are passed over.
 */
static struct line next_line(const struct stack *stack, struct stretch stretch,
			     const char *interpreter, size_t i)
{
	struct line line = {0};

	if (i > stretch.first && i <= stretch.last)
		line = find_recursion(stack, stretch, i);
	if (line.n)
		return line;
	for (; i > stretch.first; i--) {
		line.at = i - 1;
		if (i == stack->n_frames || !says_nothing(&stack->frames[i - 1], interpreter))
			break;
	}
	if (i == stretch.first)
		return (struct line){0};
	while (stretch.own && i - line.n > stretch.first &&
	       is_others(&stack->frames[i - 1 - line.n], interpreter))
		line.n++;
	line.n = line.n ? line.n : 1;
	return line;
}

static size_t count_lines(const struct stack *stack, struct stretch stretch,
			  const char *interpreter)
{
	size_t i = stretch.last + 1, n = 0;
	struct line line;

	for (; (line = next_line(stack, stretch, interpreter, i)).n; n++)
		i = line.at + 1 - line.n;
	return n;
}

static void put_recursion(const struct pen *pen, size_t times)
{
	char text[48];

	snprintf(text, sizeof(text), "... the same %zu times more", times);
	put_note(pen, text);
}

/* What was written of a stack: frames in lines, or in the number of a line; and where it ended. */
struct progress {
	size_t shown, next; /* frames[next - 1] comes next */
};

static void put_lines(const struct pen *pen, const struct stack *stack, struct stretch stretch,
		      const char *interpreter, size_t most, struct progress *progress)
{
	progress->next = stretch.last + 1;
	for (size_t n = 0; n < most; n++) {
		struct line line = next_line(stack, stretch, interpreter, progress->next);

		if (!line.n)
			break;
		if (line.times)
			put_recursion(pen, line.times);
		else if (line.n == 1)
			put_frame(pen, &stack->frames[line.at]);
		else
			put_run(pen, stack, line.at, line.n, interpreter);
		progress->shown += line.n;
		progress->next = line.at + 1 - line.n;
	}
}

/* What is left; one frame at the root takes no more room than its number. */
static void put_rest(const struct pen *pen, const struct stack *stack,
		     const struct progress *progress)
{
	size_t left = stack->n_frames - progress->shown;
	char text[64];

	if (left == 1 && progress->next == 1)
		put_frame(pen, &stack->frames[0]);
	else if (left) {
		snprintf(text, sizeof(text), "... %zu more frame%s", left, left == 1 ? "" : "s");
		put_note(pen, text);
	}
}

/* What own code called: all of it, or what is near the leaf, and a line for the rest. */
static void put_below(const struct pen *pen, const struct stack *stack, struct stretch below,
		      const char *interpreter, size_t most, struct progress *progress)
{
	size_t n = count_lines(stack, below, interpreter), left;

	put_lines(pen, stack, below, interpreter, n > most ? most - 1 : n, progress);
	left = progress->next - below.first;
	if (n <= most)
		return;
	put_run(pen, stack, progress->next - 1, left, interpreter);
	progress->shown += left;
}

/*
 *      leaf                          below: what own code called
 *      ...
 *      innermost frame of own code   own: up to the outermost one
 *      ...
 *      what starts all that          the rest
 */
void frames_text_short(const struct pen *pen, const struct stack *stack, const char *interpreter,
		       size_t most)
{
	size_t n = stack->n_frames, inner = n, outer = n, n_below, n_own;
	struct stretch below = {.last = n - 1}, own;
	struct progress progress = {.next = n};

	if (!n || !most) {
		frames_text(pen, stack, interpreter, false);
		return;
	}
	for (size_t i = n; i-- > 0;)
		if (package_is_own(&stack->frames[i])) {
			inner = inner == n ? i : inner;
			outer = i;
		}
	if (inner == n) {
		put_lines(pen, stack, below, interpreter, most, &progress);
		put_rest(pen, stack, &progress);
		return;
	}
	own = (struct stretch){inner, outer, true};
	n_own = count_lines(stack, own, interpreter);
	if (inner < n - 1) {
		below.first = inner + 1;
		n_below = count_lines(stack, below, interpreter);
		/* own code has what is left, and its half in any case */
		n_below = n_below < most - most / 2 ? n_below : most - most / 2;
		n_own = n_own < most - n_below ? n_own : most - n_below;
		put_below(pen, stack, below, interpreter, most - n_own, &progress);
	}
	put_lines(pen, stack, own, interpreter, n_own < most ? n_own : most, &progress);
	put_rest(pen, stack, &progress);
}
