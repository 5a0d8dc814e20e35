/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/document.h"
#include "cli/heap_progress.h"
#include "cli/signals.h"
#include "cli/wait_for.h"
#include "containers/container_watch.h"
#include "probe/claim.h"
#include "probe/prober.h"

#define TICK_NS 50000000

static enum heap_watch_end loop(struct container_watch *watch, int signals,
				const struct options *options)
{
	struct waits waits = {signals, container_watch_pidfd(watch), container_watch_news_fd(watch),
			      0};
	uint64_t deadline = clock_now_ns() + options->duration_ns;
	enum heap_watch_end end;

	for (;;) {
		uint64_t tick = clock_now_ns() + TICK_NS;
		enum wait_event event = wait_for(&waits, tick < deadline ? tick : deadline);

		if (container_watch_tick(watch, &end))
			return end;
		if (event == WAIT_SIGNAL || event == WAIT_BROKEN)
			return WATCH_ASKED;
		if (clock_now_ns() >= deadline)
			return WATCH_TIME;
	}
}

/* Say on stderr what is watched. */
static void announce(const struct container_find *found)
{
	char path[256], type[128];

	for (unsigned i = 0; i < found->n; i++) {
		const struct container_place *place = &found->places[i];

		fprintf(stderr, "pyleaktrace: watching %s of pid %d: %s at 0x%" PRIx64 "%s\n",
			escape_copy(path, sizeof(path), place->name ? place->name : place->path),
			(int)found->heap->target->process.pid,
			escape_copy(type, sizeof(type), place->type), place->address,
			place->fresh ? ", just made" : "");
	}
}

static int run(struct container_watch *watch, int signals, const struct options *options,
	       struct err *err)
{
	struct document document = {.kind = DOCUMENT_WATCH};
	struct heap_watch *result;
	enum heap_watch_end end;
	int traced_by = claim_owner(options_pid(options)), code;

	container_watch_start(watch);
	announce(container_watch_found(watch));
	end = loop(watch, signals, options);
	container_watch_stop(watch);
	result = container_watch_report(watch, end, err);
	if (!result)
		return (int)err->code;
	result->traced_by = traced_by;
	result->asked_s = (double)options->duration_ns / 1e9;
	document.profile = result->about;
	document.watch = result;
	code = document_print(&document, options);
	if (!code)
		code = document_save(&document, options);
	profile_free(result->about);
	return code;
}

/* return an exit code */
static int open_and_run(const struct options *options, struct heap_target *heap, int signals)
{
	const struct container_watch_options how = {.max_overhead = options->heap.max_overhead,
						    .native = true,
						    .verbose = options->trace.verbose > 0};
	struct heap_progress progress;
	struct container_watch *watch = NULL;
	struct err err = ERR_INIT;
	int result = heap_target_open(heap, options_pid(options), &err), code = 0;

	if (!result)
		heap_progress_attach(&progress, heap, options->quiet);
	if (!result)
		result = container_watch_open(&watch, heap, &options->heap.watch, &how, &err);
	if (!result)
		code = run(watch, signals, options, &err);
	if (err.code) {
		fprintf(stderr, "pyleaktrace: %s\n", err.text);
		code = (int)err.code;
	}
	container_watch_close(watch);
	heap_target_close(heap);
	return code;
}

int command_watch(const struct options *options)
{
	struct heap_target heap = {0};
	struct err err = ERR_INIT;
	int signals, code = document_check(options);

	if (code)
		return code;
	signals = signals_take_usual(false, &err);
	if (signals < 0) {
		fprintf(stderr, "pyleaktrace: %s\n", err.text);
		return (int)err.code;
	}
	prober_start();
	code = open_and_run(options, &heap, signals);
	prober_stop();
	close(signals);
	return code;
}
