/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Series whose kind is known, because they were made so: steady growth is distinguished from a
 * warm-up, a step and a sawtooth, also when noise lies on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/fit.h"

#define N 13 /* points of a series, one a second */

static double noise_state;

/* -1 .. 1, the same in every run */
static double noise(void)
{
	noise_state = fmod(noise_state * 1103.515245 + 12.345, 1);
	return 2 * noise_state - 1;
}

static enum fit_shape shape_of(double (*series)(double t), double amplitude, struct fit_line *line)
{
	double x[N], y[N];

	for (size_t i = 0; i < N; i++) {
		x[i] = (double)i;
		y[i] = series((double)i) + amplitude * noise();
	}
	return fit_shape(x, y, NULL, N, line);
}

static double still(double t)
{
	(void)t;
	return 70000;
}

static double steady(double t)
{
	return 1000 + 50 * t;
}

static double faster(double t)
{
	return 1000 + 5 * t * t;
}

static double falling(double t)
{
	return 900 - 30 * t;
}

/* a cache that fills, and is full half-way; one that levels off slowly; the square root */
static double filled(double t)
{
	return t < 4 ? 250 * t : 1000;
}

static double exponential(double t)
{
	return 1000 * (1 - exp(-t / 4));
}

static double root(double t)
{
	return 100 * sqrt(t);
}

static double step(double t)
{
	return t < 5.5 ? 100 : 9000;
}

static double sawtooth(double t)
{
	return 500 + 100 * fmod(t, 3);
}

/* what a collection leaves behind grows */
static double rising_sawtooth(double t)
{
	return 500 + 100 * fmod(t, 3) + 20 * t;
}

static double hill(double t)
{
	return 1000 - fabs(t - 6) * 100;
}

static void each_series_has_its_shape(void **state)
{
	static const struct {
		double (*series)(double t);
		double amplitude; /* of the noise */
		enum fit_shape shape;
	} rows[] = {
		{still, 0, FIT_STILL},
		{steady, 0, FIT_STEADY},
		{steady, 20, FIT_STEADY},
		{faster, 0, FIT_STEADY},
		{faster, 20, FIT_STEADY},
		{falling, 0, FIT_FALLING},
		{falling, 10, FIT_FALLING},
		{filled, 0, FIT_SLOWING},
		{filled, 30, FIT_SLOWING},
		{exponential, 0, FIT_SLOWING},
		{exponential, 30, FIT_SLOWING},
		{root, 0, FIT_SLOWING},
		{step, 0, FIT_STEP},
		{step, 30, FIT_STEP},
		{sawtooth, 0, FIT_SAWTOOTH},
		{sawtooth, 10, FIT_SAWTOOTH},
		{hill, 0, FIT_SAWTOOTH},
		{rising_sawtooth, 0, FIT_STEADY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned round = 0; round < (rows[i].amplitude > 0 ? 50 : 1); round++) {
			enum fit_shape shape;

			noise_state = (double)round / 50;
			shape = shape_of(rows[i].series, rows[i].amplitude, NULL);
			if (shape != rows[i].shape)
				fail_msg("series %zu, round %u: %s", i, round,
					 fit_shape_name(shape));
		}
	}
}

/* Noise alone is never growth: what is said to be steady must be so in nearly all such series, for
 * they are many. */
static void noise_alone_is_no_growth(void **state)
{
	unsigned growth = 0;

	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		noise_state = (double)round / 1000;
		growth += shape_of(still, 100, NULL) == FIT_STEADY;
	}
	assert_true(growth <= 5);
}

/* ---- a collector ---------------------------------------------------------------------------- */

#define AMOUNT 200.0 /* of garbage, at most */

struct run {
	double period, begin, leak;
	size_t n;
};

/* Garbage that waits is an amount that goes with what was made since the last collection,
 * roughly. */
static enum fit_shape shape_with_collector(const struct run *run, bool know, struct fit_line *line)
{
	double x[FIT_POINTS_MAX], y[FIT_POINTS_MAX], cycle[FIT_POINTS_MAX];

	for (size_t i = 0; i < run->n; i++) {
		double part = fmod((double)i + run->begin, run->period) / run->period;

		x[i] = (double)i;
		cycle[i] = 70000 * part * (1 + 0.03 * noise());
		y[i] = round(9000 + run->leak * x[i] + AMOUNT * fmax(part - 0.1, 0) + 2 * noise());
	}
	return fit_shape(x, y, know ? cycle : NULL, run->n, line);
}

