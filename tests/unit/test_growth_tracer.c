/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How long containers are watched for and how often, within what may be spent, on a clock that is
 * made: what the thread asks of the clock, the monitor and the rounds is this file's.
 */
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "containers/container_watch.h"
#include "containers/container_find.h"
#include "trace/growth_tracer.h"
#define SECOND 1000000000.0
#define ROUNDS 8 /* that a test looks at */

/* ---- what is made --------------------------------------------------------------------------- */

static struct {
	double now_ns, cpu_ns;
	struct budget budget;
	double cores; /* of the target's, that may be spent */
	/* what a round is */
	double search_cpu_ns;   /* of the thread, to find the containers */
	double splits_per_ns;   /* of the target's, that nobody can measure, while there are
				   watchpoints */
	double measured_per_ns; /* and what can be */
	bool fails;
	bool cannot_watch; /* no watchpoints are available */
	bool grows;
	unsigned n_classes; /* that grow */
	bool free_threaded;
	unsigned n_sizes;
	unsigned lists;   /* bits of enum listed */
	uint64_t changes; /* that a round with one sees */
	/* what has been seen */
	unsigned n_named;
	unsigned n;
	struct {
		double opened_ns, started_ns, stopped_ns, lease_ns;
		uint64_t address;
		bool each; /* it was asked for as a class */
		uint32_t block_size;
		unsigned list;
	} rounds[ROUNDS + 1];
	bool on;
	pthread_mutex_t lock;
	pthread_cond_t over; /* there were ROUNDS rounds */
} made;

int clock_gettime(clockid_t clock, struct timespec *time)
{
	double ns = clock == CLOCK_THREAD_CPUTIME_ID ? made.cpu_ns : made.now_ns;

	time->tv_sec = (time_t)(ns / SECOND);
	time->tv_nsec = (long)(ns - (double)time->tv_sec * SECOND);
	return 0;
}

/* of the target's own work may be spent */
#define INCOME 0.001

static void pass(double ns)
{
	double taken = made.on ? made.splits_per_ns + made.measured_per_ns : 0;

	made.now_ns += ns;
	budget_pass(&made.budget, ns, (made.cores / INCOME + taken) * ns);
}

/* Time passes while one waits; after the last round, until the end of the test. */
int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const __sigset_t *mask)
{
	(void)mask;
	if (made.n >= ROUNDS) {
		pthread_mutex_lock(&made.lock);
		pthread_cond_signal(&made.over);
		pthread_mutex_unlock(&made.lock);
		poll(fds, n, -1);
		return 1;
	}
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = 0;
	pass((double)timeout->tv_sec * SECOND + (double)timeout->tv_nsec);
	return 0;
}

bool process_alive(const struct process *process)
{
	(void)process;
	return true;
}

size_t heap_monitor_sizes(struct heap_monitor *monitor,
			  struct size_growth_row rows[HEAP_MONITOR_CLASSES])
{
	(void)monitor;
	rows[0] = (struct size_growth_row){17, 50};
	return made.n_sizes;
}

unsigned heap_monitor_lists(struct heap_monitor *monitor)
{
	(void)monitor;
	return made.lists;
}

size_t heap_monitor_classes(struct heap_monitor *monitor,
			    struct heap_monitor_class rows[HEAP_MONITOR_CLASSES])
{
	(void)monitor;
	for (unsigned i = 0; i < made.n_classes; i++)
		rows[i] = (struct heap_monitor_class){.address = 0x2000 + 0x100 * i, .per_s = 10};
	return made.n_classes;
}

size_t heap_monitor_containers(struct heap_monitor *monitor,
			       struct heap_holder rows[HEAP_MONITOR_FASTEST])
{
	(void)monitor;
	rows[0] = (struct heap_holder){.address = 0x1000};
	return 1;
}

bool heap_monitor_container(struct heap_monitor *monitor, uint64_t address, struct heap_holder *row)
{
	(void)monitor;
	*row = (struct heap_holder){.address = address,
				    .items = 500,
				    .have_growth = made.grows,
				    .items_delta = 100,
				    .items_per_s = 10,
				    .least_per_s = 9};
	return made.grows;
}

int heap_target_share(struct heap_target *heap, const struct target *target, struct err *err)
{
	(void)heap;
	(void)target;
	(void)err;
	return 0;
}

void heap_target_close(struct heap_target *heap)
{
	(void)heap;
}

int container_find_open(struct container_find *find, struct heap_target *heap,
			const struct container_request *request, struct err *err)
{
	static const uint64_t items = 400;

	(void)heap;
	memset(find, 0, sizeof(*find));
	made.cpu_ns += made.search_cpu_ns;
	if (!request->unwatched || !request->named || request->asked[0].address != 0x1000)
		return err_set(err, ERR_FAILED, "that was not to be watched");
	made.n_named++;
	if (made.cannot_watch)
		made.rounds[made.n++].opened_ns = made.now_ns;
	find->n = request->n;
	find->places[0] = (struct container_place){.path = "0x1000",
						   .name = "app.KEPT",
						   .type = "dict",
						   .found.field = (uintptr_t)&items,
						   .address = 0x1000};
	return 0;
}

