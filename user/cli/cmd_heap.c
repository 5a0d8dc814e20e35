/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap: what is in the heap of a live CPython, by type, and what grows in it. No BPF, no probe:
 * memory is read.
 *
 * --growth keeps the scans of the last TIME: one every TIME / GROWTH_PARTS, and one for each USR1.
 * One thread waits for whatever comes first: the next scan, the next report, a signal, the end of
 * the target.
 */
#include "cli/commands.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fmt.h"
#include "census/growth.h"
#include "census/scan.h"
#include "cli/describe.h"
#include "cli/heap_options.h"
#include "cli/heap_trend.h"
#include "cli/outputs.h"
#include "export/heap_json.h"
#include "view/census_text.h"

#define GROWTH_PARTS 6
#define NEVER        UINT64_MAX

struct look {
	struct heap_options options;
	struct process process;
	struct py_runtime runtime;
	bool have_process, have_runtime;
	struct census *census;
	struct heap_scan *scans[GROWTH_SCANS_MAX]; /* oldest first */
	size_t n_scans;
	uint64_t n_made; /* scans */
	uint64_t n_reports;
	bool reported; /* the last scan is in a report */
	int signals;
	/* CLOCK_MONOTONIC */
	uint64_t start_ns, scan_ns, report_ns, end_ns; /* the next ones; NEVER: none */
	bool stop;
	int result; /* exit code */
};

static void complain(struct look *look, const struct err *err)
{
	fprintf(stderr, "pyleaktrace: %s\n", err->text);
	if (!look->result)
		look->result = err->code;
}

/* ---- what is asked for ------------------------------------------------------------------------------------ */

/* The type is of the module or of one below it; what has no module is of builtins. */
static bool is_of_module(const char *name, const char *module)
{
	size_t length = strlen(module);

	if (!strcmp(module, "builtins"))
		return !strchr(name, '.');
	return !strncmp(name, module, length) && name[length] == '.';
}

static bool is_wanted(const struct heap_options *options, const char *name, uint64_t count)
{
	return count >= options->min_count &&
	       (!options->module || is_of_module(name, options->module)) &&
	       (!options->have_like || regexec(&options->like, name, 0, NULL, 0) == 0);
}

/* ---- reports ---------------------------------------------------------------------------------------------- */

static void add_loss(struct profile *about, struct loss *losses, const char *name, uint64_t count,
		     const char *sentence)
{
	if (count)
		losses[about->n_losses++] = (struct loss){name, sentence, count};
}

static void describe_losses(struct profile *about, const struct heap_scan *scan)
{
	struct loss *losses = profile_alloc(about, 8 * sizeof(*losses));

	add_loss(about, losses, "swapped_bytes", scan->swapped_bytes,
		 "bytes of memory are swapped out: objects in them are not counted");
	add_loss(about, losses, "torn_pools", scan->torn_pools,
		 "pools changed each time they were read: dead objects in them may be counted");
	add_loss(about, losses, "lost_chains", scan->lost_chains,
		 "places in malloc's heaps changed while they were read: objects there may be "
		 "missed");
	add_loss(about, losses, "unasked_words", scan->unasked_words,
		 "words that may be types were not looked up: their objects are not counted");
	add_loss(about, losses, "judged", scan->judged,
		 "malloc is not glibc's: objects above 512 bytes are told by their contents alone");
	about->losses = losses;
}

static struct profile *describe(const struct look *look, const struct heap_scan *scan)
{
	struct profile *about = describe_target(&look->process, &look->runtime);

	if (!about)
		return NULL;
	about->time = scan->time;
	about->duration_s = look->n_scans ? scan->at_s - look->scans[0]->at_s : 0;
	describe_losses(about, scan);
	return about;
}

/* What standard output or one file is to show. */
struct document {
	const struct look *look;
	const struct heap_report *report;
	bool json, color;
};

static int write_document(FILE *out, const void *context, struct err *err)
{
	const struct document *document = context;
	const struct heap_options *options = &document->look->options;
	const struct census_text_options text = {
		.top = options->top, .color = document->color, .quiet = options->quiet};

	if (document->json)
		return export_heap_json(out, document->report, err);
	census_text(out, document->report, &text);
	return 0;
}

