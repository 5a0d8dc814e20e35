/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Four hours of a made service, looked at each 5 s, and judged at each look: a collector's
 * sawtooth, noise, a warm-up, load that comes and goes in waves, a cache that fills to its bound.
 * Without a leak none is found; a slow one is named within half an hour, and stays named.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fit.h"
#include "base/xorshift.h"
#include "leak/judge.h"
#include "model/retention.h"
#include "model/trend.h"
#include "trend/series.h"

#define STEP_S     5.0
#define SPAN_S     (4 * 3600.0)
#define WARM_UP_S  900.0 /* until the cache is full, and that is seen */
#define NAMED_S    1800.0
#define LEAK_PER_S (1048576 / 3600.0) /* 1 MiB an hour */
#define HEALTHY    6                  /* runs */
#define LEAKY      3

/* Of the service. */
#define REQUESTS       30  /* in flight, on average */
#define WAVE           0.5 /* of them, more and less */
#define WAVE_S         3600.0
#define REQUEST_BYTES  16384.0
#define REQUEST_MALLOC 2048.0 /* of C code */
#define GARBAGE_PER_S  1000.0 /* containers */
#define FULL_AFTER     35000.0
#define GARBAGE_BYTES  130.0
#define WARM_BYTES     8e6
#define WARM_S         10.0
#define CACHE_BOUND    4096
#define CACHE_PER_S    7.0
#define CACHED_BYTES   600.0
#define LEAKED_BYTES   400.0 /* an object */
#define LOOKS_KEPT     24    /* of what holds objects, as the census does */

enum plant { NOTHING, CONTAINER, REFERENCE, C_MEMORY, PLANTS };

static const enum finding_cause cause_of[] = {
	[CONTAINER] = CAUSE_CONTAINER, [REFERENCE] = CAUSE_REFERENCE, [C_MEMORY] = CAUSE_C_MEMORY};

/* What holds objects: how many it had, as far as looks are kept. */
struct holder {
	struct retention row; /* without figures */
	double each;          /* bytes of an item */
	double items[LOOKS_KEPT];
};

enum { CACHE, ACTIVE, GARBAGE, LEAKED, HOLDERS };

struct service {
	uint64_t seed;
	enum plant plant;
	bool in_container; /* what is in flight; else it is held by frames */
	double phase;      /* of the wave */
	double since_full;
	struct trend *trend;
	struct holder holders[HOLDERS];
	size_t n_kept;
	double seconds[LOOKS_KEPT], cycle[LOOKS_KEPT];
	/* at the moment */
	double t, requests;
};

static double share(struct service *service)
{
	return xorshift_share(&service->seed);
}

/* Of a normal distribution, nearly. */
static double normal(struct service *service)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += share(service);
	return sum;
}

/* ---- the service ------------------------------------------------------------------------------
 */

static void open_service(struct service *service, unsigned run, enum plant plant, bool in_container)
{
	static const struct retention rows[HOLDERS] = {
		[CACHE] = {.kind = RETENTION_CONTAINER,
			   .path = (char *)"app.CACHE",
			   .bound = CACHE_BOUND},
		[ACTIVE] = {.kind = RETENTION_CONTAINER, .path = (char *)"app.ACTIVE"},
		[GARBAGE] = {.kind = RETENTION_GARBAGE, .path = (char *)""},
		[LEAKED] = {.kind = RETENTION_CONTAINER, .path = (char *)"app.LEAKED"},
	};
	static const double each[HOLDERS] = {CACHED_BYTES, REQUEST_BYTES, GARBAGE_BYTES,
					     LEAKED_BYTES};

	*service = (struct service){
		.seed = XORSHIFT_SEED + 1000 * run, .plant = plant, .in_container = in_container};
	for (int i = 0; i < 20; i++)
		share(service);
	service->phase = 2 * M_PI * share(service);
	service->trend = trend_new();
	for (int i = 0; i < HOLDERS; i++) {
		service->holders[i].row = rows[i];
		service->holders[i].each = each[i];
		service->holders[i].row.type = (char *)"dict";
		service->holders[i].row.item_type = (char *)"app.Item";
		service->holders[i].row.containers = 1;
		service->holders[i].row.addresses[0] = 0x1000;
	}
	if (plant == REFERENCE) {
		service->holders[LEAKED].row.kind = RETENTION_HELD;
		service->holders[LEAKED].row.path = (char *)"";
	}
}

