/* SPDX-License-Identifier: BSD-2-Clause
 *
 * blocks: memory that C code allocates, for the live tests. Built at test time, loaded with ctypes,
 * which lets go of the GIL while it is in here.
 */
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>

static void allocate(void **keep, size_t n_keep, size_t first, size_t last, size_t size)
{
	size_t i;

	for (i = first; i < last; i++) {
		free(keep[i % n_keep]);
		keep[i % n_keep] = malloc(size);
	}
}

/* Make n blocks and keep n_keep of them. Half way, wait until Python has set *stage from 1 to 2. */
void allocate_in_halves(volatile int *stage, void **keep, size_t n_keep, size_t n, size_t size);
void allocate_in_halves(volatile int *stage, void **keep, size_t n_keep, size_t n, size_t size)
{
	allocate(keep, n_keep, 0, n / 2, size);
	__atomic_store_n(stage, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(stage, __ATOMIC_SEQ_CST) != 2)
		sched_yield();
	allocate(keep, n_keep, n / 2, n, size);
}

struct job {
	void **keep;
	size_t n_keep, n, size;
};

static void *thread_main(void *arg)
{
	const struct job *job = arg;

	allocate(job->keep, job->n_keep, 0, job->n, job->size);
	return NULL;
}

/* The same in a thread that Python knows nothing of. */
int allocate_in_foreign_thread(void **keep, size_t n_keep, size_t n, size_t size);
int allocate_in_foreign_thread(void **keep, size_t n_keep, size_t n, size_t size)
{
	struct job job = {.keep = keep, .n_keep = n_keep, .n = n, .size = size};
	pthread_t thread;
	int err = pthread_create(&thread, NULL, thread_main, &job);

	return err ? err : pthread_join(thread, NULL);
}

/* From a C function back into Python. */
void call_back(void (*function)(void));
void call_back(void (*function)(void))
{
	function();
}

/* Have so much of this thread's stack in memory. */
void use_stack(size_t size);
void use_stack(size_t size)
{
	volatile char *bytes = __builtin_alloca(size);
	size_t i;

	for (i = 0; i < size; i += 4096)
		bytes[i] = 1;
}