void container_find_close(struct container_find *find)
{
	(void)find;
}

int container_watch_open(struct container_watch **out, struct heap_target *heap,
			 const struct container_request *request,
			 const struct container_watch_options *options, struct err *err)
{
	(void)heap;
	*out = NULL;
	made.rounds[made.n].address = request->asked[0].address;
	made.rounds[made.n].each = request->asked[0].each;
	made.rounds[made.n].block_size = request->block_size;
	made.rounds[made.n].list = request->list;
	assert_true(request->block_size || request->list
			    ? !request->n
			    : request->n == 1 && request->asked[0].refs == request->asked[0].each);
	made.cpu_ns += made.search_cpu_ns;
	made.rounds[made.n].opened_ns = made.now_ns;
	made.rounds[made.n].lease_ns = options->lease_ns;
	assert_true(options->max_overhead == 0);
	if (!made.fails) {
		*out = (void *)&made;
		return 0;
	}
	made.n++;
	return err_set(err, ERR_FAILED, "all debug registers are taken");
}

void container_watch_start(struct container_watch *watch)
{
	(void)watch;
	made.on = true;
	made.rounds[made.n].started_ns = made.now_ns;
}

static double taken(double per_ns)
{
	return made.on ? per_ns * (made.now_ns - made.rounds[made.n].started_ns) : 0;
}

double container_watch_splits(const struct container_watch *watch)
{
	(void)watch;
	return taken(made.splits_per_ns);
}

double container_watch_spent(const struct container_watch *watch)
{
	(void)watch;
	return taken(made.measured_per_ns);
}

bool container_watch_tick(struct container_watch *watch, enum heap_watch_end *end)
{
	(void)watch;
	(void)end;
	return false;
}

int container_watch_pidfd(const struct container_watch *watch)
{
	(void)watch;
	return -1;
}

int container_watch_news_fd(const struct container_watch *watch)
{
	(void)watch;
	return -1;
}

void container_watch_stop(struct container_watch *watch)
{
	(void)watch;
	made.rounds[made.n].stopped_ns = made.now_ns;
}

struct heap_watch *container_watch_report(struct container_watch *watch, enum heap_watch_end end,
					  struct err *err)
{
	struct profile *about = profile_new();
	struct heap_watch *report = profile_alloc(about, sizeof(*report));

	(void)watch;
	(void)err;
	report->about = about;
	report->end = end;
	if (made.rounds[made.n].list) {
		report->n_rows = 1;
		report->rows = profile_alloc(about, sizeof(*report->rows));
		report->rows[0].path = report->rows[0].type = "list";
		report->rows[0].inserted = made.changes;
	}
	return report;
}

void container_watch_close(struct container_watch *watch)
{
	if (!watch)
		return;
	made.on = false;
	made.n++;
}

/* ---- rounds --------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	memset(&made, 0, sizeof(made));
	pthread_mutex_init(&made.lock, NULL);
	pthread_cond_init(&made.over, NULL);
	made.now_ns = 1000 * SECOND;
	return 0;
}

static struct profile *about; /* what a report has after the rounds */

static int teardown(void **state)
{
	(void)state;
	profile_free(about);
	about = NULL;
	return 0;
}

/* ROUNDS of them; what they have taken of the target. */
static double watch_rounds(double cores, double share)
{
	const struct target target = {.process.pid = getpid(),
				      .runtime.layout.free_threaded = made.free_threaded};
	const struct growth_tracer_options options = {
		.budget = &made.budget, .share = share, .can_watch = !made.cannot_watch};
	struct growth_tracer *watch;

	made.cores = cores;
	budget_init(&made.budget, INCOME * 1.25);
	watch = growth_tracer_open(&target, NULL, &options, NULL);
	profile_free(about);
	about = profile_new();
	assert_non_null(watch);
	pthread_mutex_lock(&made.lock);
	growth_tracer_start(watch);
	while (made.n < ROUNDS)
		pthread_cond_wait(&made.over, &made.lock);
	pthread_mutex_unlock(&made.lock);
	growth_tracer_report(watch, about);
	growth_tracer_close(watch);
	return budget_charged(&made.budget, BUDGET_WATCHPOINTS);
}

static double length_s(unsigned round)
{
	return (made.rounds[round].stopped_ns - made.rounds[round].started_ns) / SECOND;
}

static double rest_s(unsigned round)
{
	return (made.rounds[round].opened_ns - made.rounds[round - 1].stopped_ns) / SECOND;
}

