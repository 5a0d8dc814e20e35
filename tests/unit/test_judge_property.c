/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The verdict on thousands of made programs whose truth is known: what grows, at which rate, in
 * which noise. Whatever it says, it must not claim more than the account of memory allows, and it
 * must name what was planted, and nothing else.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/xorshift.h"
#include "leak/judge.h"
#include "model/retention.h"
#include "model/trend.h"
#include "trend/series.h"

#define RUNS     3000
#define ROWS_MAX 4

/* What can be planted: where its memory is, and what it must be called. */
static const struct plant {
	enum trend_kind part;
	enum finding_cause cause;
	enum retention_kind row; /* of objects: what the census finds */
	bool collector_off;
} plants[] = {
	{TREND_PART_OBJECTS, CAUSE_CONTAINER, RETENTION_CONTAINER, false},
	{TREND_PART_OBJECTS, CAUSE_CONTAINER, RETENTION_MOVING, false},
	{TREND_PART_OBJECTS, CAUSE_REFERENCE, RETENTION_HELD, false},
	{TREND_PART_OBJECTS, CAUSE_CYCLE, RETENTION_GARBAGE, true},
	{TREND_PART_MALLOC, CAUSE_C_MEMORY, 0, false},
	{TREND_PART_PYMALLOC, CAUSE_PYMALLOC, 0, false},
	{TREND_PART_MAPPINGS, CAUSE_MAPPING, 0, false},
	{TREND_PART_STACKS, CAUSE_THREAD, 0, false},
};

#define PLANTS (sizeof(plants) / sizeof(plants[0]))

/* What makes memory go up without a leak. */
enum harmless { NOTHING, WARM_UP, SAWTOOTH, GARBAGE, TABLES, HARMLESS };

#define STACK_BYTES 100e3 /* of a thread */

struct truth {
	double per_s[PLANTS]; /* 0: not planted */
	enum harmless harmless;
	double harmless_bytes;
	double noise; /* bytes, up and down, of each part */
	unsigned looks;
	double step_s;
};

struct made {
	struct profile *profile;
	struct trend *trend;
	struct profile_retention part;
	struct retention rows[ROWS_MAX + 2];
};

static uint64_t seed;

/* return 0 .. 1 */
static double chance(void)
{
	return (double)(xorshift_next(&seed) >> 11) / 9007199254740992.0;
}

static double between(double least, double most)
{
	return least + chance() * (most - least);
}

/* Up to `planted` leaks, the largest at most a hundred times the smallest. */
static struct truth draw(unsigned planted)
{
	struct truth truth = {.looks = 12 + (unsigned)between(0, 60), .step_s = between(2.6, 6)};
	double span_s = truth.looks * truth.step_s, least = between(1500, 50000), largest = 0;

	for (unsigned i = 0; i < planted; i++) {
		double per_s = between(least, 20 * least);

		truth.per_s[(size_t)(chance() * PLANTS)] = per_s;
	}
	for (size_t i = 0; i < PLANTS; i++)
		largest = fmax(largest, truth.per_s[i]);
	/* each leak is well above the noise, or there is none */
	truth.noise = planted ? least * span_s / 200 : between(0, 2e6);
	truth.harmless = (enum harmless)(chance() * HARMLESS);
	truth.harmless_bytes = planted ? 0 : between(0, 4e6);
	return truth;
}

static double harmless_at(const struct truth *truth, double share)
{
	switch (truth->harmless) {
	case WARM_UP: /* over long before the end */
		return truth->harmless_bytes * (1 - exp(-20 * share));
	case SAWTOOTH:
		return truth->harmless_bytes * fmod(share * 7.3, 1);
	case GARBAGE:
	case TABLES:
		return truth->harmless_bytes * share;
	default:
		return 0;
	}
}

static void add_look(struct made *made, const struct truth *truth, unsigned i)
{
	double t = i * truth->step_s + between(-0.2, 0.2), span = truth->looks * truth->step_s;
	double parts[TREND_KINDS] = {0};
	struct trend_look look = {.at_s = 1000 + t};

	parts[TREND_PART_OBJECTS] = harmless_at(truth, t / span);
	for (size_t k = 0; k < PLANTS; k++)
		parts[plants[k].part] += truth->per_s[k] * t;
	for (enum trend_kind kind = TREND_PART_FIRST; kind <= TREND_PART_LAST; kind++)
		trend_set(&look, kind,
			  (uint64_t)(50e6 + parts[kind] +
				     (kind == TREND_PART_STACKS ? 0 : between(0, truth->noise))));
	trend_set(&look, TREND_THREADS,
		  5 + (uint64_t)fmax(parts[TREND_PART_STACKS] / STACK_BYTES, 0));
	trend_add(made->trend, &look);
}

