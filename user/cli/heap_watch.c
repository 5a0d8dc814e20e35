/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/heap_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/heap_progress.h"
#include "cli/signals.h"
#include "containers/container_watch.h"
#include "export/outputs.h"
#include "export/watch_json.h"
#include "view/watch_text.h"

#define TICK_NS 50000000

/* What one file or standard output is to show. */
struct document {
	const struct heap_watch *watch;
	const struct heap_options *options;
	bool json, color;
};

static int write_document(FILE *out, const void *context, struct err *err)
{
	const struct document *document = context;
	const struct watch_text_options text = {.top = document->options->top,
						.color = document->color,
						.quiet = document->options->quiet,
						.all_frames = document->options->verbose > 0};

	if (document->json)
		return export_watch_json(out, document->watch, err);
	watch_text(out, document->watch, &text);
	return 0;
}

static int report(const struct heap_watch *watch, const struct heap_options *options,
		  struct err *err)
{
	struct document document = {.watch = watch,
				    .options = options,
				    .json = options->json,
				    .color = outputs_want_color(options->no_color)};
	int result = write_document(stdout, &document, err);

	if (fflush(stdout) && errno != EPIPE && !result)
		result = err_set(err, ERR_FAILED, "standard output: %s", strerror(errno));
	document.color = false;
	for (unsigned i = 0; i < options->n_outputs && !result; i++) {
		document.json = options->outputs[i].json;
		result = outputs_write(options->outputs[i].pattern, options->pid,
				       watch->about->time.tv_sec, write_document, &document, err);
	}
	return result;
}

static enum heap_watch_end loop(struct container_watch *watch, int signals,
				const struct heap_options *options)
{
	struct pollfd sources[] = {{.fd = signals, .events = POLLIN},
				   {.fd = container_watch_pidfd(watch), .events = POLLIN},
				   {.fd = container_watch_news_fd(watch), .events = POLLIN}};
	uint64_t deadline = clock_now_ns() + options->for_ns;
	enum heap_watch_end end;

	for (;;) {
		uint64_t now = clock_now_ns(), left = deadline > now ? deadline - now : 0;
		struct timespec wait = {0, left < TICK_NS ? (long)left : TICK_NS};
		int n = ppoll(sources, 3, &wait, NULL);

		if (container_watch_tick(watch, &end))
			return end;
		if ((n > 0 && sources[0].revents) || (n < 0 && errno != EINTR))
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

static int run(struct container_watch *watch, int signals, const struct heap_options *options,
	       struct err *err)
{
	struct heap_watch *result;
	enum heap_watch_end end;
	int code;

	container_watch_start(watch);
	announce(container_watch_found(watch));
	end = loop(watch, signals, options);
	container_watch_stop(watch);
	result = container_watch_report(watch, end, err);
	if (!result)
		return -(int)err->code;
	result->asked_s = (double)options->for_ns / 1e9;
	code = report(result, options, err);
	profile_free(result->about);
	return code;
}

int heap_watch(const struct heap_options *options)
{
	const struct container_watch_options how = {.max_overhead = options->max_overhead,
						    .native = true,
						    .verbose = options->verbose > 0};
	struct heap_target heap = {0};
	struct heap_progress progress;
	struct container_watch *watch = NULL;
	struct err err = ERR_INIT;
	int signals = -1, result = 0;

	for (unsigned i = 0; i < options->n_outputs && !result; i++)
		result = outputs_check(options->outputs[i].pattern, options->pid, &err);
	if (!result) {
		signals = signals_take_usual(false, &err);
		result = signals < 0 ? signals : 0;
	}
	if (!result)
		result = heap_target_open(&heap, options->pid, &err);
	if (!result)
		heap_progress_watch(&progress, &heap, options->quiet);
	if (!result)
		result = container_watch_open(&watch, &heap, &options->watch, &how, &err);
	if (!result)
		result = run(watch, signals, options, &err);
	if (result)
		fprintf(stderr, "pyleaktrace: %s\n", err.text);
	container_watch_close(watch);
	heap_target_close(&heap);
	if (signals >= 0)
		close(signals);
	return result ? (int)err.code : 0;
}
