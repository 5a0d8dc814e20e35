/* SPDX-License-Identifier: BSD-2-Clause
 *
 * help: the tables of verbs and options -> --help, and the OPTIONS of the man pages.
 *
 * Place      cli; options.c prints help, the build prints the rest (tools/gen-manual.c).
 * Bounds     lines of --help have at most HELP_WIDTH columns.
 */
#ifndef PYLEAKTRACE_CLI_HELP_H
#define PYLEAKTRACE_CLI_HELP_H

#include <stdio.h>

#include "cli/verbs.h"

#define HELP_WIDTH 100

/* Without arguments: the main use, the verbs, where help is. */
void help_print_verbs(FILE *out);

/* VERB --help */
void help_print(FILE *out, const struct verb *verb);

/* -X help */
void help_print_knobs(FILE *out, const struct verb *verb);

/* man(7): a .TP for each option of the verb and for each of its knobs; how it is called; a .TP for
 * each verb */
void help_print_man(FILE *out, const struct verb *verb);
void help_print_man_synopsis(FILE *out, const struct verb *verb);
void help_print_man_verbs(FILE *out);

#endif
