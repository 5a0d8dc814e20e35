/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How many blocks a survivor stands for, by made survivors and a made census: the functions of
 * monitor and survivors that estimates asks are this file's.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "trace/estimates.h"

#define N(array) (sizeof(array) / sizeof(array[0]))

/* ---- the census and the windows that are made ----------------------------------------------- */

static struct {
	struct heap_growth growth;
	double other_blocks_per_s;
	bool grows; /* what heap_monitor_grows() says of every row */
	bool in_use_known;
	double in_use_least_per_s, in_use_most_per_s;
	const struct survivor *survivors;
	size_t n_survivors;
} made;

bool heap_monitor_grows(const struct heap_growth_row *row)
{
	(void)row;
	return made.grows;
}

void heap_monitor_growth(struct heap_monitor *monitor,
			 void (*see)(void *context, const struct heap_growth *growth),
			 void *context)
{
	(void)monitor;
	see(context, &made.growth);
}

bool heap_monitor_in_use(struct heap_monitor *monitor, double *least_per_s, double *most_per_s)
{
	(void)monitor;
	if (made.in_use_known) {
		*least_per_s = made.in_use_least_per_s;
		*most_per_s = made.in_use_most_per_s;
	}
	return made.in_use_known;
}

double heap_monitor_other_blocks(struct heap_monitor *monitor)
{
	(void)monitor;
	return made.other_blocks_per_s;
}

void survivors_each(struct survivors *survivors,
		    void (*see)(void *context, const struct survivor *survivor), void *context)
{
	(void)survivors;
	for (size_t i = 0; i < made.n_survivors; i++)
		see(context, &made.survivors[i]);
}

/* ---- */

#define PASSED_S 60.0

/* 10 s of the target's own work, of which the windows' first halves were 0.5 s. */
static const struct governor_state state = {
	.own_ns = 10e9,
	.parts = {{.domains = 1u << ABI_MALLOC,
		   .windows = {.cpu_ns = 1e9,
			       .own_half_ns = 0.5e9,
			       .own_half_least = 0.4e9,
			       .own_half_most = 0.6e9}},
		  {.domains = 1u << ABI_OBJECT,
		   .windows = {.cpu_ns = 1e9,
			       .own_half_ns = 0.1e9,
			       .own_half_least = 0.1e9,
			       .own_half_most = 0.1e9}}},
};

static const struct survivor session = {
	.size = 100, .weight = 1, .domain = ABI_OBJECT, .type_index = 2, .type = "app.Session"};
static const struct survivor node = {
	.size = 50, .weight = 1, .domain = ABI_OBJECT, .type_index = 3, .type = "app.Node"};
static const struct survivor buffer = {
	.size = 200, .weight = 1, .domain = ABI_OBJECT, .type_index = 0, .type = "[buffer]"};
static const struct survivor lost = {.size = 700, .weight = 1, .domain = ABI_MALLOC};

static int setup(void **unused)
{
	(void)unused;
	memset(&made, 0, sizeof(made));
	made.grows = true;
	return 0;
}

static struct snapshot_scale scale_of(const struct survivor *survivor, bool census)
{
	int monitor; /* its address stands for one */
	struct estimates *estimates = estimates_new(
		&state, NULL, census ? (struct heap_monitor *)&monitor : NULL, PASSED_S);
	struct snapshot_scale scale;

	assert_non_null(estimates);
	scale = estimates_scale(estimates, survivor);
	estimates_free(estimates);
	return scale;
}

static void expect(double value, double wanted)
{
	if (!(fabs(value - wanted) <= 1e-9 * fabs(wanted)))
		fail_msg("%.9g is not %.9g", value, wanted);
}

/* Objects by the growth of their type; buffers as all types that grow; what does not grow stands
 * for nothing. */
static void objects_are_scaled_to_the_growth_of_their_type(void **unused)
{
	const struct survivor survivors[] = {session, session, session, node, buffer};
	struct heap_growth_row rows[] = {{.name = "app.Session",
					  .count_per_min = 1200,
					  .least_count_per_min = 1020,
					  .bytes_per_min = 1e9,
					  .confidence = 0.99},
					 {.name = "app.Other",
					  .count_per_min = 5000,
					  .least_count_per_min = 4000,
					  .confidence = 0.99},
					 {.name = "app.Node",
					  .count_per_min = 300,
					  .least_count_per_min = -10,
					  .confidence = 0.9}};

	(void)unused;
	made.survivors = survivors;
	made.n_survivors = N(survivors);
	made.growth = (struct heap_growth){.n_scans = 5, .rows = rows, .n_rows = N(rows)};
	expect(scale_of(&session, true).blocks, 400);
	expect(scale_of(&session, true).error, 100.0 / 1200);
	expect(scale_of(&node, true).blocks, 0);
	expect(scale_of(&buffer, true).blocks, 400);
	/* a census that knows nothing yet: by the work */
	made.growth.n_scans = 2;
	expect(scale_of(&session, true).blocks, 100);
	expect(scale_of(&node, false).blocks, 100);
	/* none of it grows for sure */
	made.growth.n_scans = 5;
	made.grows = false;
	expect(scale_of(&session, true).blocks, 0);
}

