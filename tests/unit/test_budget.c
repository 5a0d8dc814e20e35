/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One income for two who spend it: what each may lease, whatever the other does.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "govern/budget.h"

#define MS      1e6
#define S       1e9

#define CAUTION 1.5
#define CEILING 0.05
/* of a core that the target uses for itself */
#define INCOME                     (0.8 * CEILING)

#define assert_near(value, wanted) assert_true(fabs((value) - (wanted)) <= 0.001 * fabs(wanted))

/* Time passes in ticks, in which the target uses this many cores for itself, and what was taken. */
static void pass(struct budget *budget, double cores, double ns)
{
	for (double passed = 0; passed < ns; passed += 50 * MS)
		budget_pass(budget, 50 * MS, cores * 50 * MS + budget->uncounted_ns);
}

static void open_for(struct budget *budget, bool tracing, bool watchpoints)
{
	budget_init(budget, CEILING);
	if (tracing)
		budget_join(budget, BUDGET_TRACING, 0);
	if (watchpoints)
		budget_join(budget, BUDGET_WATCHPOINTS, 0);
}

/* Lease all that is available, spend it all, or a multiple of it, and give it back. */
static double spend(struct budget *budget, enum budget_user user, double times)
{
	double ns = budget_lease(budget, user, 0.1 * MS) * times;

	budget_charge(budget, user, ns, 0);
	budget_return(budget, user);
	return ns;
}

static void who_is_alone_has_the_whole_income(void **state)
{
	(void)state;
	for (unsigned user = 0; user < BUDGET_USERS; user++) {
		struct budget budget;

		open_for(&budget, user == BUDGET_TRACING, user == BUDGET_WATCHPOINTS);
		pass(&budget, 1, 5 * S);
		assert_near(budget_lease(&budget, user, 0), INCOME * 5 * S / CAUTION);
		budget_fini(&budget);
	}
}

static void two_users_never_spend_more_than_comes_in(void **state)
{
	static const double periods_s[][2] = {{0.05, 0.05}, {0.05, 13}, {13, 0.05}, {7, 5}};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		double spent = 0, next_s[2] = {periods_s[i][0], periods_s[i][1]};
		struct budget budget;

		open_for(&budget, true, true);
		for (double s = 0.05; s < 300; s += 0.05) {
			double taken = 0;

			for (unsigned user = 0; user < BUDGET_USERS; user++)
				if (s >= next_s[user]) {
					taken += spend(&budget, user, 1);
					next_s[user] += periods_s[i][user];
				}
			spent += taken;
			budget_pass(&budget, 50 * MS, 50 * MS + taken);
			assert_true(CAUTION * spent <= INCOME * s * S + 1);
		}
		/* and all of it is available */
		if (i == 0)
			assert_true(CAUTION * spent > 0.99 * INCOME * 299 * S);
		budget_fini(&budget);
	}
}

static void nobody_waits_for_the_other(void **state)
{
	static const double parts[BUDGET_USERS] = {0.7, 0.3};

	(void)state;
	for (unsigned user = 0; user < BUDGET_USERS; user++) {
		unsigned other = 1 - user;
		struct budget budget;
		double had = 0;

		open_for(&budget, true, true);
		for (unsigned i = 0; i < 6000; i++) {
			/* it takes what it can, and twice as much */
			spend(&budget, other, 2);
			had += spend(&budget, user, 1);
			pass(&budget, 1, 50 * MS);
		}
		assert_true(had >= 0.95 * parts[user] * INCOME * 300 * S / CAUTION);
		budget_fini(&budget);
	}
}

static void what_one_does_not_spend_is_the_others(void **state)
{
	struct budget budget;
	double had = 0;

	(void)state;
	open_for(&budget, true, true);
	/* until there is no room for more */
	pass(&budget, 1, 60 * S);
	spend(&budget, BUDGET_TRACING, 1);
	for (unsigned i = 0; i < 1200; i++) {
		pass(&budget, 1, 50 * MS);
		had += spend(&budget, BUDGET_TRACING, 1);
	}
	assert_near(had, INCOME * 60 * S / CAUTION);
	/* and what was saved is there all the same */
	assert_near(budget_lease(&budget, BUDGET_WATCHPOINTS, 0), 0.3 * INCOME * 20 * S / CAUTION);
	budget_fini(&budget);
}