/* The rows that the user asked for. */
static int choose(const struct look *look, struct heap_report *report, struct heap_growth *growth)
{
	report->types = heap_scan_order(report->scan, look->options.order);
	if (!report->types)
		return -1;
	for (size_t i = 0; i < report->scan->n_types; i++)
		if (is_wanted(&look->options, report->types[i]->name, report->types[i]->count))
			report->types[report->n_types++] = report->types[i];
	if (!growth)
		return 0;
	heap_growth_sort(growth, look->options.order);
	report->rows = calloc(growth->n_rows + 1, sizeof(*report->rows));
	for (size_t i = 0; report->rows && i < growth->n_rows; i++) {
		const struct heap_growth_row *row = &growth->rows[i];

		if ((row->count_per_min != 0 || row->bytes_per_min != 0 || row->count_delta) &&
		    is_wanted(&look->options, row->name, row->count))
			report->rows[report->n_rows++] = row;
	}
	return report->rows ? 0 : -1;
}

/* last: to the files too, and in a machine's format to standard output */
static void report(struct look *look, bool last)
{
	const struct heap_options *options = &look->options;
	struct heap_report parts = {0};
	struct document document = {.look = look,
				    .report = &parts,
				    .json = options->json,
				    .color = outputs_want_color(options->no_color)};
	struct heap_growth *growth = NULL;
	struct profile *about;
	struct err err = ERR_INIT;

	if (!look->n_scans)
		return;
	parts.scan = look->scans[look->n_scans - 1];
	if (options->growth && look->n_scans > 1)
		growth = growth_measure(look->scans, look->n_scans);
	parts.growth = growth;
	about = describe(look, parts.scan);
	parts.about = about;
	if (!about || choose(look, &parts, growth) ||
	    (options->growth && look->n_scans > 1 && !growth)) {
		err_set(&err, ERR_FAILED, "no memory for a report");
		complain(look, &err);
	} else {
		if (options->json ? last : !last || !look->reported)
			if (write_document(stdout, &document, &err))
				complain(look, &err);
		fflush(stdout);
		document.color = false;
		for (unsigned i = 0; last && i < options->n_outputs; i++) {
			document.json = options->outputs[i].json;
			if (outputs_write(options->outputs[i].pattern, look->process.pid,
					  about->time.tv_sec, write_document, &document, &err))
				complain(look, &err);
		}
	}
	look->reported = true;
	look->n_reports++;
	free(parts.types);
	free(parts.rows);
	heap_growth_free(growth);
	profile_free(about);
}

/* ---- scans ------------------------------------------------------------------------------------------------ */

static void forget(struct look *look, size_t n)
{
	for (size_t i = 0; i < n; i++)
		heap_scan_free(look->scans[i]);
	look->n_scans -= n;
	memmove(look->scans, look->scans + n, look->n_scans * sizeof(look->scans[0]));
}

/* Scans from before the last TIME are of no use any more; half a step is given. */
static void forget_old(struct look *look, double now_s)
{
	double span = (double)look->options.growth_ns / 1e9,
	       oldest = now_s - span - span / GROWTH_PARTS / 2;
	size_t n = 0;

	while (n < look->n_scans && look->scans[n]->at_s < oldest)
		n++;
	if (look->n_scans - n == GROWTH_SCANS_MAX)
		n++;
	forget(look, n);
}

static bool scan(struct look *look)
{
	struct err err = ERR_INIT;
	struct heap_scan *made = census_scan(look->census, &err);

	if (!made) {
		complain(look, &err);
		look->stop = true;
		return false;
	}
	forget_old(look, made->at_s);
	look->scans[look->n_scans++] = made;
	look->n_made++;
	look->reported = false;
	if (look->options.verbose)
		fprintf(stderr,
			"pyleaktrace: read %s in %s, %s objects; %.1f M objects/s, %.2f GB/s\n",
			fmt_bytes(made->read_bytes).text, fmt_duration(made->duration_s).text,
			fmt_count(made->count).text, (double)made->count / made->duration_s / 1e6,
			(double)made->read_bytes / made->duration_s / 1e9);
	if (look->options.growth && !look->options.quiet)
		fprintf(stderr, "pyleaktrace: scan %llu of pid %d\n",
			(unsigned long long)look->n_made, (int)look->process.pid);
	return true;
}

/* ---- what may happen -------------------------------------------------------------------------------------- */