#define assert_about(value, wanted) \
	assert_true((value) > (wanted)*0.999 - 1e-9 && (value) < (wanted)*1.001 + 0.0501)

/* What a store across two cache lines takes is nothing here: the whole time, and a rest. */
static void a_round_that_costs_nothing_has_its_whole_time(void **state)
{
	(void)state;
	assert_true(watch_rounds(0.02, 1) == 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		assert_about(length_s(i), 9);
	for (unsigned i = 1; i < ROUNDS; i++)
		assert_about(rest_s(i), 10);
}

/* The lease is spent before a round may end for that, in its middle, or never. */
static void a_round_ends_when_its_lease_is_spent(void **state)
{
	const double splits_per_ns[] = {1, 0.04, 0.03, 0.02, 0.01}, cores = 0.006;

	for (size_t i = 0; i < sizeof(splits_per_ns) / sizeof(splits_per_ns[0]); i++) {
		setup(state);
		made.splits_per_ns = splits_per_ns[i];
		watch_rounds(cores, 1);
		for (unsigned round = 1; round < ROUNDS; round++) {
			double spent_s = 1.5 * made.rounds[round].lease_ns / SECOND;

			assert_about(length_s(round), fmin(fmax(spent_s / splits_per_ns[i], 1), 3));
		}
	}
}

/* What a round takes and cannot be paid is earned before the next. */
static void what_is_owed_is_earned_before_the_next_round(void **state)
{
	const double cores = 0.003;
	double spent;

	(void)state;
	made.splits_per_ns = 0.08;
	spent = watch_rounds(cores, 1);
	for (unsigned i = 2; i < ROUNDS; i++) {
		assert_about(length_s(i), 1);
		/* it is looked every half second whether that is so */
		assert_true(fabs(rest_s(i) + 1 - 0.08 / cores) <= 0.501);
	}
	assert_true(spent < cores * (made.now_ns - 1000 * SECOND) + 0.08 * SECOND);
}

/* A round may spend what has been saved, as much as comes in in 20 s; and there is none before it
 * is worth it. */
static void a_round_may_spend_what_has_been_saved(void **state)
{
	const double floor = budget_floor(INCOME * 1.25);

	(void)state;
	watch_rounds(0.003, 1);
	assert_about(made.rounds[0].lease_ns / 1e6, 3 * 0.5 / 1.5);
	assert_about(made.rounds[1].lease_ns / 1e6, 3 * 19.5 / 1.5);
	for (unsigned i = 2; i < ROUNDS; i++)
		assert_about(made.rounds[i].lease_ns / 1e6, 3 * 20 / 1.5);
	setup(state);
	watch_rounds(0, 1);
	/* of a target that sleeps by the floor */
	assert_about(made.rounds[0].opened_ns / SECOND - 1000, 0.5e-3 * 1.5 / floor);
	assert_about(made.rounds[0].lease_ns / 1e6, 0.5);
	for (unsigned i = 2; i < ROUNDS; i++)
		assert_about(made.rounds[i].lease_ns / 1e6, floor * 20e3 / 1.5);
}

/* The rest pays for the search, and for each target that is traced it is that much longer. */
static void the_rest_pays_for_the_search(void **state)
{
	(void)state;
	made.search_cpu_ns = 0.5 * SECOND;
	watch_rounds(0.02, 1);
	for (unsigned i = 1; i < ROUNDS; i++)
		assert_about(rest_s(i), 0.5 / GROWTH_TRACER_SHARE);
	setup(state);
	made.search_cpu_ns = 0.5 * SECOND;
	watch_rounds(0.02, 0.25);
	for (unsigned i = 1; i < ROUNDS; i++)
		assert_about(rest_s(i), 4 * 0.5 / GROWTH_TRACER_SHARE);
}

/* What has been taken is charged, measured or not, and once. */
static void what_a_round_takes_is_charged_once(void **state)
{
	(void)state;
	made.measured_per_ns = 0.001;
	made.splits_per_ns = 0.0001;
	assert_about(watch_rounds(0.02, 1) / 1e6, ROUNDS * 3e3 * (0.001 + 0.0001));
}

/* A round that fails is tried again after the same rest. */
static void a_round_that_fails_is_tried_again_after_a_rest(void **state)
{
	(void)state;
	made.fails = true;
	assert_true(watch_rounds(0.02, 1) == 0);
	for (unsigned i = 1; i < ROUNDS; i++)
		assert_about((made.rounds[i].opened_ns - made.rounds[i - 1].opened_ns) / SECOND,
			     10);
}

/* The container that grows is named, once; its figures are the census', and none of its changes. */
static void check_named(void)
{
	const struct growing_container *row = &about->growing_containers->rows[0];

	assert_int_equal(about->growing_containers->n_rows, 1);
	assert_string_equal(row->row.path, "app.KEPT");
	assert_string_equal(row->row.type, "dict");
	assert_int_equal(row->row.items_after, 500);
	assert_int_equal(row->row.insertions, 0);
	assert_true(row->watched_s == 0 && row->items_per_s == 10);
}

/* Without BPF nothing is tried, and the heap is searched as often as its price allows. */
static void without_watchpoints_containers_are_named(void **state)
{
	(void)state;
	made.cannot_watch = made.grows = true;
	made.search_cpu_ns = 0.5 * SECOND;
	assert_true(watch_rounds(0.02, 1) == 0);
	assert_int_equal(made.n_named, ROUNDS);
	for (unsigned i = 1; i < ROUNDS; i++)
		assert_about((made.rounds[i].opened_ns - made.rounds[i - 1].opened_ns) / SECOND,
			     0.5 / GROWTH_TRACER_SHARE);
	check_named();
	assert_null(about->growing_containers->why_not);
}

/* Where they are taken the reason is said, next to the names. */
static void taken_watchpoints_are_noted_with_the_names(void **state)
{
	(void)state;
	made.fails = made.grows = true;
	watch_rounds(0.02, 1);
	check_named();
	assert_string_equal(about->growing_containers->why_not, "all debug registers are taken");
}

/* After each round with containers, one with a class, in turn. */
static void classes_have_their_turn_after_containers(void **state)
{
	static const uint64_t addresses[] = {0x1000, 0x2000, 0x1000, 0x2100, 0x1000, 0x2000};

	(void)state;
	made.n_classes = 2;
	watch_rounds(0.02, 1);
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		assert_int_equal(made.rounds[i].address, addresses[i]);
		assert_int_equal(made.rounds[i].each, addresses[i] != 0x1000);
		assert_about(length_s(i), 9);
	}
	/* one after the other, and then the rest */
	assert_true(made.rounds[1].opened_ns == made.rounds[0].stopped_ns);
	assert_about((made.rounds[2].opened_ns - made.rounds[1].stopped_ns) / SECOND, 10);
}