static void a_target_that_sleeps_gives_each_its_part_of_the_floor(void **state)
{
	static const double parts[BUDGET_USERS] = {0.7, 0.3};
	struct budget budget;

	(void)state;
	budget_init(&budget, CEILING);
	for (unsigned user = 0; user < BUDGET_USERS; user++)
		budget_join(&budget, user, S);
	pass(&budget, 0, 100 * S);
	for (unsigned user = 0; user < BUDGET_USERS; user++)
		assert_near(budget_lease(&budget, user, 0),
			    parts[user] * BUDGET_FLOOR * 100 * S / CAUTION);
	budget_fini(&budget);
}

static void a_lease_is_of_what_is_wanted_or_nothing(void **state)
{
	struct budget budget;
	double most = INCOME * S / CAUTION;

	(void)state;
	open_for(&budget, true, false);
	assert_true(budget_is_spent(&budget, BUDGET_TRACING));
	pass(&budget, 1, S);
	assert_true(budget_lease(&budget, BUDGET_TRACING, 1.01 * most) == 0);
	assert_true(budget_is_spent(&budget, BUDGET_TRACING));
	assert_near(budget_lease(&budget, BUDGET_TRACING, 0.99 * most), most);
	assert_false(budget_is_spent(&budget, BUDGET_TRACING));
	budget_return(&budget, BUDGET_TRACING);
	assert_true(budget_is_spent(&budget, BUDGET_TRACING));
	budget_fini(&budget);
}

static void measured_costs_are_charged_with_caution_and_bounds_as_they_are(void **state)
{
	struct budget budget;
	double ns;

	(void)state;
	open_for(&budget, true, false);
	pass(&budget, 1, S);
	ns = budget_lease(&budget, BUDGET_TRACING, 0);
	budget_charge(&budget, BUDGET_TRACING, 0.5 * ns, 0.49 * ns * CAUTION);
	assert_false(budget_is_spent(&budget, BUDGET_TRACING));
	budget_charge(&budget, BUDGET_TRACING, 0, 0.02 * ns * CAUTION);
	assert_true(budget_is_spent(&budget, BUDGET_TRACING));
	assert_near(budget_charged(&budget, BUDGET_TRACING), 0.5 * ns + 0.51 * ns * CAUTION);
	budget_fini(&budget);
}

static void what_is_owed_is_earned_before_the_next_lease(void **state)
{
	struct budget budget;

	(void)state;
	open_for(&budget, false, true);
	pass(&budget, 1, 20 * S);
	/* as much as comes in in 25 s, where 20 s' have been saved */
	budget_charge(&budget, BUDGET_WATCHPOINTS, 0, INCOME * 25 * S);
	assert_near(budget_level_s(&budget, BUDGET_WATCHPOINTS), -5.0);
	pass(&budget, 1, 2 * S);
	assert_true(budget_lease(&budget, BUDGET_WATCHPOINTS, 0) == 0);
	pass(&budget, 1, 3.2 * S);
	assert_true(budget_lease(&budget, BUDGET_WATCHPOINTS, 0) > 0);
	budget_fini(&budget);
}

static void a_lease_that_nobody_gave_back_ends_with_its_user(void **state)
{
	struct budget budget;
	double saved;

	(void)state;
	open_for(&budget, true, true);
	pass(&budget, 1, 4 * S);
	saved = budget_lease(&budget, BUDGET_WATCHPOINTS, 0);
	assert_true(saved > 0);
	budget_leave(&budget, BUDGET_WATCHPOINTS);
	assert_true(budget_is_spent(&budget, BUDGET_WATCHPOINTS));
	assert_true(budget_lease(&budget, BUDGET_WATCHPOINTS, 0) == 0);
	/* what it had is not lost, and what comes in is the other's */
	pass(&budget, 1, S);
	assert_near(budget_lease(&budget, BUDGET_TRACING, 0), INCOME * 5 * S / CAUTION);
	budget_fini(&budget);
}

