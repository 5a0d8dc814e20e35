/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "export/outputs.h"
#include "view/census_text.h"
#include "view/difference_text.h"
#include "view/report.h"
#include "view/trend_text.h"
#include "view/watch_text.h"

/* What standard output or one file is to show. */
struct writing {
	const struct document *document;
	const struct options *options;
	const struct exporter *format; /* NULL: text */
	bool file;                     /* is no terminal, and has everything */
};

unsigned document_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
										     : 0;
}

/* A file has all stacks with all of their frames, unless fewer are asked for. */
static void write_report(FILE *out, const struct writing *writing)
{
	const struct options *options = writing->options;
	bool file = writing->file;

	report_text(out, writing->document->profile,
		    &(struct report_options){
			    .top = file && !options->shown ? 0 : options->top,
			    .frames = options->frames,
			    .lines = options->shown ? 0 : REPORT_LINES,
			    .color = !file && outputs_want_color(options->no_color),
			    .width = file ? 0 : document_width(),
			    .whole = file || options->trace.verbose > 0,
			    .all_frames = options->trace.verbose > 0,
			    .quiet = !file && options->quiet,
			    .last = !file && writing->document->last,
		    });
}

static void write_text(FILE *out, const struct writing *writing)
{
	const struct document *document = writing->document;
	const struct options *options = writing->options;
	bool color = !writing->file && outputs_want_color(options->no_color);
	bool quiet = !writing->file && options->quiet, all_frames = options->trace.verbose > 0;

	switch (document->kind) {
	case DOCUMENT_TRACE:
		write_report(out, writing);
		break;
	case DOCUMENT_HEAP:
	case DOCUMENT_GRAPH:
		census_text(out, document->heap,
			    &(struct census_text_options){
				    .top = options->top, .color = color, .quiet = quiet});
		break;
	case DOCUMENT_TREND:
		trend_text(out, document->profile, document->trend,
			   &(struct trend_text_options){
				   .top = options->top, .color = color, .quiet = quiet});
		break;
	case DOCUMENT_DIFF:
		difference_text(out, document->difference,
				&(struct difference_text_options){.top = options->top,
								  .color = color,
								  .quiet = quiet,
								  .all_frames = all_frames});
		break;
	case DOCUMENT_WATCH:
		watch_text(out, document->watch,
			   &(struct watch_text_options){.top = options->top,
							.color = color,
							.quiet = quiet,
							.all_frames = all_frames});
		break;
	}
}

static int write_document(FILE *out, const void *context, struct err *err)
{
	const struct writing *writing = context;

	if (writing->format && writing->format->write)
		return exporter_write(writing->format, out, writing->document, err);
	write_text(out, writing);
	return 0;
}

static int complain(const struct err *err)
{
	fprintf(stderr, "pyleaktrace: %s\n", err->text);
	return (int)err->code;
}

int document_check(const struct options *options)
{
	struct err err = ERR_INIT;

	if (options->format && options->format->binary && isatty(STDOUT_FILENO)) {
		err_set(&err, ERR_USAGE,
			"%s is nothing for a terminal; give -o FILE%s, or redirect the output",
			options->format->name, options->format->suffix);
		return complain(&err);
	}
	for (unsigned i = 0; i < options->n_outputs; i++)
		if (outputs_check(options->outputs[i].pattern, options_pid(options), &err))
			return complain(&err);
	return 0;
}

int document_print(const struct document *document, const struct options *options)
{
	const struct writing writing = {document, options, options->format, false};
	struct err err = ERR_INIT;
	int result = write_document(stdout, &writing, &err) ? complain(&err) : 0;

	fflush(stdout);
	return result;
}

static int save(const struct writing *writing, const char *pattern, struct err *err)
{
	const struct profile *about = writing->document->profile;

	return outputs_write(pattern, about->target.pid, about->time.tv_sec, write_document,
			     writing, err);
}

/* chain.svg -> chain.dot, in the format that is written instead */
static int save_instead(const struct writing *writing, const char *pattern, struct err *err)
{
	struct writing other = *writing;
	const char *suffix;
	char name[4096];
	int n;

	other.format = exporter_by_name(writing->format->instead, writing->document->kind, err);
	suffix = strrchr(pattern, '.');
	if (suffix && strchr(suffix, '/'))
		suffix = NULL;
	n = snprintf(name, sizeof(name), "%.*s%s",
		     (int)(suffix ? (size_t)(suffix - pattern) : strlen(pattern)), pattern,
		     other.format->suffix);
	if (n < 0 || (size_t)n >= sizeof(name))
		return -(int)err->code;
	fprintf(stderr, "pyleaktrace: %s: %s; %s is written instead\n", pattern, err->text, name);
	return save(&other, name, err);
}

int document_save(const struct document *document, const struct options *options)
{
	int first = 0;

	for (unsigned i = 0; i < options->n_outputs; i++) {
		const struct output *output = &options->outputs[i];
		const struct writing writing = {document, options, output->format, true};
		struct err err = ERR_INIT;
		int result = save(&writing, output->pattern, &err);

		if (result == EXPORT_NO_PROGRAM && output->format->instead)
			result = save_instead(&writing, output->pattern, &err);
		if (result)
			result = complain(&err);
		if (!first)
			first = result;
	}
	return first;
}