/* They make no more bytes than the census has seen come. */
static void objects_are_no_more_than_the_bytes_that_grew(void **unused)
{
	const struct survivor survivors[] = {session, session, session, buffer};
	struct heap_growth_row row = {.name = "app.Session",
				      .count_per_min = 1200,
				      .least_count_per_min = 1020,
				      .bytes_per_min = 100000,
				      .confidence = 0.99};

	(void)unused;
	made.survivors = survivors;
	made.n_survivors = N(survivors);
	made.growth = (struct heap_growth){.n_scans = 5, .rows = &row, .n_rows = 1};
	/* it would be 400 for each of 500 bytes */
	expect(scale_of(&session, true).blocks, 200);
	expect(scale_of(&buffer, true).blocks, 200);
	row.bytes_per_min = 0;
	expect(scale_of(&session, true).blocks, 0);
}

/* C code's blocks by the work, and no more bytes than have come into use; gone ones do not
 * count. */
static void native_blocks_are_scaled_by_the_windows(void **unused)
{
	struct survivor survivors[] = {lost, lost, lost};

	(void)unused;
	survivors[1].weight = 4;
	survivors[2].gone = true;
	made.survivors = survivors;
	made.n_survivors = N(survivors);
	expect(scale_of(&lost, true).blocks, 20);
	expect(scale_of(&lost, true).error, 0.1);
	made.in_use_known = true;
	made.in_use_most_per_s = 1e6;
	made.in_use_least_per_s = 1e3;
	expect(scale_of(&lost, true).blocks, 20);
	expect(scale_of(&lost, true).error, 0.1);
	/* 5 blocks of 700 bytes have survived, and would be 100 */
	made.in_use_most_per_s = 50 * 700 / PASSED_S;
	made.in_use_least_per_s = 1;
	expect(scale_of(&lost, true).blocks, 10);
	/* it may be that nothing has come into use: the blocks' places may have others by now */
	made.in_use_most_per_s = 1e6;
	made.in_use_least_per_s = 0;
	expect(scale_of(&lost, true).blocks, 20);
	expect(scale_of(&lost, true).error, 1);
	made.in_use_most_per_s = 0;
	expect(scale_of(&lost, true).blocks, 0);
}

/* Blocks of CPython's allocators that are no part of an object grow by themselves. */
static void buffers_of_no_object_have_their_own_growth(void **unused)
{
	const struct survivor survivors[] = {buffer, buffer};

	(void)unused;
	made.growth.n_scans = 10;
	made.survivors = survivors;
	made.n_survivors = 2;
	expect(scale_of(&buffer, true).blocks, 0);
	made.other_blocks_per_s = 100;
	expect(scale_of(&buffer, true).blocks, 100 * PASSED_S / 400);
}

/* Of ten windows, only what has outlived five of them counts, for as much of the work as the first
 * five were. */
static void what_windows_have_not_proven_yet_does_not_count(void **unused)
{
	struct governor_state many = state;
	struct survivor young = lost, old = lost;
	struct estimates *estimates;

	(void)unused;
	many.parts[0].windows.n = 10;
	young.age = 4;
	old.age = 5;
	estimates = estimates_new(&many, NULL, NULL, PASSED_S);
	assert_non_null(estimates);
	expect(estimates_scale(estimates, &young).blocks, 0);
	expect(estimates_scale(estimates, &old).blocks, 10 / 0.5 * 2);
	estimates_free(estimates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(objects_are_scaled_to_the_growth_of_their_type, setup),
		cmocka_unit_test_setup(buffers_of_no_object_have_their_own_growth, setup),
		cmocka_unit_test_setup(what_windows_have_not_proven_yet_does_not_count, setup),
		cmocka_unit_test_setup(objects_are_no_more_than_the_bytes_that_grew, setup),
		cmocka_unit_test_setup(native_blocks_are_scaled_by_the_windows, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
