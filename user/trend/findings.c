/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a trend shows, in sentences: each has its condition, and the figures that it rests on.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fmt.h"
#include "trend/series.h"

#define LEAST_GROWTH  (256.0 * 1024) /* bytes over the run: less is not worth a sentence */
#define LEAST_SHARE   0.001          /* and of RSS */
#define LEAST_FREE    (16ull << 20)  /* bytes */
#define FREE_SHARE    0.25           /* of RSS */
#define LEAST_THREADS 3              /* more at the end than at the beginning */
#define LEAST_FDS     8
#define LIMIT_SHARE   0.9 /* of the cgroup's limit */
#define LIMIT_AHEAD_S (7.0 * 24 * 3600)

static void say(struct trend *trend, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct trend *trend, const char *name, const char *format, ...)
{
	struct trend_finding *finding = &trend->findings[trend->n_findings];
	va_list arguments;

	if (trend->n_findings == TREND_FINDINGS_MAX)
		return;
	trend->n_findings++;
	finding->name = name;
	va_start(arguments, format);
	vsnprintf(finding->sentence, sizeof(finding->sentence), format, arguments);
	va_end(arguments);
}

static bool grows(const struct trend_row *row)
{
	return row->shape == FIT_STEADY;
}

/* By enough to be worth reporting. */
static bool grows_much(const struct trend *trend, const struct trend_row *row)
{
	double gained = (double)row->last - (double)row->first;

	return grows(row) && gained >= LEAST_GROWTH &&
	       gained >= LEAST_SHARE * (double)trend->rows[TREND_RSS].last;
}

/* "+2.0 MiB/min" */
static struct fmt per_minute(double per_s)
{
	struct fmt text;

	snprintf(text.text, sizeof(text.text), "%s%.24s/min", per_s < 0 ? "-" : "+",
		 fmt_bytes((uint64_t)((per_s < 0 ? -per_s : per_s) * 60)).text);
	return text;
}

/*
 * A count that never falls and rises from look to look: that shows a leak of things that come one
 * by one, however unevenly the looks lie in time.
 */
