/* SPDX-License-Identifier: BSD-2-Clause
 *
 * argv -> command -> exit code.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/std_fds.h"
#include "cli/options.h"
#include "cli/signals.h"
#include "cli/verbs.h"

/* What was written to a full disk is lost: no success. Nobody reads any more: that is no
 * failure. */
static int finish(int code)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
	char reason[128];

	if ((fflush(stdout) == 0 && !ferror(stdout)) || code)
		return code;
	/* a pipe without a reader */
	if (std_fds_error() == EPIPE || (poll(&out, 1, 0) == 1 && out.revents & POLLERR))
		return 0;
	fprintf(stderr, "pyleaktrace: %s\n", std_fds_reason(reason, sizeof(reason)));
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
	static struct options options;
	int code = 0;

	std_fds_secure();
	raise_descriptors();
	/* who has a report to give takes them */
	signals_ignore_usr();
	/* libraries name the program in their messages by these; the path it was called with says
	 * nothing */
	program_invocation_name = program_invocation_short_name;
	if (argc > 0)
		argv[0] = program_invocation_short_name;
	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_RUN:
		code = options.verb->run(&options);
		break;
	case OPTIONS_DONE:
		break;
	case OPTIONS_WRONG:
		code = ERR_USAGE;
		break;
	}
	options_fini(&options);
	return finish(code);
}