static unsigned steady_of_1000(double leak, size_t n, bool know, double *worst)
{
	static const double periods[] = {1.3, 2.1, 2.9, 3.7, 5.1};
	unsigned steady_ones = 0;

	*worst = 0;
	for (unsigned round = 0; round < 1000; round++) {
		const struct run run = {periods[round % 5], round * 0.013, leak, n};
		struct fit_line line;

		noise_state = (double)round / 1000;
		if (shape_with_collector(&run, know, &line) != FIT_STEADY)
			continue;
		steady_ones++;
		*worst = fmax(*worst, fabs(line.slope - leak));
	}
	return steady_ones;
}

/* On top of teeth whose cause is known a small leak is seen at once, and none where there is none.
 */
static void a_small_leak_is_seen_through_known_teeth(void **state)
{
	const double little = 0.3 * AMOUNT / 19; /* a third of a tooth, over all */
	double worst;

	(void)state;
	assert_true(steady_of_1000(0, 20, true, &worst) <= 5);
	assert_true(steady_of_1000(little, 20, true, &worst) >= 850);
	assert_true(worst < little / 3);
	assert_true(steady_of_1000(2 * little, 20, true, &worst) >= 990);
	assert_true(steady_of_1000(little, 20, false, &worst) <= 200);
}

/* The line alone, as little disturbed by the teeth. */
static void a_line_without_its_cycle_is_the_line_alone(void **state)
{
	double x[20], y[20], cycle[20];
	struct fit_line line;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		x[i] = (double)i;
		cycle[i] = fmod(x[i] * 37, 100);
		y[i] = 1000 + 3 * x[i] + 8 * cycle[i] + noise();
	}
	line = fit_line_without_cycle(x, y, cycle, 20);
	assert_float_equal(line.slope, 3, 0.2);
	assert_true(line.error > 0 && line.error < 0.1);
	assert_true(fit_line(x, y, 20).error > 5);
	line = fit_line_without_cycle(x, y, NULL, 20);
	assert_float_equal(line.error, fit_line(x, y, 20).error, 1e-12);
	/* too few to take anything out */
	line = fit_line_without_cycle(x, y, cycle, 4);
	assert_float_equal(line.slope, fit_line(x, y, 4).slope, 1e-12);
}

/* The rising side of one tooth, and a collector that does nothing: the series is what it is. */
static void without_a_collection_the_series_is_what_it_is(void **state)
{
	const struct run rising = {1000, 0, 0, 13};
	double x[13], y[13], same[13] = {0};
	struct fit_line line, alone;

	(void)state;
	for (size_t i = 0; i < 13; i++) {
		x[i] = (double)i;
		y[i] = 5 * x[i] + noise();
	}
	assert_int_equal(fit_shape(x, y, NULL, 13, &alone), FIT_STEADY);
	assert_int_equal(fit_shape(x, y, same, 13, &line), FIT_STEADY);
	assert_float_equal(line.slope, alone.slope, 1e-9);
	assert_float_equal(line.error, alone.error, 1e-9);
	/* it goes with the time */
	assert_int_equal(fit_shape(x, y, x, 13, &line), FIT_STEADY);
	assert_float_equal(line.slope, alone.slope, 1e-9);
	assert_true(shape_with_collector(&rising, true, &line) ==
		    shape_with_collector(&rising, false, &alone));
	/* nothing but teeth */
	for (size_t i = 0; i < 13; i++)
		same[i] = y[i] = (double)(i % 4);
	assert_int_equal(fit_shape(x, y, same, 13, &line), FIT_SAWTOOTH);
}

static void the_slope_is_that_of_the_line_beneath(void **state)
{
	struct fit_line line;

	(void)state;
	assert_int_equal(shape_of(steady, 0, &line), FIT_STEADY);
	assert_float_equal(line.slope, 50, 1e-9);
	assert_float_equal(fit_least(line), 50, 1e-6);
	assert_float_equal(fit_confidence(line), 1, 1e-9);
	/* not that of the teeth */
	assert_int_equal(shape_of(rising_sawtooth, 0, &line), FIT_STEADY);
	assert_float_equal(line.slope, 20, 1e-9);
	shape_of(falling, 0, &line);
	assert_float_equal(line.slope, -30, 1e-9);
	noise_state = 0.5;
	shape_of(steady, 20, &line);
	assert_true(fit_least(line) < line.slope && fit_least(line) > 40);
	assert_true(fit_confidence(line) > 0.99);
}

