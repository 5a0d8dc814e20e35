/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/lock.h"

#ifdef PYLEAKTRACE_CHECK_LOCKS
#include <stdio.h>
#include <stdlib.h>

static _Thread_local struct {
	const struct lock *locks[LOCK_MAX_HELD];
	unsigned n;
} held;

static bool holds(const struct lock *lock)
{
	for (unsigned i = 0; i < held.n; i++)
		if (held.locks[i] == lock)
			return true;
	return false;
}

static void check_take(const struct lock *lock)
{
	bool again = lock->recursive && holds(lock);

	for (unsigned i = 0; i < held.n && !again; i++) {
		if (held.locks[i]->rank < lock->rank)
			continue;
		fprintf(stderr, "pyleaktrace: %s is taken while %s is held\n", lock->name,
			held.locks[i]->name);
		abort();
	}
	if (held.n == LOCK_MAX_HELD) {
		fprintf(stderr, "pyleaktrace: %s is one lock too many\n", lock->name);
		abort();
	}
	held.locks[held.n++] = lock;
}

static void check_held(const struct lock *lock)
{
	if (holds(lock))
		return;
	fprintf(stderr, "pyleaktrace: %s is not held\n", lock->name);
	abort();
}

static void check_release(const struct lock *lock)
{
	unsigned i = held.n;

	check_held(lock);
	while (held.locks[--i] != lock)
		;
	for (held.n--; i < held.n; i++)
		held.locks[i] = held.locks[i + 1];
}
#else
static void check_take(const struct lock *lock)
{
	(void)lock;
}

static void check_held(const struct lock *lock)
{
	(void)lock;
}

static void check_release(const struct lock *lock)
{
	(void)lock;
}
#endif

void lock_make_recursive(struct lock *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&lock->mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
#ifdef PYLEAKTRACE_CHECK_LOCKS
	lock->recursive = true;
#endif
}

void lock_destroy(struct lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

void lock_take(struct lock *lock)
{
	/* before it: who takes it twice would wait for itself */
	check_take(lock);
	pthread_mutex_lock(&lock->mutex);
}

void lock_release(struct lock *lock)
{
	check_release(lock);
	pthread_mutex_unlock(&lock->mutex);
}

void lock_wait(struct lock *lock, pthread_cond_t *condition)
{
	check_held(lock);
	pthread_cond_wait(condition, &lock->mutex);
}

void lock_wait_until(struct lock *lock, pthread_cond_t *condition, const struct timespec *until)
{
	check_held(lock);
	pthread_cond_timedwait(condition, &lock->mutex, until);
}
