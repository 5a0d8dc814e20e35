/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which sites are given up, and in what order, by a session, blocks, calls and survivors that are
 * made: the functions that reclaim asks are this file's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "base/clock.h"
#include "probe/map_reader.h"
#include "snapshot/reclaim.h"
#include "probe/session_maps.h"
#include "probe/session_sites.h"

#define SITES      20
#define FIRST      ABI_FIRST_SITE
#define BLOCKS_FD  101
#define MAPPED_FD  102
#define THREADS_FD 103

/* ---- what is made --------------------------------------------------------------------------- */

static struct {
	struct abi_site sites[SITES];
	uint32_t n_sites;
	uint32_t block, mapping, call, syscall,
		survivor; /* sites that they refer to; 0: there is none */
	bool survivor_is_gone;
	bool unlisted; /* no stack finds the first site */
	bool unreadable, no_grace_period, full, missed;
	uint32_t taken;                    /* since the last round; 0: none */
	uint64_t now_ns, cpu_ns, takes_ns; /* CPU time, of each round */
	char log[256];                     /* what was done with the session, in order */
} made;

static bool done(const char *what, uint32_t site)
{
	size_t n = strlen(made.log);

	snprintf(made.log + n, sizeof(made.log) - n, "%s%s %u", n ? ", " : "", what, site);
	return true;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	uint64_t ns = made.now_ns;

	if (clock == CLOCK_THREAD_CPUTIME_ID) {
		ns = made.cpu_ns;
		made.cpu_ns += made.takes_ns;
	}
	*time = (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
	return 0;
}

void session_look(const struct session *session, struct session_view *view)
{
	(void)session;
	*view = (struct session_view){.blocks_fd = BLOCKS_FD,
				      .mappings_fd = MAPPED_FD,
				      .threads_fd = THREADS_FD,
				      .sites = made.sites,
				      .n_sites = made.n_sites,
				      .max_sites = SITES};
}

bool session_site_hide(struct session *session, uint32_t site)
{
	(void)session;
	if (made.unlisted && site == FIRST)
		return false;
	made.unlisted |= site == FIRST;
	return done("hide", site);
}

void session_site_show(struct session *session, uint32_t site)
{
	(void)session;
	made.unlisted = false;
	done("show", site);
}

bool session_wait_grace_period(void)
{
	return !made.no_grace_period;
}

void session_site_clear(struct session *session, uint32_t site)
{
	(void)session;
	made.sites[site] = (struct abi_site){0};
	done("clear", site);
}

bool session_site_free(struct session *session, uint32_t site)
{
	(void)session;
	return !made.full && done("free", site);
}

void session_sites_taken(struct session *session, void (*see)(void *context, uint32_t site),
			 void *context)
{
	(void)session;
	if (made.taken)
		see(context, made.taken);
	made.unlisted &= !made.taken;
	made.taken = 0;
	made.missed = false;
}

bool session_sites_missed(const struct session *session)
{
	(void)session;
	return made.missed;
}

void survivors_each(struct survivors *survivors,
		    void (*see)(void *context, const struct survivor *survivor), void *context)
{
	const struct survivor one = {.site = made.survivor, .gone = made.survivor_is_gone};

	(void)survivors;
	if (made.survivor)
		see(context, &one);
}

uint32_t survivors_halve(struct survivors *survivors, uint32_t least)
{
	(void)survivors;
	done("halve", least);
	return 0;
}

int map_blocks_each(int map_fd,
		    void (*see)(void *context, uint64_t address, const struct abi_block *block),
		    void *context, struct err *err)
{
	const struct abi_block block = {.site = map_fd == BLOCKS_FD ? made.block : made.mapping};

	if (made.unreadable)
		return err_set(err, ERR_FAILED, "not now");
	see(context, 0x1000, &block);
	return 0;
}

/* One thread. */
int map_threads_each(int map_fd, void (*see)(void *context, const struct abi_thread *thread),
		     void *context, struct err *err)
{
	static struct abi_thread thread;

	(void)err;
	assert_int_equal(map_fd, THREADS_FD);
	memset(&thread, 0, sizeof(thread));
	thread.calls[ABI_PART_OBJECT].old.site = made.call;
	thread.syscall.old.site = made.syscall;
	see(context, &thread);
	return 0;
}

/* ---- rounds --------------------------------------------------------------------------------- */

static struct reclaim *reclaim;
static struct session *const session = NULL;
static struct survivors *const survivors = (void *)&made; /* there are some */

static int setup(void **state)
{
	(void)state;
	memset(&made, 0, sizeof(made));
	made.n_sites = FIRST + 1;
	reclaim = reclaim_new(SITES);
	return reclaim ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	reclaim_free(reclaim);
	return 0;
}

static void give_up(void *context, uint32_t site)
{
	assert_ptr_equal(context, &made);
	done("give up", site);
}

/* What one round does. */
static const char *look(void)
{
	made.log[0] = 0;
	assert_int_equal(reclaim_round(reclaim, session, survivors, give_up, &made, NULL), 0);
	return made.log;
}

static void a_site_unused_for_two_rounds_is_given_up(void **state)
{
	(void)state;
	made.sites[FIRST].allocated_count = 7;
	assert_string_equal(look(), ""); /* it has been used since the round before */
	assert_string_equal(look(), "");
	assert_string_equal(look(), "hide 4");
	assert_string_equal(look(), "give up 4, clear 4, free 4");
	assert_string_equal(look(), "");
	/* it is another stack's, which goes the same way */
	made.taken = FIRST;
	made.sites[FIRST].allocated_count = 7;
	assert_string_equal(look(), "");
	assert_string_equal(look(), "");
	assert_string_equal(look(), "hide 4");
	assert_string_equal(look(), "give up 4, clear 4, free 4");
}

/* One that was taken and came to nothing (its stack could not be entered) is no loss. */
static void a_site_never_used_is_given_up(void **state)
{
	(void)state;
	assert_string_equal(look(), "");
	assert_string_equal(look(), "hide 4");
	assert_string_equal(look(), "give up 4, clear 4, free 4");
}

static void a_site_in_use_stays(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		made.sites[FIRST].allocated_count++;
		assert_string_equal(look(), "");
		assert_string_equal(look(), "");
	}
}