/* Too little to say anything of; nothing is divided by nothing. */
#define LATE_N 48

/* A program that loads 2.4 MB, and then grows by so much a point. */
static enum fit_shape shape_after_a_start(double growth, struct fit_line *line)
{
	double x[LATE_N], y[LATE_N];

	for (size_t i = 0; i < LATE_N; i++) {
		x[i] = (double)i;
		y[i] = 2.4e6 * (1 - exp(-(double)i)) + growth * (double)i + 3e4 * noise();
	}
	return fit_shape(x, y, NULL, LATE_N, line);
}

static void what_was_loaded_at_the_start_does_not_hide_what_grows(void **state)
{
	struct fit_line line;

	(void)state;
	assert_int_equal(shape_after_a_start(15000, &line), FIT_STEADY);
	assert_in_range((int)line.slope, 13500, 16500);
	assert_int_not_equal(shape_after_a_start(0, &line), FIT_STEADY);
}

static void too_few_looks_say_nothing(void **state)
{
	static const double same[] = {3, 3, 3, 3, 3, 3}, up[] = {1, 2, 3, 4, 5, 6},
			    wide[] = {0, 1, 10, 11, 100, 400};
	struct fit_line line;

	(void)state;
	assert_int_equal(fit_shape(up, up, NULL, 4, &line), FIT_UNKNOWN);
	assert_float_equal(line.slope, 1, 1e-9);
	assert_int_equal(fit_shape(up, up, NULL, 2, &line), FIT_UNKNOWN);
	assert_float_equal(fit_confidence(line), -1, 1e-9);
	assert_float_equal(fit_least(line), 1, 1e-9);
	assert_int_equal(fit_shape(up, up, NULL, 1, &line), FIT_UNKNOWN);
	assert_true(line.slope == 0);
	assert_int_equal(fit_shape(same, up, NULL, 6, &line), FIT_UNKNOWN); /* no time passed */
	assert_true(line.slope == 0);
	/* looks may lie unevenly in time */
	assert_int_equal(fit_shape(wide, wide, NULL, 6, &line), FIT_STEADY);
	assert_int_equal(fit_shape(wide, same, NULL, 6, &line), FIT_STILL);
}

/* Quantiles of Student's t from the tables that every textbook has. */
static void quantiles_of_t_are_those_of_the_tables(void **state)
{
	static const struct {
		unsigned freedom;
		double t, below;
	} rows[] = {{1, 6.314, 0.95},  {2, 2.920, 0.95},  {3, 2.353, 0.95},
		    {4, 2.132, 0.95},  {5, 4.032, 0.995}, {10, 2.228, 0.975},
		    {30, 1.697, 0.95}, {7, 0, 0.5},       {6, -1.943, 0.05}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_float_equal(fit_t_below(rows[i].t, rows[i].freedom), rows[i].below, 5e-5);
}

/* Upper ends of the 95 % interval, from the tables that every textbook has. */
static void poissons_bounds_are_those_of_the_tables(void **state)
{
	static const struct {
		double n, upper;
	} rows[] = {{0, 3.689},   {1, 5.572},   {4, 10.242},
		    {10, 18.390}, {50, 65.919}, {100, 121.627}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_float_equal(fit_poisson_upper(rows[i].n) / rows[i].upper, 1, 0.012);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_series_has_its_shape),
		cmocka_unit_test(noise_alone_is_no_growth),
		cmocka_unit_test(the_slope_is_that_of_the_line_beneath),
		cmocka_unit_test(what_was_loaded_at_the_start_does_not_hide_what_grows),
		cmocka_unit_test(too_few_looks_say_nothing),
		cmocka_unit_test(quantiles_of_t_are_those_of_the_tables),
		cmocka_unit_test(poissons_bounds_are_those_of_the_tables),
		cmocka_unit_test(a_small_leak_is_seen_through_known_teeth),
		cmocka_unit_test(a_line_without_its_cycle_is_the_line_alone),
		cmocka_unit_test(without_a_collection_the_series_is_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