static void add_row(struct made *made, enum retention_kind kind, double bytes_per_s, double span_s)
{
	double measured = bytes_per_s * between(0.97, 1.03);

	made->rows[made->part.n_rows++] = (struct retention){
		.kind = kind,
		.path = (char *)(kind == RETENTION_CONTAINER ? "app.CACHE" : ""),
		.type = (char *)"dict",
		.containers = 1,
		.addresses = {0x1000},
		.item_type = (char *)"app.Item",
		.items = 1000,
		.items_per_s = measured / 100,
		.bytes_per_s = measured,
		.least_bytes_per_s = measured * 0.9,
		.most_bytes_per_s = measured * 1.1,
		.confidence = 0.9999,
		.span_s = span_s,
	};
}

static void make(struct made *made, const struct truth *truth)
{
	double span_s = truth->looks * truth->step_s;
	bool collector_on = true;

	memset(made, 0, sizeof(*made));
	made->profile = profile_new();
	made->trend = trend_new();
	for (unsigned i = 0; i < truth->looks; i++)
		add_look(made, truth, i);
	trend_measure(made->trend);
	for (size_t k = 0; k < PLANTS; k++) {
		if (plants[k].part == TREND_PART_OBJECTS && truth->per_s[k] > 0)
			add_row(made, plants[k].row, truth->per_s[k], span_s);
		collector_on &= !(plants[k].collector_off && truth->per_s[k] > 0);
	}
	if (truth->harmless == GARBAGE && truth->harmless_bytes > 0)
		add_row(made, RETENTION_GARBAGE, truth->harmless_bytes / span_s, span_s);
	if (truth->harmless == TABLES && truth->harmless_bytes > 0)
		add_row(made, RETENTION_FIXED, truth->harmless_bytes / span_s, span_s);
	made->trend->have_room = true;
	made->trend->gc = (struct heap_gc){.have_enabled = true,
					   .enabled = collector_on,
					   .have_generations = true,
					   .thresholds = {700, 10, 10}};
	made->part.rows = made->rows;
	made->part.n_looks = truth->looks;
	made->profile->trend = made->trend;
	made->profile->retention = &made->part;
	made->profile->target.pid = 42;
}

static void end(struct made *made)
{
	made->profile->trend = NULL;
	trend_free(made->trend);
	profile_free(made->profile);
}

/* What always holds. */
static void check_sums(const struct verdict *verdict, unsigned run)
{
	double sum = 0;

	for (size_t i = 0; i < verdict->n_findings; i++) {
		const struct finding *finding = &verdict->findings[i];

		sum += finding->bytes_per_s;
		if (!(isfinite(finding->bytes_per_s) && finding->least_per_s >= 0 &&
		      finding->bytes_per_s >= finding->least_per_s &&
		      finding->most_per_s >= finding->bytes_per_s))
			fail_msg("run %u: %g .. %g .. %g", run, finding->least_per_s,
				 finding->bytes_per_s, finding->most_per_s);
		if (!(finding->share >= 0 && finding->share <= 1 && finding->confidence <= 1))
			fail_msg("run %u: share %g", run, finding->share);
		assert_true(finding->sentence && *finding->sentence);
		assert_true(finding->n_evidence <= FINDING_EVIDENCE);
	}
	if (sum > verdict->growth_per_s * (1 + 1e-9) && verdict->n_findings)
		fail_msg("run %u: findings %g, growth %g", run, sum, verdict->growth_per_s);
	/* what is left is a row, or less than 5 % */
	if (verdict->n_findings && fabs(sum + verdict->unexplained_per_s - verdict->growth_per_s) >
					   0.051 * verdict->growth_per_s)
		fail_msg("run %u: findings %g and the rest %g, growth %g", run, sum,
			 verdict->unexplained_per_s, verdict->growth_per_s);
	assert_true(verdict->explained <= 1 && verdict->unexplained_per_s >= 0);
}

static double planted_of(const struct truth *truth, enum finding_cause cause)
{
	double sum = 0;

	for (size_t k = 0; k < PLANTS; k++)
		sum += plants[k].cause == cause ? truth->per_s[k] : 0;
	return sum;
}

static double found_of(const struct verdict *verdict, enum finding_cause cause)
{
	double sum = 0;

	for (size_t i = 0; i < verdict->n_findings; i++)
		sum += verdict->findings[i].cause == cause ? verdict->findings[i].bytes_per_s : 0;
	return sum;
}

/* What comes with each thread is the thread's, as little as it is. */
static bool comes_with_threads(const struct truth *truth, enum finding_cause cause, double planted)
{
	double threads_per_s = planted_of(truth, CAUSE_THREAD) / STACK_BYTES;

	return threads_per_s > 0 &&
	       (cause == CAUSE_THREAD || cause == CAUSE_C_MEMORY || cause == CAUSE_MAPPING ||
		cause == CAUSE_PYMALLOC) &&
	       planted < (cause == CAUSE_THREAD ? INFINITY : 1.2 * 16384 * threads_per_s);
}