static void a_site_that_is_referred_to_stays(void **state)
{
	uint32_t *const by[] = {&made.block, &made.mapping, &made.call, &made.syscall,
				&made.survivor};

	(void)state;
	for (unsigned i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		*by[i] = FIRST;
		for (unsigned n = 0; n < 4; n++)
			assert_string_equal(look(), "");
		*by[i] = 0;
	}
	/* what a survivor was says nothing when something else is in its place */
	made.survivor = FIRST;
	made.survivor_is_gone = true;
	look();
	assert_string_equal(look(), "hide 4");
}

static void hide_it(void)
{
	look();
	assert_string_equal(look(), "hide 4");
}

/* A hit that had found it before it was hidden: its block is there in the next round, or has
 * been. */
static void a_site_used_after_all_is_shown_again(void **state)
{
	(void)state;
	hide_it();
	made.block = FIRST;
	assert_string_equal(look(), "show 4");
	made.block = 0;
	hide_it();
	made.sites[FIRST].allocated_count++;
	assert_string_equal(look(), "show 4");
	hide_it();
	assert_string_equal(look(), "give up 4, clear 4, free 4");
}

/* A hit was entering its stack when it was hidden, and counted nothing (the map of blocks was
 * full): others have found it since. */
static void a_site_entered_meanwhile_stays(void **state)
{
	(void)state;
	hide_it();
	made.unlisted = false;
	assert_string_equal(look(), "hide 4");
	assert_string_equal(look(), "give up 4, clear 4, free 4");
}

static void a_site_without_room_among_the_free_waits(void **state)
{
	(void)state;
	hide_it();
	made.full = true;
	assert_string_equal(look(), "give up 4, clear 4");
	assert_string_equal(look(), "");
	made.full = false;
	assert_string_equal(look(), "free 4"); /* and is given up once */
	assert_string_equal(look(), "");
}

static void reserved_sites_stay(void **state)
{
	(void)state;
	made.n_sites = FIRST;
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(look(), "");
}

