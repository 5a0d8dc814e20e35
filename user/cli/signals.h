/* SPDX-License-Identifier: BSD-2-Clause
 *
 * signals: read from a descriptor, so that a report is never interrupted in the middle.
 *
 * Place      layer 6; used by the commands that wait.
 * Errors     -ERR_FAILED.
 */
#ifndef PYLEAKTRACE_CLI_SIGNALS_H
#define PYLEAKTRACE_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"

/*
 * From here on these signals come as struct signalfd_siginfo, and a reader that goes away is an
 * error of writing, not SIGPIPE.
 *
 * in     set: see sigsetops(3)
 * return a descriptor, to be closed by the caller, or a negative error
 */
int signals_take(const sigset_t *set, struct err *err);

/* INT, TERM and HUP (they end what is done), and with looks USR1 (a look now) and USR2 (forget
 * those before). */
int signals_take_usual(bool looks, struct err *err);

/* USR1 and USR2 ask for a report: a command that has none to give, or none yet, must not die of
 * them. signals_take() gets them all the same. */
void signals_ignore_usr(void);

#endif