/* And after that one with pools of a size. */
static void sizes_have_their_turn_after_classes(void **state)
{
	(void)state;
	made.n_classes = made.n_sizes = 1;
	watch_rounds(0.02, 1);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(made.rounds[i].address, i % 3 == 0   ? 0x1000
							 : i % 3 == 1 ? 0x2000
								      : 0);
		assert_int_equal(made.rounds[i].block_size, i % 3 == 2 ? 16 * 17 : 0);
	}
	assert_true(made.rounds[2].opened_ns == made.rounds[1].stopped_ns);
}

/* Each alone, until something was seen of it; then seldom. */
static void lists_are_watched_until_they_have_changed(void **state)
{
	(void)state;
	made.lists = 1u << LISTED_THREADS | 1u << LISTED_INTERPRETERS;
	watch_rounds(0.02, 1);
	for (unsigned i = 0; i < ROUNDS; i++)
		assert_int_equal(made.rounds[i].list, i % 3);
	assert_null(about->lists->rows[LISTED_THREADS]);
	setup(state);
	made.lists = 1u << LISTED_THREADS;
	made.changes = 3;
	watch_rounds(0.02, 1);
	assert_int_equal(about->lists->rows[LISTED_THREADS]->inserted, 3);
	assert_null(about->lists->rows[LISTED_INTERPRETERS]);
	/* the containers each 19 s */
	for (unsigned i = 0; i < ROUNDS; i++)
		assert_int_equal(made.rounds[i].list, i == 1 || i == 6 ? LISTED_THREADS + 1 : 0);
}

/* Most references to a class are not counted there. */
static void classes_are_not_watched_without_a_gil(void **state)
{
	(void)state;
	made.n_classes = 2;
	made.free_threaded = true;
	watch_rounds(0.02, 1);
	for (unsigned i = 0; i < ROUNDS; i++)
		assert_int_equal(made.rounds[i].each, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_round_that_costs_nothing_has_its_whole_time),
		TEST(a_round_ends_when_its_lease_is_spent),
		TEST(what_is_owed_is_earned_before_the_next_round),
		TEST(a_round_may_spend_what_has_been_saved),
		TEST(the_rest_pays_for_the_search),
		TEST(what_a_round_takes_is_charged_once),
		TEST(a_round_that_fails_is_tried_again_after_a_rest),
		TEST(without_watchpoints_containers_are_named),
		TEST(classes_have_their_turn_after_containers),
		TEST(sizes_have_their_turn_after_classes),
		TEST(lists_are_watched_until_they_have_changed),
		TEST(classes_are_not_watched_without_a_gil),
		TEST(taken_watchpoints_are_noted_with_the_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
