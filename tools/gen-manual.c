/* SPDX-License-Identifier: BSD-2-Clause
 *
 * gen-manual: what the build makes from the tables of verbs and options.
 *
 *      gen-manual man < man/PAGE.in > PAGE     a man page: @VERSION@ is replaced, and lines of
 *                                              "@SYNOPSIS VERB", "@OPTIONS VERB" and "@COMMANDS"
 *                                              ("trace" is the main command)
 *      gen-manual bash|zsh|fish                a completion
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/completion.h"
#include "cli/help.h"

static const struct verb *verb_of(const char *name)
{
	const struct verb *verb = strcmp(name, "trace") ? verb_by_name(name) : &verbs[VERB_TRACE];

	if (!verb) {
		fprintf(stderr, "gen-manual: no verb %s\n", name);
		exit(1);
	}
	return verb;
}

static void print_line(const char *line)
{
	const char *version = strstr(line, "@VERSION@");

	if (!strncmp(line, "@SYNOPSIS ", 10))
		help_print_man_synopsis(stdout, verb_of(line + 10));
	else if (!strncmp(line, "@OPTIONS ", 9))
		help_print_man(stdout, verb_of(line + 9));
	else if (!strcmp(line, "@COMMANDS"))
		help_print_man_verbs(stdout);
	else if (version)
		printf("%.*s%s%s\n", (int)(version - line), line, PYLEAKTRACE_VERSION,
		       version + strlen("@VERSION@"));
	else
		puts(line);
}

int main(int argc, char **argv)
{
	char line[4096];

	if (argc == 2 && completion_print(stdout, argv[1]))
		return 0;
	if (argc != 2 || strcmp(argv[1], "man")) {
		fputs("usage: gen-manual man < PAGE.in, or gen-manual bash|zsh|fish\n", stderr);
		return 64;
	}
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		print_line(line);
	}
	return 0;
}
