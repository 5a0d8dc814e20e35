/* SPDX-License-Identifier: BSD-2-Clause
 *
 * argv -> command -> exit code. The first word is a command only if it is one of the table's.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/escape.h"
#include "cli/command_words.h"
#include "cli/commands.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"doctor", command_doctor},
	{"heap", command_heap},
};

/* What was written to a full disk is lost: no success. Nobody reads any more: that is no
 * failure. */
static int finish(int code)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	errno = 0;
	if ((fflush(stdout) == 0 && !ferror(stdout)) || code)
		return code;
	/* a pipe without a reader */
	if (errno == EPIPE || (poll(&out, 1, 0) == 1 && out.revents & POLLERR))
		return 0;
	fprintf(stderr, "pyleaktrace: standard output: %s\n",
		errno ? strerror(errno) : "not all could be written");
	return ERR_FAILED;
}

/* Probes, maps, watchpoints and files of the target are descriptors: 1,024, the usual limit, are
 * soon used up. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	char word[64];

	raise_descriptors();
	/* argp and getopt name the program in their messages by these; the path it was called with
	 * says nothing */
	program_invocation_name = program_invocation_short_name;
	if (argc > 0)
		argv[0] = program_invocation_short_name;
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return finish(commands[i].run(argc - 1, argv + 1));
	}
	if (argc > 1 && strcmp(argv[1], "help") == 0)
		argv[1] = "--help";
	/* a number is taken for a time by the watch, and a program's name for a program */
	if (argc > 1 && argv[1][0] != '-' && command_word_near(argv[1])) {
		fprintf(stderr,
			"pyleaktrace: there is no command \"%s\": did you mean `pyleaktrace %s`?\n",
			escape_copy(word, sizeof(word), argv[1]), command_word_near(argv[1]));
		return ERR_USAGE;
	}
	return finish(command_watch(argc, argv));
}