static void what_a_user_owes_stays_when_it_leaves(void **state)
{
	struct budget budget;

	(void)state;
	open_for(&budget, true, true);
	pass(&budget, 1, 4 * S);
	budget_charge(&budget, BUDGET_WATCHPOINTS, 0, INCOME * 2 * S);
	budget_leave(&budget, BUDGET_WATCHPOINTS);
	assert_near(budget_lease(&budget, BUDGET_TRACING, 0), INCOME * 2 * S / CAUTION);
	budget_fini(&budget);
}

/* The target's own work is what it used without what was taken, whenever that is charged. */
static void what_was_taken_earns_nothing(void **state)
{
	struct budget budget;

	(void)state;
	open_for(&budget, true, true);
	for (unsigned i = 0; i < 20; i++) {
		budget_charge(&budget, BUDGET_WATCHPOINTS, 0, i % 2 ? 0 : 60 * MS);
		budget_pass(&budget, 50 * MS, 50 * MS);
	}
	/* of a second 600 ms were taken; for half of it there is the floor */
	assert_near(budget_level(&budget, BUDGET_TRACING),
		    0.7 * (INCOME * 0.4 + BUDGET_FLOOR * 0.5) * S);
	budget_fini(&budget);
}

/* Nothing of that is earned, or makes a level that is no number; nor is a huge charge never paid.
 */
static void hostile_numbers_count_as_nothing(void **state)
{
	static const double hostile[] = {-1, -INFINITY, INFINITY, NAN};
	struct budget budget;

	(void)state;
	open_for(&budget, true, true);
	for (unsigned i = 0; i < 4; i++) {
		budget_pass(&budget, hostile[i], S);
		budget_pass(&budget, 0, S);
		budget_charge(&budget, BUDGET_TRACING, hostile[i], hostile[i]);
		assert_true(budget_level(&budget, BUDGET_TRACING) == 0);
		assert_true(budget_charged(&budget, BUDGET_TRACING) == 0);
		assert_true(budget_lease(&budget, BUDGET_TRACING, hostile[i]) == 0);
		budget_join(&budget, BUDGET_WATCHPOINTS, hostile[i]);
	}
	budget_pass(&budget, S, NAN);
	assert_near(budget_level(&budget, BUDGET_TRACING), 0.7 * BUDGET_FLOOR * S);
	for (unsigned user = 0; user < BUDGET_USERS; user++)
		budget_charge(&budget, user, 1e300, 1e300);
	pass(&budget, 1, 90 * S);
	for (unsigned user = 0; user < BUDGET_USERS; user++)
		assert_true(budget_lease(&budget, user, 0) > 0);
	budget_fini(&budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_alone_has_the_whole_income),
		cmocka_unit_test(two_users_never_spend_more_than_comes_in),
		cmocka_unit_test(nobody_waits_for_the_other),
		cmocka_unit_test(what_one_does_not_spend_is_the_others),
		cmocka_unit_test(a_target_that_sleeps_gives_each_its_part_of_the_floor),
		cmocka_unit_test(a_lease_is_of_what_is_wanted_or_nothing),
		cmocka_unit_test(measured_costs_are_charged_with_caution_and_bounds_as_they_are),
		cmocka_unit_test(what_is_owed_is_earned_before_the_next_lease),
		cmocka_unit_test(a_lease_that_nobody_gave_back_ends_with_its_user),
		cmocka_unit_test(what_a_user_owes_stays_when_it_leaves),
		cmocka_unit_test(what_was_taken_earns_nothing),
		cmocka_unit_test(hostile_numbers_count_as_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