static void nothing_is_given_up_while_maps_cannot_be_read(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	hide_it();
	made.unreadable = true;
	made.log[0] = 0;
	assert_int_equal(reclaim_round(reclaim, session, survivors, give_up, &made, &err),
			 -ERR_FAILED);
	assert_string_equal(made.log, "");
	made.unreadable = false;
	assert_string_equal(look(), "give up 4, clear 4, free 4");
}

/* ---- when ----------------------------------------------------------------------------------- */

static void a_round_is_due_sooner_without_room(void **state)
{
	uint64_t now = clock_now_ns();

	(void)state;
	assert_false(reclaim_is_due(reclaim, session, now + RECLAIM_SHORT_NS + 1000000000));
	assert_true(reclaim_is_due(reclaim, session, now + RECLAIM_PERIOD_NS));
	/* stacks have found no room */
	made.missed = true;
	assert_true(reclaim_is_due(reclaim, session, now + RECLAIM_SHORT_NS));
	/* one round unused is enough then */
	assert_string_equal(look(), "hide 4");
}

/* A round that takes long is followed by a longer rest, and not made for nothing. */
static void a_long_round_is_followed_by_a_long_rest(void **state)
{
	(void)state;
	made.missed = true;
	made.takes_ns = 400000000;
	look();
	made.missed = true; /* 20 s of rest, not 5 */
	assert_false(reclaim_is_due(reclaim, session, RECLAIM_PAUSE * made.takes_ns - 1));
	assert_true(reclaim_is_due(reclaim, session, RECLAIM_PAUSE * made.takes_ns));
	made.takes_ns = RECLAIM_LONG_NS + 1;
	look();
	assert_false(reclaim_is_due(reclaim, session, 100 * RECLAIM_PERIOD_NS));
	made.missed = true;
	assert_false(reclaim_is_due(reclaim, session, RECLAIM_SHORT_NS));
	assert_true(reclaim_is_due(reclaim, session, RECLAIM_PAUSE * made.takes_ns));
}

static void nearly_full_is_short_of_room(void **state)
{
	uint64_t now = clock_now_ns();

	(void)state;
	made.n_sites = SITES - 1; /* 15 in use: four are reserved */
	for (uint32_t id = FIRST; id < made.n_sites; id++)
		made.sites[id].allocated_count = 1;
	look();
	assert_false(reclaim_is_due(reclaim, session, now + RECLAIM_PERIOD_NS - 1));
	made.n_sites = SITES;
	look();
	assert_true(reclaim_is_due(reclaim, session, clock_now_ns() + RECLAIM_SHORT_NS));
}

/* What one round does, after all sites from this one on have been used. */
static const char *look_used(uint32_t from)
{
	for (uint32_t id = from; id < made.n_sites; id++)
		made.sites[id].allocated_count++;
	return look();
}

static void without_room_survivors_are_halved(void **state)
{
	(void)state;
	made.n_sites = SITES;
	assert_string_equal(look_used(FIRST), ""); /* that room is short is known from now on */
	assert_string_equal(look_used(FIRST), "halve 1");
	assert_string_equal(look_used(FIRST), "halve 1");
	/* one will be free: that may be enough */
	assert_string_equal(look_used(FIRST + 1), "hide 4");
	assert_string_equal(look_used(FIRST + 1), "give up 4, clear 4, free 4");
}

static void without_waiting_for_hits_nothing_is_given_up(void **state)
{
	(void)state;
	made.no_grace_period = true;
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(look(), "");
	assert_false(reclaim_is_due(reclaim, session, clock_now_ns() + 10 * RECLAIM_PERIOD_NS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_site_unused_for_two_rounds_is_given_up),
		TEST(a_site_never_used_is_given_up),
		TEST(a_site_in_use_stays),
		TEST(a_site_that_is_referred_to_stays),
		TEST(a_site_used_after_all_is_shown_again),
		TEST(a_site_entered_meanwhile_stays),
		TEST(a_site_without_room_among_the_free_waits),
		TEST(reserved_sites_stay),
		TEST(nothing_is_given_up_while_maps_cannot_be_read),
		TEST(a_round_is_due_sooner_without_room),
		TEST(a_long_round_is_followed_by_a_long_rest),
		TEST(nearly_full_is_short_of_room),
		TEST(without_room_survivors_are_halved),
		TEST(without_waiting_for_hits_nothing_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
