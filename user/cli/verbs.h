/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verbs: the table of commands: what each is called, takes, and does. The main command, which
 * traces a process, has no word of its own.
 *
 * Place      cli; main.c runs the rows, options.c parses for them, help.c prints them.
 * Bounds     words longer than VERB_WORD_MAX are near nothing.
 */
#ifndef PYLEAKTRACE_CLI_VERBS_H
#define PYLEAKTRACE_CLI_VERBS_H

#include <stddef.h>

#include "cli/options.h"
#include "export/exporter.h"

#define VERB_WORD_MAX 15

struct verb {
	const char *name;      /* "" of the main command */
	const char *arguments; /* behind the name: "[OPTIONS] -p PID [INTERVAL [COUNT]]" */
	const char *summary;   /* a few words, for the list of commands */
	const char *about;     /* what --help says before the options */
	const char *more;      /* and behind them */
	enum document_kind document;
	unsigned top; /* default of -T */
	/* Returns an exit code (base/err.h), and has said on stderr, in one line, why it is not
	 * 0. */
	int (*run)(const struct options *options);
};

/* In the order of enum verb_id. */
extern const struct verb verbs[VERB_COUNT];

/* The command of that name; NULL: there is none. */
const struct verb *verb_by_name(const char *word);

/*
 * The command that is one slip away: a letter left out, added, changed, or two of them swapped; two
 * slips in words of six letters and more.
 *
 * return NULL: none is that near
 */
const struct verb *verb_near(const char *word);

/* "pyleaktrace heap", or "pyleaktrace" */
void verb_full_name(const struct verb *verb, char *text, size_t size);

#endif