/* Little beside what objects grow by: it may be theirs. */
static bool may_be_of_objects(const struct truth *truth, enum finding_cause cause, double planted)
{
	double objects = 0;

	for (size_t k = 0; k < PLANTS; k++)
		objects += plants[k].part == TREND_PART_OBJECTS ? truth->per_s[k] : 0;
	return (cause == CAUSE_C_MEMORY || cause == CAUSE_PYMALLOC) && planted < 0.035 * objects;
}

/* The largest is the first, if it is the largest by far. */
static void check_first(const struct truth *truth, const struct verdict *verdict, unsigned run)
{
	double first = 0, second = 0;
	enum finding_cause largest = 0;

	for (size_t k = 0; k < PLANTS; k++) {
		if (truth->per_s[k] > first) {
			second = first;
			first = truth->per_s[k];
			largest = plants[k].cause;
		} else {
			second = fmax(second, truth->per_s[k]);
		}
	}
	if (first > 1.5 * second && verdict->findings[0].cause != largest)
		fail_msg("run %u: %s is the first", run,
			 finding_cause_name(verdict->findings[0].cause));
}

static void check_named(const struct truth *truth, const struct verdict *verdict, unsigned run)
{
	for (unsigned cause = 0; cause < CAUSE_COUNT; cause++) {
		double planted = planted_of(truth, cause), found = found_of(verdict, cause);

		if (!comes_with_threads(truth, cause, planted) &&
		    !may_be_of_objects(truth, cause, planted) &&
		    fabs(found - planted) > 0.2 * planted)
			fail_msg("run %u: %s: %g planted, %g found", run, finding_cause_name(cause),
				 planted, found);
	}
	check_first(truth, verdict, run);
}

static void what_is_planted_is_named_and_adds_up(void **state)
{
	(void)state;
	seed = XORSHIFT_SEED;
	for (unsigned run = 0; run < RUNS; run++) {
		const struct truth truth = draw(1 + run % 3);
		struct made made;

		make(&made, &truth);
		judge(made.profile);
		assert_non_null(made.profile->verdict);
		check_sums(made.profile->verdict, run);
		check_named(&truth, made.profile->verdict, run);
		assert_true(made.profile->verdict->state == VERDICT_LEAK ||
			    made.profile->verdict->state == VERDICT_GROWING);
		end(&made);
	}
}

static void where_nothing_is_planted_nothing_is_found(void **state)
{
	unsigned wrong = 0, leaks = 0;

	(void)state;
	seed = XORSHIFT_SEED;
	for (unsigned run = 0; run < RUNS; run++) {
		const struct truth truth = draw(0);
		struct made made;

		make(&made, &truth);
		judge(made.profile);
		check_sums(made.profile->verdict, run);
		wrong += made.profile->verdict->n_findings > 0 ||
			 made.profile->verdict->state == VERDICT_GROWING;
		leaks += made.profile->verdict->state == VERDICT_LEAK;
		end(&made);
	}
	print_message("of %u without a leak %u were said to grow, %u to leak\n", RUNS, wrong,
		      leaks);
	assert_true(leaks <= RUNS / 1000);
	assert_true(wrong <= RUNS / 100);
}

static double odd_number(void)
{
	static const double numbers[] = {0, -1, 1, 1e18, -1e18, 1e300, INFINITY, -INFINITY, NAN};

	return numbers[(size_t)(chance() * (sizeof(numbers) / sizeof(numbers[0])))];
}

/* Numbers that no measurement makes: nothing is claimed of them, and nothing breaks. */
static void odd_numbers_claim_nothing(void **state)
{
	(void)state;
	seed = XORSHIFT_SEED;
	for (unsigned run = 0; run < RUNS; run++) {
		const struct truth truth = draw(1 + run % 3);
		struct made made;

		make(&made, &truth);
		for (size_t i = 0; i < made.part.n_rows; i++) {
			struct retention *row = &made.rows[i];

			row->bytes_per_s = odd_number();
			row->least_bytes_per_s = odd_number();
			row->most_bytes_per_s = odd_number();
			row->items_per_s = odd_number();
			row->span_s = odd_number();
			row->items = run % 2 ? UINT64_MAX : 0;
			row->containers = run % 3;
		}
		made.trend->looks[run % made.trend->n_looks].value[TREND_PART_MALLOC] = UINT64_MAX;
		trend_measure(made.trend);
		judge(made.profile);
		check_sums(made.profile->verdict, run);
		end(&made);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_planted_is_named_and_adds_up),
		cmocka_unit_test(where_nothing_is_planted_nothing_is_found),
		cmocka_unit_test(odd_numbers_claim_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
