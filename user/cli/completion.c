/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/completion.h"

#include <string.h>

#include "cli/option_rows.h"

#define HAS(row, verb) ((row)->verbs >> ((verb)-verbs) & 1)

/* "--top -T --sort " */
static void put_words(FILE *out, const struct verb *verb)
{
	for (const struct option_row *row = option_rows; row->help; row++) {
		if (HAS(row, verb) && row->name)
			fprintf(out, "--%s ", row->name);
		if (HAS(row, verb) && row->letter)
			fprintf(out, "-%c ", row->letter);
	}
}

static bool has_values(const struct option_row *row)
{
	return row->choices || row->letter == 'f';
}

/* The values that an option may have, where they are a few words; else "". */
static void put_values(FILE *out, const struct option_row *row, const struct verb *verb)
{
	char formats[160];

	if (row->letter == 'f') {
		exporter_list(formats, sizeof(formats), verb->document, false);
		for (const char *at = formats; *at; at++)
			if (*at != ',')
				fputc(*at, out);
	}
	for (size_t i = 0; row->choices && row->choices[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", row->choices[i]);
}

/* The cases of bash for values of the verb's options; of the main command behind all others. */
static void put_bash_values(FILE *out, const struct verb *verb)
{
	for (const struct option_row *row = option_rows; row->help; row++) {
		if (!HAS(row, verb) || !has_values(row))
			continue;
		fprintf(out, "\t%s:--%s", *verb->name ? verb->name : "*", row->name);
		if (row->letter)
			fprintf(out, "|%s:-%c", *verb->name ? verb->name : "*", row->letter);
		fputs(") words=\"", out);
		put_values(out, row, verb);
		fputs("\" ;;\n", out);
	}
}

/* Are its arguments names of files? */
static bool takes_files(const struct verb *verb)
{
	return verb == &verbs[VERB_REPORT] || verb == &verbs[VERB_DIFF];
}

static void print_bash(FILE *out)
{
	fputs("# bash completion of pyleaktrace; made from its table of options\n"
	      "_pyleaktrace()\n{\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal verb=${COMP_WORDS[1]} words\n"
	      "\tcase $verb:$before in\n"
	      "\t*:-p|*:--pid) words=$(pgrep python) ;;\n"
	      "\t*:-o|*:--output) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n",
	      out);
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++)
		put_bash_values(out, verb);
	put_bash_values(out, &verbs[VERB_TRACE]);
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++) {
		fprintf(out, "\t%s:*) words=\"", verb->name);
		put_words(out, verb);
		fputs(takes_files(verb) ? "\"; COMPREPLY=($(compgen -f -W \"$words\" -- "
					  "\"$word\")); return ;;\n"
					: "\" ;;\n",
		      out);
	}
	fputs("\t*) words=\"", out);
	put_words(out, &verbs[VERB_TRACE]);
	fputs("\"\n\t\t[ \"$COMP_CWORD\" -gt 1 ] || words+=\"", out);
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++)
		fprintf(out, " %s", verb->name);
	fputs("\" ;;\n\tesac\n"
	      "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	      "}\ncomplete -F _pyleaktrace pyleaktrace\n",
	      out);
}

/* A text inside '...' of a shell, without what ends it or has a meaning to zsh's _arguments. */
static void put_quoted(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else if (strchr("[]:\\", *text))
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void put_zsh_option(FILE *out, const struct option_row *row, const struct verb *verb,
			   const char *name)
{
	fprintf(out, "\t\t'*%s[", name);
	put_quoted(out, row->help);
	fputs("]", out);
	if (row->value) {
		fputs(":", out);
		put_quoted(out, row->value);
		fputs(":", out);
		if (has_values(row)) {
			fputs("(", out);
			put_values(out, row, verb);
			fputs(")", out);
		} else if (row->letter == 'o') {
			fputs("_files", out);
		} else if (row->letter == 'p') {
			fputs("_pids", out);
		}
	}
	fputs("'\n", out);
}

static void put_zsh_options(FILE *out, const struct verb *verb)
{
	for (const struct option_row *row = option_rows; row->help; row++) {
		char name[64];

		if (!HAS(row, verb))
			continue;
		snprintf(name, sizeof(name), "-%c", row->letter);
		if (row->letter)
			put_zsh_option(out, row, verb, name);
		snprintf(name, sizeof(name), "--%s", row->name ? row->name : "");
		if (row->name)
			put_zsh_option(out, row, verb, name);
	}
}

static void print_zsh(FILE *out)
{
	fputs("#compdef pyleaktrace\n"
	      "# zsh completion of pyleaktrace; made from its table of options\n"
	      "local -a options verbs\nverbs=(\n",
	      out);
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++)
		fprintf(out, "\t'%s:%s'\n", verb->name, verb->summary);
	fputs(")\ncase ${words[2]} in\n", out);
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++) {
		fprintf(out, "%s)\n\toptions=(\n", verb->name);
		put_zsh_options(out, verb);
		fputs("\t) ;;\n", out);
	}
	fputs("*)\n\toptions=(\n", out);
	put_zsh_options(out, &verbs[VERB_TRACE]);
	fputs("\t) ;;\nesac\n"
	      "(( CURRENT == 2 )) && _describe command verbs\n"
	      "_arguments -s $options '*:argument:_files'\n",
	      out);
}

static void put_fish_quoted(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void print_fish(FILE *out)
{
	fputs("# fish completion of pyleaktrace; made from its table of options\n"
	      "set -l verbs",
	      out);
	for (const struct verb *verb = &verbs[VERB_TRACE + 1]; verb < &verbs[VERB_COUNT]; verb++)
		fprintf(out, " %s", verb->name);
	fputs("\ncomplete -c pyleaktrace -f\n", out);
	for (const struct verb *verb = verbs; verb < &verbs[VERB_COUNT]; verb++) {
		if (takes_files(verb))
			fprintf(out,
				"complete -c pyleaktrace -n '__fish_seen_subcommand_from %s' -F\n",
				verb->name);
		if (*verb->name)
			fprintf(out,
				"complete -c pyleaktrace -n __fish_use_subcommand -a %s -d '%s'\n",
				verb->name, verb->summary);
		for (const struct option_row *row = option_rows; row->help; row++) {
			if (!HAS(row, verb))
				continue;
			fprintf(out, "complete -c pyleaktrace -n '%s%s'",
				*verb->name ? "__fish_seen_subcommand_from "
					    : "not __fish_seen_subcommand_from $verbs",
				verb->name);
			if (row->letter)
				fprintf(out, " -s %c", row->letter);
			if (row->name)
				fprintf(out, " -l %s", row->name);
			if (row->value)
				fputs(row->letter == 'o' ? " -r -F" : " -x", out);
			if (row->letter == 'p')
				fputs(" -a '(__fish_complete_pids)'", out);
			if (has_values(row)) {
				fputs(" -a '", out);
				put_values(out, row, verb);
				fputs("'", out);
			}
			fputs(" -d '", out);
			put_fish_quoted(out, row->help);
			fputs("'\n", out);
		}
	}
}

bool completion_print(FILE *out, const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(FILE *out);
	} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (!strcmp(shell, shells[i].name)) {
			shells[i].print(out);
			return true;
		}
	}
	return false;
}