static void on_signal(struct look *look)
{
	struct signalfd_siginfo info;

	if (read(look->signals, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGUSR1:
		if (scan(look))
			report(look, false);
		break;
	case SIGUSR2:
		forget(look, look->n_scans);
		look->start_ns = clock_now_ns();
		scan(look);
		break;
	default:
		look->stop = true;
	}
}

static void on_time(struct look *look, uint64_t now)
{
	const struct heap_options *options = &look->options;
	bool due = now >= look->report_ns;

	if (now >= look->end_ns) {
		scan(look);
		look->stop = true;
		return;
	}
	if (now >= look->scan_ns || due)
		scan(look);
	while (look->scan_ns <= now)
		look->scan_ns += options->growth_ns / GROWTH_PARTS;
	if (!due || look->stop)
		return;
	/* the last report is made at the end of run() */
	if (!options->interval_ns || (options->count && look->n_reports + 1 >= options->count)) {
		look->stop = true;
		return;
	}
	report(look, false);
	while (look->report_ns <= now)
		look->report_ns += options->interval_ns;
}

static uint64_t next_ns(const struct look *look)
{
	uint64_t next = look->scan_ns;

	next = look->report_ns < next ? look->report_ns : next;
	return look->end_ns < next ? look->end_ns : next;
}

static void run(struct look *look)
{
	struct pollfd sources[] = {{.fd = look->signals, .events = POLLIN},
				   {.fd = look->process.pidfd, .events = POLLIN}};

	look->start_ns = clock_now_ns();
	look->scan_ns = look->start_ns + look->options.growth_ns / GROWTH_PARTS;
	look->report_ns = look->start_ns + look->options.growth_ns;
	look->end_ns =
		look->options.duration_ns ? look->start_ns + look->options.duration_ns : NEVER;
	while (!look->stop) {
		uint64_t now = clock_now_ns(), next = next_ns(look),
			 left = next > now ? next - now : 0;
		struct timespec wait = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
		int n = ppoll(sources, 2, &wait, NULL);

		if (n < 0 && errno != EINTR)
			break;
		if (sources[1].revents)
			look->stop = true;
		else if (n > 0)
			on_signal(look);
		else if (!n)
			on_time(look, clock_now_ns());
		if (ferror(stdout)) /* nobody reads us any more */
			look->stop = true;
	}
	if (look->n_scans == 1 && !look->result && process_alive(&look->process))
		scan(look);
}

/* ---- the command ------------------------------------------------------------------------------------------ */

static int take_signals(struct look *look, struct err *err)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	signal(SIGPIPE, SIG_IGN);
	/* a single scan is ended by Ctrl-C as any program is */
	if (!look->options.growth)
		return 0;
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return err_set(err, ERR_FAILED, "signals: %s", strerror(errno));
	look->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return look->signals < 0 ? err_set(err, ERR_FAILED, "signalfd: %s", strerror(errno)) : 0;
}

/* An output that cannot be written is said before anything is done. */
static int check_outputs(const struct look *look, struct err *err)
{
	int result = 0;

	for (unsigned i = 0; i < look->options.n_outputs && !result; i++)
		result = outputs_check(look->options.outputs[i].pattern, look->options.pid, err);
	return result;
}

static int open_target(struct look *look, struct err *err)
{
	int result = process_open(&look->process, look->options.pid, err);

	if (result)
		return result;
	look->have_process = true;
	result = py_runtime_find(&look->runtime, &look->process, err);
	if (result)
		return result;
	look->have_runtime = true;
	look->census = census_new(look->process.pid, &look->runtime, err);
	return look->census ? 0 : -(int)err->code;
}

static void close_all(struct look *look)
{
	forget(look, look->n_scans);
	census_free(look->census);
	if (look->have_runtime)
		py_runtime_fini(&look->runtime);
	if (look->have_process)
		process_close(&look->process);
	heap_options_fini(&look->options);
	if (look->signals >= 0)
		close(look->signals);
}

int command_heap(int argc, char **argv)
{
	struct look *look = calloc(1, sizeof(*look));
	enum options_result parsed;
	struct err err = ERR_INIT;
	int result;

	if (!look)
		return ERR_FAILED;
	look->signals = -1;
	parsed = heap_options_parse(&look->options, argc, argv);
	if (parsed != OPTIONS_RUN) {
		close_all(look);
		free(look);
		return parsed == OPTIONS_DONE ? 0 : ERR_USAGE;
	}
	if (look->options.trend) {
		result = heap_trend(&look->options);
		close_all(look);
		free(look);
		return result;
	}
	result = check_outputs(look, &err);
	if (!result)
		result = take_signals(look, &err);
	if (!result)
		result = open_target(look, &err);
	if (result)
		complain(look, &err);
	else if (scan(look) && look->options.growth)
		run(look);
	if (look->n_scans)
		report(look, true);
	result = look->result;
	close_all(look);
	free(look);
	return result;
}
