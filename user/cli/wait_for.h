/* SPDX-License-Identifier: BSD-2-Clause
 *
 * wait_for: what comes first: a time, a signal, the end of the target?
 *
 * Place      cli; the commands that wait, but for the main one, which has more to wait for.
 * Units      CLOCK_MONOTONIC, ns.
 */
#ifndef PYLEAKTRACE_CLI_WAIT_FOR_H
#define PYLEAKTRACE_CLI_WAIT_FOR_H

#include <stdint.h>

enum wait_event {
	WAIT_TIME,   /* the time has come */
	WAIT_SIGNAL, /* waits.signal */
	WAIT_OTHER,  /* waits.other has something to read */
	WAIT_TARGET, /* the target has ended */
	WAIT_BROKEN, /* nobody reads standard output any more, or nothing can be waited for */
};

struct waits {
	int signals; /* of signals_take() */
	int pidfd;
	int other;  /* -1: none */
	int signal; /* out: its number */
};

enum wait_event wait_for(struct waits *waits, uint64_t until_ns);

#endif
