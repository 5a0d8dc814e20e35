/* SPDX-License-Identifier: BSD-2-Clause
 *
 * lock: a mutex with a rank: the order in which threads may take the locks of this program.
 *
 *      rank 1 ─▶ rank 2 ─▶ rank 3      with one held, a thread takes those of a higher rank only
 *
 * So of one rank a thread holds one lock at a time; only a recursive one may be taken again.
 * PYLEAKTRACE_CHECK_LOCKS (make DEBUG=1, SAN=...) checks that, and aborts with the names of both
 * locks; without it a lock is a pthread mutex and nothing else.
 *
 * Place      base; every lock of the program is one of these. docs/design.md says what each
 *            protects.
 * Errors     none.
 * Bounds     LOCK_MAX_HELD held by one thread at a time, where that is checked.
 */
#ifndef PYLEAKTRACE_BASE_LOCK_H
#define PYLEAKTRACE_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

enum lock_rank {
	/* of a whole activity: a report, a switch, a calibration */
	LOCK_RANK_LOOKING = 1,   /* target_trace */
	LOCK_RANK_SWITCHING = 1, /* governor */
	LOCK_RANK_GROWTH_TRACER = 1,
	LOCK_RANK_CALIBRATION = 1, /* cost_calibrate() */
	/* of what one thread shares with others */
	LOCK_RANK_GOVERNOR = 2,
	LOCK_RANK_SURVIVORS = 2,
	LOCK_RANK_HEAP_MONITOR = 2,
	LOCK_RANK_SWEEPING = 2, /* session */
	/* leaves */
	LOCK_RANK_BUDGET = 3,
	LOCK_RANK_ELF_FILE = 3, /* recursive */
	LOCK_RANK_REMOTE_HANDLE = 3,
	LOCK_RANK_PROBER = 3, /* in its own process */
};

#define LOCK_MAX_HELD 8

struct lock {
	pthread_mutex_t mutex;
#ifdef PYLEAKTRACE_CHECK_LOCKS
	enum lock_rank rank;
	const char *name;
	bool recursive;
#endif
};

#ifdef PYLEAKTRACE_CHECK_LOCKS
#define LOCK_INITIALIZER(rank)                                \
	{                                                     \
		PTHREAD_MUTEX_INITIALIZER, rank, #rank, false \
	}
#else
#define LOCK_INITIALIZER(rank)            \
	{                                 \
		PTHREAD_MUTEX_INITIALIZER \
	}
#endif

#define lock_init(of, rank) (*(of) = (struct lock)LOCK_INITIALIZER(rank))
/* Right after lock_init(). */
void lock_make_recursive(struct lock *lock);
void lock_destroy(struct lock *lock);

void lock_take(struct lock *lock);
void lock_release(struct lock *lock);

/* Of a lock that is held, and not recursive; until: by the clock of the condition. */
void lock_wait(struct lock *lock, pthread_cond_t *condition);
void lock_wait_until(struct lock *lock, pthread_cond_t *condition, const struct timespec *until);

#endif
