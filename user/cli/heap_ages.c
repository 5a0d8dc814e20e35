/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_ages.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "census/newest.h"
#include "cli/heap_held.h"
#include "cli/heap_report.h"
#include "cli/signals.h"
#include "cli/wait_for.h"

struct look {
	struct heap_ages_found *found;
	struct ages *ages; /* of found */
	const struct options *options;
	struct heap_target *heap;
	uint64_t scan_ns, end_ns; /* the next scan, the last one; CLOCK_MONOTONIC */
	uint64_t n_made;
	struct waits waits;
};

static int scan(struct look *look, struct err *err)
{
	const struct heap_options *heap = &look->options->heap;
	struct heap_scan *made = NULL;
	int result = 0;

	/* the last one is the search's */
	if (look->ages->n_scans >= AGES_SCANS_MAX - 1)
		return 0;
	if (heap->frozen)
		result = heap_target_hold(look->heap, err);
	if (!result)
		made = newest_scan(look->ages, look->heap->census, heap->type, heap->address, err);
	heap_target_let_go(look->heap);
	if (!made)
		return -(int)err->code;
	heap_scan_free(look->found->scan);
	look->found->scan = made;
	heap_report_look(&look->found->last, look->heap);
	/* a name that is wrong is said before the time is over */
	if (!look->n_made++ && heap->type)
		result = heap_held_check_type(look->heap->census, look->options, err);
	if (!result && !look->options->quiet)
		fprintf(stderr, "pyleaktrace: scan %llu of pid %d\n",
			(unsigned long long)look->n_made, (int)look->heap->target->process.pid);
	return result;
}

/* From now on. */
static int begin(struct look *look, struct err *err)
{
	uint64_t now = clock_now_ns(), span = look->options->heap.span_ns;

	ages_fini(look->ages);
	look->end_ns = now + span;
	look->scan_ns = now + span / HEAP_AGES_PARTS;
	return scan(look, err);
}

static int on_time(struct look *look, struct err *err)
{
	uint64_t now = clock_now_ns(), part = look->options->heap.span_ns / HEAP_AGES_PARTS;

	if (now >= look->end_ns)
		return 0;
	while (look->scan_ns <= now)
		look->scan_ns += part;
	/* what is left of a part, when it cannot be divided */
	if (look->scan_ns + part / 2 > look->end_ns)
		look->scan_ns = look->end_ns;
	return scan(look, err);
}

static int run(struct look *look, struct err *err)
{
	int result = begin(look, err);

	while (!result && clock_now_ns() < look->end_ns) {
		switch (wait_for(&look->waits, look->scan_ns)) {
		case WAIT_TIME:
			result = on_time(look, err);
			break;
		case WAIT_SIGNAL:
			if (look->waits.signal == SIGUSR1)
				result = scan(look, err);
			else if (look->waits.signal == SIGUSR2)
				result = begin(look, err);
			else
				look->end_ns = 0;
			break;
		default:
			look->end_ns = 0;
		}
	}
	return result;
}

int heap_ages_collect(struct heap_ages_found *found, const struct options *options,
		      struct heap_target *heap, struct err *err)
{
	struct look look = {.found = found,
			    .ages = &found->ages,
			    .options = options,
			    .heap = heap,
			    .waits = {-1, heap->target->process.pidfd, -1, 0}};
	sigset_t before;
	int result;

	if (!options->heap.span_ns)
		return 0;
	sigprocmask(SIG_BLOCK, NULL, &before);
	look.waits.signals = signals_take_usual(true, err);
	if (look.waits.signals < 0)
		return look.waits.signals;
	result = run(&look, err);
	/* what was seen of a target that has ended since is no failure */
	if (found->scan && found->ages.n && !process_alive(&heap->target->process))
		result = 0;
	close(look.waits.signals);
	/* from here on Ctrl-C ends the program, as it does any */
	signals_ignore_usr();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return result;
}

void heap_ages_fini(struct heap_ages_found *found)
{
	ages_fini(&found->ages);
	heap_scan_free(found->scan);
	found->scan = NULL;
}