static double load(const struct service *service)
{
	return 1 + WAVE * sin(2 * M_PI * service->t / WAVE_S + service->phase);
}

static void go_on(struct service *service)
{
	double expected;

	service->t += STEP_S;
	expected = REQUESTS * load(service);
	service->requests = fmax(0, round(expected + sqrt(expected) * normal(service)));
	service->since_full += STEP_S * GARBAGE_PER_S * load(service);
	service->since_full = fmod(service->since_full, FULL_AFTER);
}

static double warm_up(const struct service *service)
{
	return WARM_BYTES * (1 - exp(-service->t / WARM_S));
}

static double leaked(const struct service *service)
{
	return service->plant == NOTHING ? 0 : LEAK_PER_S * service->t;
}

static double items_of(struct service *service, int holder)
{
	switch (holder) {
	case CACHE:
		return fmin(CACHE_BOUND, floor(CACHE_PER_S * service->t));
	case ACTIVE:
		return service->requests;
	case GARBAGE:
		return service->since_full * (0.95 + 0.1 * share(service));
	default:
		return service->plant == CONTAINER || service->plant == REFERENCE
			       ? floor(leaked(service) / LEAKED_BYTES)
			       : 0;
	}
}

/* ---- a look -----------------------------------------------------------------------------------
 */

static void make_room(struct service *service)
{
	size_t n = 0;

	if (service->n_kept < LOOKS_KEPT)
		return;
	for (size_t i = 0; i < LOOKS_KEPT; i += 2, n++) {
		service->seconds[n] = service->seconds[i];
		service->cycle[n] = service->cycle[i];
		for (int k = 0; k < HOLDERS; k++)
			service->holders[k].items[n] = service->holders[k].items[i];
	}
	service->n_kept = n;
}

static void look(struct service *service)
{
	struct trend_look look = {.at_s = 1000 + service->t + 0.3 * share(service)};
	double held = 0, warm = warm_up(service);

	make_room(service);
	service->seconds[service->n_kept] = look.at_s;
	service->cycle[service->n_kept] = service->since_full;
	for (int i = 0; i < HOLDERS; i++) {
		double items = items_of(service, i);

		service->holders[i].items[service->n_kept] = items;
		held += items * service->holders[i].each;
	}
	service->n_kept++;
	for (enum trend_kind kind = TREND_PART_FIRST; kind <= TREND_PART_LAST; kind++)
		trend_set(&look, kind, 8 << 20);
	trend_set(&look, TREND_PART_OBJECTS, (uint64_t)(60e6 + 0.6 * warm + held));
	trend_set(&look, TREND_PART_PYMALLOC,
		  (uint64_t)(3e6 + 0.1 * warm + 2e4 * fabs(normal(service))));
	trend_set(&look, TREND_PART_MALLOC,
		  (uint64_t)(12e6 + 0.3 * warm + service->requests * REQUEST_MALLOC +
			     3e4 * fabs(normal(service)) +
			     (service->plant == C_MEMORY ? leaked(service) : 0)));
	trend_set(&look, TREND_THREADS, 8);
	trend_set(&look, TREND_SINCE_FULL, (uint64_t)service->since_full);
	trend_add(service->trend, &look);
	service->trend->have_room = true;
	service->trend->gc = (struct heap_gc){.have_enabled = true,
					      .enabled = true,
					      .have_generations = true,
					      .thresholds = {700, 10, 10},
					      .have_since_full = true,
					      .since_full = service->since_full};
}

/* As the census does it. return it grows */
static bool measure(const struct service *service, const struct holder *holder,
		    struct retention *row)
{
	size_t n = service->n_kept;
	struct fit_line line;
	enum fit_shape shape = fit_shape(service->seconds, holder->items, service->cycle, n, &line);

	*row = holder->row;
	if ((shape != FIT_STEADY && shape != FIT_UNKNOWN) || !(fit_least(line) > 0) ||
	    holder->items[n - 1] < holder->items[0] + 10)
		return false;
	row->items = (uint64_t)holder->items[n - 1];
	row->items_delta = (int64_t)(holder->items[n - 1] - holder->items[0]);
	row->span_s = service->seconds[n - 1] - service->seconds[0];
	row->items_per_s = line.slope;
	row->least_items_per_s = fit_least(line);
	row->bytes_per_s = holder->each * line.slope;
	row->least_bytes_per_s = holder->each * fit_least(line);
	row->most_bytes_per_s = 2 * row->bytes_per_s - row->least_bytes_per_s;
	row->confidence = fit_confidence(line);
	return true;
}