static bool keeps_rising(const struct trend *trend, enum trend_kind kind)
{
	const struct trend_look *before = NULL;
	size_t rises = 0, steps = 0;

	for (size_t i = 0; i < trend->n_looks; i++) {
		const struct trend_look *look = &trend->looks[i];

		if (!trend_has(look, kind))
			continue;
		if (before && look->value[kind] < before->value[kind])
			return false;
		rises += before && look->value[kind] > before->value[kind];
		steps += before != NULL;
		before = look;
	}
	return steps + 1 >= FIT_SHAPE_LEAST && 2 * rises >= steps;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* The part of RSS that grows most; NULL: none does. */
static const struct trend_row *growing_part(const struct trend *trend)
{
	const struct trend_row *most = NULL;

	for (int kind = TREND_PART_FIRST; kind <= TREND_PART_LAST; kind++) {
		const struct trend_row *row = &trend->rows[kind];

		if (row->n > 1 && row->per_s > 0 && row->last > row->first &&
		    (!most || row->per_s > most->per_s))
			most = row;
	}
	return most;
}

static double gained(const struct trend *trend, enum trend_kind kind)
{
	const struct trend_row *row = &trend->rows[kind];

	return row->n ? (double)row->last - (double)row->first : 0;
}

/*
 * After a fork two processes share their memory until one of them writes to a page: it gets a copy,
 * and both pages are private. RSS and anonymous memory stay as they are, because the page was
 * anonymous before. Where they grow, or grow and are swapped out, something else happens too, and
 * nothing is reported: a leak may hide behind it. gc.freeze() keeps the collector from writing to
 * objects; it does not keep reference counts from being written.
 */
static void find_copies(struct trend *trend)
{
	const struct trend_row *own = &trend->rows[TREND_PRIVATE];
	double copied = gained(trend, TREND_PRIVATE), least = copied / 10;
	bool frozen = trend->gc.have_frozen && trend->gc.frozen > 0;

	if ((own->shape != FIT_STEADY && own->shape != FIT_SLOWING) || copied < LEAST_GROWTH ||
	    copied < LEAST_SHARE * (double)trend->rows[TREND_RSS].last ||
	    -gained(trend, TREND_COMMON) < copied / 2)
		return;
	if (grows_much(trend, &trend->rows[TREND_RSS]) ||
	    grows_much(trend, &trend->rows[TREND_ANONYMOUS]) || gained(trend, TREND_RSS) >= least ||
	    gained(trend, TREND_ANONYMOUS) + gained(trend, TREND_SWAP) >= least)
		return;
	say(trend, "copy_on_write",
	    "Private memory grows, %s, while RSS does not: pages shared with a parent or child "
	    "since a fork are copied when they are written to, and even reading an object writes "
	    "its reference count. This is copy-on-write, not a leak; it ends when everything is "
	    "copied, after %s more at most.%s",
	    per_minute(own->per_s).text, fmt_bytes(trend->rows[TREND_COMMON].last).text,
	    frozen ? "" : " gc.freeze() before the fork keeps the collector from adding to it.");
}

static bool is_free_part(enum trend_kind kind)
{
	return kind == TREND_PART_POOLS_FREE || kind == TREND_PART_MALLOC_FREE;
}

/*
 * The rising side of a sawtooth looks like a leak as long as it lasts: of what old objects in
 * cycles leave behind, to the next full collection. (That the collector is off is a finding of its
 * own.)
 */
static const char *about_garbage(const struct trend *trend, enum trend_kind part)
{
	const struct trend_row *full = &trend->rows[TREND_FULL_COLLECTIONS];

	if ((part != TREND_PART_OBJECTS && part != TREND_PART_PYMALLOC) || full->n < 2 ||
	    full->last != full->first || !trend->gc.enabled)
		return "";
	return " No full collection ran meanwhile: garbage in cycles may be part of it.";
}

static void find_growth(struct trend *trend)
{
	const struct trend_row *rss = &trend->rows[TREND_RSS], *part = growing_part(trend);

	if (!grows_much(trend, rss))
		return;
	if (!part || part->per_s < rss->per_s / 10) {
		say(trend, "growth", "RSS grows steadily, %s.", per_minute(rss->per_s).text);
		return;
	}
	say(trend, "growth", "RSS grows steadily, %s; %.0f %% of it is %s%s.%s",
	    per_minute(rss->per_s).text,
	    100 * (part->per_s < rss->per_s ? part->per_s / rss->per_s : 1),
	    trend_label(trend, part->kind), is_free_part(part->kind) ? " (fragmentation)" : "",
	    about_garbage(trend, part->kind));
}

struct pinned {
	char text[384];
};

/* What keeps pools that are nearly free: " Pinned by 10,000 str, 12 dict." */
static struct pinned pinned_by(const struct heap_usage *room)
{
	struct pinned pinned = {""};
	size_t used = 0;

	for (unsigned i = 0; i < HEAP_PINNING && room->pinning[i].objects; i++)
		used += (size_t)snprintf(pinned.text + used, sizeof(pinned.text) - used, "%s%s %s",
					 i ? ", " : " Pinned by ",
					 fmt_count(room->pinning[i].objects).text,
					 room->pinning[i].type);
	if (used)
		snprintf(pinned.text + used, sizeof(pinned.text) - used, ".");
	return pinned;
}

/* What gives it back, by whose it is most. */
static const char *remedy(const struct heap_usage *room, const struct trend_row *pools,
			  const struct trend_row *heaps)
{
	if (pools->last >= heaps->last)
		return room->mimalloc ? "A segment goes back when all of its blocks are free: a "
					"restart of the worker gives back what is pinned."
				      : "An arena goes back when all of its pools are free: a "
					"restart of the worker gives back what is pinned.";
	if (room->side_free_bytes > room->main_free_bytes)
		return "Most of it is in heaps of threads: MALLOC_ARENA_MAX=2 in the environment "
		       "makes them fewer, another malloc such as jemalloc gives more back.";
	return "malloc_trim(0) in the program gives it back, and so does another malloc such as "
	       "jemalloc.";
}

static void find_fragmentation(struct trend *trend)
{
	const struct trend_row *pools = &trend->rows[TREND_PART_POOLS_FREE],
			       *heaps = &trend->rows[TREND_PART_MALLOC_FREE],
			       *objects = &trend->rows[TREND_PART_OBJECTS],
			       *malloc = &trend->rows[TREND_PART_MALLOC];
	uint64_t free_bytes = pools->last + heaps->last, rss = trend->rows[TREND_RSS].last;
	const char *conclusion;

	if (!trend->have_account || free_bytes < LEAST_FREE ||
	    (double)free_bytes < FREE_SHARE * (double)rss)
		return;
	if (grows_much(trend, objects) || grows_much(trend, malloc))
		conclusion = "; what is in use grows all the same";
	else if (grows_much(trend, &trend->rows[TREND_RSS]))
		conclusion = "; RSS grows all the same";
	else if (objects->shape == FIT_UNKNOWN)
		conclusion = "; five looks are needed to see whether what is in use grows";
	else
		conclusion = "; what is in use does not grow: fragmentation, not a leak";
	say(trend, "fragmentation",
	    "%s, %.0f %% of RSS, are free inside the allocators (%s %s, its %s are %.0f %% full; "
	    "malloc %s)%s. They are reused before the kernel is asked for more. %s%s",
	    fmt_bytes(free_bytes).text, 100 * (double)free_bytes / (double)rss,
	    trend->room.mimalloc ? "mimalloc" : "pymalloc", fmt_bytes(pools->last).text,
	    trend->room.mimalloc ? "segments" : "pools",
	    trend->room.pools_bytes
		    ? 100 * (double)trend->room.pools_used_bytes / (double)trend->room.pools_bytes
		    : 0,
	    fmt_bytes(heaps->last).text, conclusion, remedy(&trend->room, pools, heaps),
	    pools->last >= heaps->last ? pinned_by(&trend->room).text : "");
}

static void find_limit(struct trend *trend)
{
	const struct trend_row *row = &trend->rows[TREND_CGROUP];
	const struct trend_cgroup *cgroup = &trend->cgroup;
	double used = (double)cgroup->usage_bytes, limit = (double)cgroup->limit_bytes, left_s;

	if (!cgroup->have || !cgroup->have_limit)
		return;
	left_s = grows(row) && row->least_per_s > 0 ? (limit - used) / row->per_s : -1;
	if (left_s >= 0 && left_s < LIMIT_AHEAD_S &&
	    (double)(row->last - row->first) >= LEAST_GROWTH)
		say(trend, "limit",
		    "At this rate the control group reaches its limit of %s in %s (it uses %s, of "
		    "it "
		    "%s cache).",
		    fmt_bytes(cgroup->limit_bytes).text, fmt_duration(left_s).text,
		    fmt_bytes(cgroup->usage_bytes).text, fmt_bytes(cgroup->cache_bytes).text);
	else if (used - (double)cgroup->cache_bytes > LIMIT_SHARE * limit)
		say(trend, "limit", "The control group uses %s of its limit of %s.",
		    fmt_bytes(cgroup->usage_bytes).text, fmt_bytes(cgroup->limit_bytes).text);
}

/* ---- threads, files, the collector ---------------------------------------------------------- */

/* The place that most threads were started for; NULL: there is none. */
static const struct trend_thread *common_entry(const struct trend_threads *threads, size_t *n)
{
	const struct trend_thread *most = NULL;

	*n = 0;
	/* leaked threads are the newest; a few hundred show what they are */
	for (size_t i = 0; i < threads->n_rows && i < 256; i++) {
		const struct trend_thread *row = &threads->rows[i];
		size_t same = 0;

		for (size_t j = 0; row->entry && j < threads->n_rows; j++)
			same += threads->rows[j].entry && threads->rows[j].entry_file &&
				row->entry_file && !strcmp(row->entry, threads->rows[j].entry) &&
				!strcmp(row->entry_file, threads->rows[j].entry_file);
		if (same > *n) {
			*n = same;
			most = row;
		}
	}
	return most;
}

static void find_threads(struct trend *trend)
{
	const struct trend_row *row = &trend->rows[TREND_THREADS];
	const struct trend_threads *threads = &trend->threads;
	const struct trend_thread *entry;
	char flow[96] = "", where[160] = "";
	size_t n;

	if ((!grows(row) && !keeps_rising(trend, TREND_THREADS)) ||
	    row->last < row->first + LEAST_THREADS)
		return;
	if (threads->have_flow)
		snprintf(flow, sizeof(flow), "; %" PRIu64 " started, %" PRIu64 " ended",
			 threads->came, threads->ended);
	entry = common_entry(threads, &n);
	if (entry && n >= LEAST_THREADS)
		snprintf(where, sizeof(where), ". %zu of them are in %.48s (%.64s:%" PRIu32 ")", n,
			 entry->entry, entry->entry_file, entry->entry_line);
	say(trend, "threads", "Threads leak: %" PRIu64 " became %" PRIu64 " in %s%s%s.", row->first,
	    row->last, fmt_duration(trend_span_s(trend)).text, flow, where);
}

static void find_fds(struct trend *trend)
{
	const struct trend_row *row = &trend->rows[TREND_FDS];

	if ((grows(row) || keeps_rising(trend, TREND_FDS)) && row->last >= row->first + LEAST_FDS)
		say(trend, "files", "File descriptors leak: %" PRIu64 " became %" PRIu64 " in %s.",
		    row->first, row->last, fmt_duration(trend_span_s(trend)).text);
}

static void find_collector(struct trend *trend)
{
	const struct heap_gc *gc = &trend->gc;

	if (gc->have_enabled && !gc->enabled && gc->have_generations)
		say(trend, "collector",
		    "The collector is off: garbage in cycles stays. %" PRId32
		    " more tracked objects were made than freed since it last ran.",
		    gc->counts[0]);
	else if (gc->have_enabled && !gc->enabled)
		say(trend, "collector", "The collector is off: garbage in cycles stays.");
	if (gc->have_garbage && gc->garbage)
		say(trend, "collector", "gc.garbage keeps %s alive.",
		    fmt_things(gc->garbage, "object").text);
}

void trend_find(struct trend *trend)
{
	trend->n_findings = 0;
	find_growth(trend);
	find_copies(trend);
	find_fragmentation(trend);
	find_threads(trend);
	find_fds(trend);
	find_limit(trend);
	find_collector(trend);
}
