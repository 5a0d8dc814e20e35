/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/help.h"

#include <string.h>

#include "cli/option_rows.h"

#define OPTION_COLUMN  30 /* where the sentences of options begin */
#define TEXT_MAX       512

#define HAS(row, verb) ((row)->verbs >> ((verb)-verbs) & 1)

/* ---- text ----------------------------------------------------------------------------------- */

/* Words in lines; `at`: columns that are written already. */
static void print_wrapped(FILE *out, const char *text, int at, int indent)
{
	while (*text) {
		size_t length = strcspn(text, " \n");

		if (at > indent && at + 1 + (int)length > HELP_WIDTH)
			at = fprintf(out, "\n%*s", indent, "") - 1;
		else if (at > indent)
			at += fprintf(out, " ");
		at += fprintf(out, "%.*s", (int)length, text);
		text += length;
		/* an empty line stays one */
		if (*text == '\n')
			at = fprintf(out, "\n%*s", indent, "") - 1;
		text += *text != '\0';
	}
	fputc('\n', out);
}

/* "  -T, --top N" */
static int print_option(FILE *out, const struct option_row *row)
{
	int n = fprintf(out, "  ");

	if (row->letter)
		n += fprintf(out, "-%c%s", row->letter, row->name ? ", " : "");
	else
		n += fprintf(out, "    ");
	if (row->name)
		n += fprintf(out, "--%s", row->name);
	if (row->value)
		n += fprintf(out, " %s", row->value);
	return n;
}

static void print_row(FILE *out, const struct option_row *row, const struct verb *verb)
{
	char text[TEXT_MAX];
	int at = print_option(out, row);

	if (at + 1 > OPTION_COLUMN)
		at = fprintf(out, "\n") - 1;
	at += fprintf(out, "%*s", OPTION_COLUMN - at, "");
	print_wrapped(out, option_help(row, verb, text, sizeof(text)), at, at);
}

void help_print_verbs(FILE *out)
{
	fputs("usage: pyleaktrace -p PID       what a process leaks, every 5 s until Ctrl-C\n"
	      "       pyleaktrace COMMAND ...  one of these:\n",
	      out);
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++)
		fprintf(out, "  %-9s %s\n", verb->name, verb->summary);
	fputs("For more: pyleaktrace --help, pyleaktrace COMMAND --help and man pyleaktrace.\n",
	      out);
}

void help_print(FILE *out, const struct verb *verb)
{
	enum option_group group = OPTION_ABOUT;
	char name[VERB_WORD_MAX + 16];

	verb_full_name(verb, name, sizeof(name));
	fprintf(out, "usage: %s %s\n\n", name, verb->arguments);
	print_wrapped(out, verb->about, 0, 0);
	for (const struct option_row *row = option_rows; row->help; row++) {
		if (!HAS(row, verb))
			continue;
		if (row->group != group)
			fprintf(out, "\n%s\n", option_group_name(row->group, verb));
		group = row->group;
		print_row(out, row, verb);
	}
	if (*verb->more) {
		fputc('\n', out);
		print_wrapped(out, verb->more, 0, 0);
	}
}

void help_print_knobs(FILE *out, const struct verb *verb)
{
	char name[VERB_WORD_MAX + 16];

	verb_full_name(verb, name, sizeof(name));
	fprintf(out, "Rarely needed settings of %s, each as -X NAME=VALUE:\n", name);
	for (const struct option_row *knob = option_knobs; knob->help; knob++) {
		int at;

		if (!HAS(knob, verb))
			continue;
		at = fprintf(out, "  %s=%s", knob->name, knob->value);
		at += fprintf(out, "%*s", OPTION_COLUMN - at, "");
		print_wrapped(out, knob->help, at, at);
	}
}

/* ---- man(7) --------------------------------------------------------------------------------- */

/* A hyphen of a command line is no hyphen of a text. */
static void put_roff(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\\')
			fputs("\\e", out);
		else
			fputc(*text, out);
	}
}

static void put_knobs(FILE *out, const struct verb *verb)
{
	for (const struct option_row *knob = option_knobs; knob->help; knob++) {
		if (!HAS(knob, verb))
			continue;
		fputs(".TP\n\\fB\\-X ", out);
		put_roff(out, knob->name);
		fputs("=\\fI", out);
		put_roff(out, knob->value);
		fputs("\\fR\n", out);
		put_roff(out, knob->help);
		fputs(".\n", out);
	}
}

void help_print_man(FILE *out, const struct verb *verb)
{
	char text[TEXT_MAX];

	for (const struct option_row *row = option_rows; row->help; row++) {
		if (!HAS(row, verb))
			continue;
		fputs(".TP\n\\fB", out);
		if (row->letter)
			fprintf(out, "\\-%c%s", row->letter, row->name ? "\\fR, \\fB" : "");
		if (row->name) {
			fputs("\\-\\-", out);
			put_roff(out, row->name);
		}
		fputs("\\fR", out);
		if (row->value) {
			fputs(" \\fI", out);
			put_roff(out, row->value);
			fputs("\\fR", out);
		}
		fputc('\n', out);
		put_roff(out, option_help(row, verb, text, sizeof(text)));
		fputs(".\n", out);
		if (row->letter == 'X')
			put_knobs(out, verb);
	}
}

void help_print_man_synopsis(FILE *out, const struct verb *verb)
{
	char name[VERB_WORD_MAX + 16];

	verb_full_name(verb, name, sizeof(name));
	fprintf(out, ".B %s\n", name);
	put_roff(out, verb->arguments);
	fputs("\n.br\n", out);
}

void help_print_man_verbs(FILE *out)
{
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++)
		fprintf(out, ".TP\n.B %s\n%s.\n", verb->name, verb->summary);
}
