/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/wait_for.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"

enum wait_event wait_for(struct waits *waits, uint64_t until_ns)
{
	struct pollfd sources[] = {{.fd = waits->signals, .events = POLLIN},
				   {.fd = waits->pidfd, .events = POLLIN},
				   {.fd = waits->other, .events = POLLIN}};
	struct signalfd_siginfo info;

	for (;;) {
		uint64_t now = clock_now_ns(), left = until_ns > now ? until_ns - now : 0;
		struct timespec wait = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
		int n = ppoll(sources, 3, &wait, NULL);

		if (ferror(stdout) || (n < 0 && errno != EINTR))
			return WAIT_BROKEN;
		if (n == 0)
			return WAIT_TIME;
		if (n < 0)
			continue;
		if (sources[1].revents)
			return WAIT_TARGET;
		if (sources[2].revents)
			return WAIT_OTHER;
		if (read(waits->signals, &info, sizeof(info)) == sizeof(info)) {
			waits->signal = (int)info.ssi_signo;
			return WAIT_SIGNAL;
		}
	}
}
