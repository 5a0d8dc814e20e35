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
		"slot_tp_*", "_Py_slot_*", "gen_send_ex*", "gen_iternext", NULL};

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

/* The number of frames in a row, from `last` towards the root, that say nothing. */
static size_t run_length(const struct stack *stack, size_t last, const char *interpreter)
{
	size_t n = 0;

	while (n <= last && says_nothing(&stack->frames[last - n], interpreter))
		n++;
	return n;
}

void frames_text(const struct pen *pen, const struct stack *stack, const char *interpreter,
		 bool all)
{
	for (size_t i = stack->n_frames; i-- > 0;) {
		bool leaf = i == stack->n_frames - 1;
		size_t run = all || leaf ? 0 : run_length(stack, i, interpreter);

		if (run < 2) {
			put_frame(pen, &stack->frames[i]);
			continue;
		}
		fputs("\t\t", pen->out);
		pen_ink(pen, INK_NATIVE);
		fprintf(pen->out, "... %zu C frames %s", run,
			run == i + 1 ? "that start the thread" : "of the interpreter");
		pen_ink(pen, INK_PLAIN);
		fputc('\n', pen->out);
		i -= run - 1;
	}
}
