/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/signals.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>

int signals_take(const sigset_t *set, struct err *err)
{
	int fd;

	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, set, NULL))
		return err_set(err, ERR_FAILED, "signals: %s", strerror(errno));
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_set(err, ERR_FAILED, "signalfd: %s", strerror(errno)) : fd;
}

void signals_ignore_usr(void)
{
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
}

int signals_take_usual(bool looks, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (looks) {
		sigaddset(&set, SIGUSR1);
		sigaddset(&set, SIGUSR2);
	} else {
		signals_ignore_usr();
	}
	return signals_take(&set, err);
}
