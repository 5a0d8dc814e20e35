/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Births in a list of which only the head's changes are known, from a made list that is worked on
 * as CPython does it: each entry that stays is of the stack that made it, however many die, from
 * the head or from the middle, and whatever address is used again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/xorshift.h"
#include "containers/list_births.h"

#define ENTRIES 300
#define CHANGES 6000
#define STAYING 1 /* sites */
#define ENDING  2
#define DEATHS  3
#define BEFORE  5 /* entries at the beginning */

/* Newest first. site: who made it; an entry's address may be used again when it has died. */
struct made {
	struct {
		uint64_t address;
		uint32_t site;
	} entries[ENTRIES];
	size_t n;
	struct abi_class_hit hits[CHANGES];
	size_t n_hits;
	uint64_t free[ENTRIES];
	size_t n_free;
	uint64_t next; /* address that was never used */
};

static uint64_t head(const struct made *made)
{
	return made->n ? made->entries[0].address : 0;
}

static void hit(struct made *made, uint64_t before, uint64_t ip, uint32_t site)
{
	made->hits[made->n_hits] = (struct abi_class_hit){.time_ns = made->n_hits,
							  .ip = ip,
							  .site = site,
							  .step = (int32_t)(head(made) - before)};
	made->n_hits++;
}

static void make(struct made *made, uint32_t site)
{
	uint64_t before = head(made), address;

	address = made->n_free ? made->free[--made->n_free] : (made->next += 0x1000000010);
	memmove(made->entries + 1, made->entries, made->n * sizeof(made->entries[0]));
	made->entries[0].address = address;
	made->entries[0].site = site;
	made->n++;
	hit(made, before, 0x100 + site % 2, site);
}

static void end(struct made *made, size_t i)
{
	uint64_t before = head(made);

	made->free[made->n_free++] = made->entries[i].address;
	made->n--;
	memmove(made->entries + i, made->entries + i + 1, (made->n - i) * sizeof(made->entries[0]));
	if (i == 0)
		hit(made, before, 0x200, DEATHS);
}

static void each_entry_that_stays_is_of_its_stack(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed < 200; seed++) {
		struct made *made = calloc(1, sizeof(*made));
		uint64_t random = seed, before[BEFORE], after[ENTRIES], counted[4] = {0};
		struct list_changes changes = {.before = before, .after = after};
		struct watch_hits_site *sites;
		uint64_t truth[4] = {0};
		size_t n;

		made->next = 0x7f0000000000;
		for (unsigned i = 0; i < BEFORE; i++)
			make(made, 0);
		for (unsigned i = 0; i < BEFORE; i++)
			before[i] = made->entries[i].address;
		made->n_hits = 0;
		changes.head = head(made);
		while (made->n_hits < CHANGES - 2 && made->n < ENTRIES - 1) {
			unsigned what = xorshift_next(&random) % 20;

			if (what == 0)
				make(made, STAYING);
			else if (what < 11 || made->n <= BEFORE)
				make(made, ENDING);
			else
				for (size_t i = 0; i < made->n; i++)
					if (made->entries[i].site == ENDING &&
					    xorshift_next(&random) % 3) {
						end(made, i);
						break;
					}
		}
		for (size_t i = 0; i < made->n; i++) {
			after[i] = made->entries[i].address;
			truth[made->entries[i].site]++;
		}
		changes.hits = made->hits;
		changes.n = made->n_hits;
		changes.n_before = BEFORE;
		changes.n_after = made->n;
		changes.until_ns = CHANGES;
		assert_int_equal(list_births_find(&sites, &n, &changes, NULL), 0);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(counted[sites[i].site], 0);
			counted[sites[i].site] = sites[i].inserted;
		}
		assert_true(truth[STAYING] > 20);
		for (unsigned site = STAYING; site <= DEATHS; site++)
			assert_int_equal(counted[site], truth[site]);
		free(sites);
		free(made);
	}
}

/* What came late may be work in progress. */
static void late_births_are_not_followed(void **state)
{
	const uint64_t before[] = {0x1000}, after[] = {0x3000, 0x2000, 0x1000};
	const struct abi_class_hit hits[] = {
		{.time_ns = 5, .ip = 7, .site = 1, .step = 0x1000},
		{.time_ns = 9, .ip = 7, .site = 2, .step = 0x1000},
	};
	const struct list_changes changes = {.hits = hits,
					     .n = 2,
					     .head = 0x1000,
					     .before = before,
					     .after = after,
					     .n_before = 1,
					     .n_after = 3,
					     .until_ns = 8};
	struct watch_hits_site *sites;
	size_t n;

	(void)state;
	assert_int_equal(list_births_find(&sites, &n, &changes, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(sites[0].site, 1);
	assert_int_equal(sites[0].inserted, 1);
	free(sites);
}

/* A count that goes up; the word's other half, which is the room for them, changes too. */
static void each_step_up_of_a_count_is_a_birth(void **state)
{
	const struct abi_class_hit hits[] = {
		{.time_ns = 1, .site = 1, .step = 1},  {.time_ns = 2, .site = 1, .step = 0},
		{.time_ns = 3, .site = 2, .step = 1},  {.time_ns = 4, .site = 1, .step = 1},
		{.time_ns = 5, .site = 2, .step = -3}, {.time_ns = 9, .site = 2, .step = 1}};
	const struct list_changes changes = {.hits = hits, .n = 6, .until_ns = 8};
	struct watch_hits_site *sites;
	size_t n;

	(void)state;
	assert_int_equal(list_births_count(&sites, &n, &changes, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(sites[0].inserted, 2);
	assert_int_equal(sites[1].inserted, 1);
	free(sites);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_that_stays_is_of_its_stack),
		cmocka_unit_test(late_births_are_not_followed),
		cmocka_unit_test(each_step_up_of_a_count_is_a_birth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