/* return the verdict, in a profile to be freed with end_verdict() */
static struct profile *judged(struct service *service, struct profile_retention *part,
			      struct retention rows[HOLDERS])
{
	struct profile *profile = profile_new();

	*part = (struct profile_retention){.rows = rows, .n_looks = service->n_kept};
	for (int i = 0; i < HOLDERS && service->n_kept >= 4; i++)
		if (i != ACTIVE || service->in_container)
			part->n_rows += measure(service, &service->holders[i], &rows[part->n_rows]);
	trend_measure(service->trend);
	trend_find(service->trend);
	profile->trend = service->trend;
	profile->retention = part;
	profile->target.pid = 42;
	judge(profile);
	return profile;
}

static void end_verdict(struct profile *profile)
{
	profile->trend = NULL;
	profile_free(profile);
}

/* ---- what is said -----------------------------------------------------------------------------
 */

static bool is_planted(const struct finding *finding, enum plant plant)
{
	return plant != NOTHING && finding->cause == cause_of[plant] &&
	       (plant != CONTAINER || !strcmp(finding->path, "app.LEAKED"));
}

/* Of a run. */
struct said {
	unsigned looks, leak;   /* leak: of them, with the state LEAK and without what is planted */
	unsigned late;          /* with a finding that is not true, after the warm-up */
	double named_s, lost_s; /* what is planted: named first, and not named last */
};

static void hear(struct said *said, const struct verdict *verdict, const struct service *service)
{
	size_t planted = 0;

	for (size_t i = 0; i < verdict->n_findings; i++)
		planted += is_planted(&verdict->findings[i], service->plant);
	said->looks++;
	said->leak += verdict->state == VERDICT_LEAK && !planted;
	said->late += service->t > WARM_UP_S && verdict->n_findings > planted;
	if (!planted)
		said->lost_s = service->t;
	else if (!(said->named_s > 0))
		said->named_s = service->t;
}

static struct said run(unsigned number, enum plant plant, bool in_container)
{
	struct service service;
	struct said said = {0};

	open_service(&service, number, plant, in_container);
	while (service.t < SPAN_S) {
		struct profile_retention part;
		struct retention rows[HOLDERS];
		struct profile *profile;

		go_on(&service);
		look(&service);
		profile = judged(&service, &part, rows);
		assert_non_null(profile->verdict);
		hear(&said, profile->verdict, &service);
		end_verdict(profile);
	}
	trend_free(service.trend);
	return said;
}

static void four_healthy_hours_have_no_leak(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HEALTHY; i++) {
		struct said said = run(i, NOTHING, false);

		if (said.leak || said.late)
			fail_msg("run %u: of %u looks %u say LEAK, %u have findings after the "
				 "warm-up",
				 i, said.looks, said.leak, said.late);
	}
}

/*
 * More and more requests for a quarter of an hour, all in one dict: for that long it may be taken
 * for a leak.
 */
static void what_is_in_flight_is_seldom_taken_for_a_leak(void **state)
{
	unsigned looks = 0, leak = 0;

	(void)state;
	for (unsigned i = 0; i < HEALTHY; i++) {
		struct said said = run(i, NOTHING, true);

		looks += said.looks;
		leak += said.leak;
	}
	print_message("of %u looks %u say LEAK\n", looks, leak);
	assert_true(leak <= looks / 500);
}

static void a_slow_leak_is_named_and_stays_named(void **state)
{
	(void)state;
	for (enum plant plant = CONTAINER; plant < PLANTS; plant++) {
		for (unsigned i = 0; i < LEAKY; i++) {
			struct said said = run(i, plant, false);

			if (!(said.named_s > 0) || said.lost_s > NAMED_S || said.late)
				fail_msg("%s, run %u: named after %g s, not named after %g s; %u "
					 "looks "
					 "have other findings",
					 finding_cause_name(cause_of[plant]), i, said.named_s,
					 said.lost_s, said.late);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_healthy_hours_have_no_leak),
		cmocka_unit_test(what_is_in_flight_is_seldom_taken_for_a_leak),
		cmocka_unit_test(a_slow_leak_is_named_and_stays_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
