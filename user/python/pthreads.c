/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/pthreads.h"

#include <stdlib.h>
#include <string.h>

#include "target/remote_mem.h"

#define PAGE      4096ull
#define SIZE_MIN  1024u /* of struct pthread, as far as versions of glibc have it */
#define SIZE_MOST 8192u
#define STACK_MIN (16ull << 10)
#define STACK_MAX (64ull << 30)

/* {bits, number, offset in bytes} of a field, as nptl_db has it; sizes are a single number */
static bool read_description(const struct module *libc, pid_t pid, const char *name, uint32_t *out,
			     size_t n)
{
	uint64_t address = module_symbol(libc, name);

	return address && remote_read(pid, address, out, n * sizeof(*out)) == 0;
}

void pthreads_init(struct pthreads *pthreads, pid_t pid, const struct py_runtime *runtime)
{
	const struct module *libc = &runtime->libc;
	uint32_t tid[3], list[3], size;

	*pthreads = (struct pthreads){.pid = pid, .block = -1};
	if (runtime->libc_is_musl || !libc->elf ||
	    !read_description(libc, pid, "_thread_db_pthread_tid", tid, 3) ||
	    !read_description(libc, pid, "_thread_db_pthread_list", list, 3) ||
	    !read_description(libc, pid, "_thread_db_sizeof_pthread", &size, 1))
		return;
	if (tid[0] != 32 || size < SIZE_MIN || size > SIZE_MOST || tid[2] > size - 4 ||
	    list[2] > size - 16)
		return;
	pthreads->known = true;
	pthreads->size = size;
	pthreads->tid = tid[2];
	pthreads->list = list[2];
}

pid_t pthread_tid(const struct pthreads *pthreads, uint64_t self)
{
	uint32_t tid = 0;

	if (!pthreads->known || !self ||
	    remote_read_u32(pthreads->pid, self + pthreads->tid, &tid) || tid > INT32_MAX)
		return 0;
	return (pid_t)tid;
}

/* ---- stacks --------------------------------------------------------------------------------- */

static uint64_t word(const uint8_t *bytes, size_t offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* The descriptor lies at the end of the block, but for some alignment. */
static bool is_block(const struct pthreads *pthreads, uint64_t self, uint64_t start, uint64_t size)
{
	return start && start % PAGE == 0 && size % PAGE == 0 && size >= STACK_MIN &&
	       size <= STACK_MAX && start < self && start + size >= self + pthreads->size &&
	       start + size - self - pthreads->size < PAGE;
}

static bool find_block(struct pthreads *pthreads, uint64_t self, const uint8_t *bytes,
		       struct pthread_stack *stack)
{
	size_t first = pthreads->block < 0 ? 0 : (size_t)pthreads->block;
	size_t last = pthreads->block < 0 ? pthreads->size - 16 : first;

	for (size_t at = first; at <= last; at += 8) {
		uint64_t start = word(bytes, at), size = word(bytes, at + 8);

		if (!is_block(pthreads, self, start, size))
			continue;
		pthreads->block = (int32_t)at;
		*stack = (struct pthread_stack){start, start + size};
		return true;
	}
	return false;
}

static int by_start(const void *a, const void *b)
{
	const struct pthread_stack *left = a, *right = b;

	return left->start < right->start ? -1 : left->start > right->start;
}

static bool has_stack(const struct pthread_stack *stacks, size_t n, uint64_t self)
{
	for (size_t i = n; i--;)
		if (self > stacks[i].start && self < stacks[i].end)
			return true;
	return false;
}

/*
 * Go once around glibc's list of the threads whose stacks it has mapped. One node of it is its
 * head, which is no descriptor.
 *
 * in     self: a descriptor that CPython knows
 * return the number of stacks now
 */
static size_t follow_list(struct pthreads *pthreads, struct pthread_stack *stacks, size_t n,
			  uint64_t self)
{
	uint64_t first = self + pthreads->list, node = first;
	uint8_t bytes[SIZE_MOST];
	unsigned heads = 0;

	do {
		uint64_t at = node - pthreads->list;

		if (node % 8 || (pthreads->block < 0 && node != first))
			break;
		if (!remote_read(pthreads->pid, at, bytes, pthreads->size) &&
		    find_block(pthreads, at, bytes, &stacks[n])) {
			n++;
			node = word(bytes, pthreads->list);
		} else if (heads++ || node == first ||
			   remote_read_u64(pthreads->pid, node, &node)) {
			break;
		}
	} while (node != first && n < PTHREADS_MAX);
	return n;
}

struct pthread_stack *pthread_stacks(struct pthreads *pthreads, const uint64_t *self, size_t n,
				     size_t *n_stacks)
{
	struct pthread_stack *stacks =
		pthreads->known ? malloc((PTHREADS_MAX + 1) * sizeof(*stacks)) : NULL;
	size_t found = 0, kept = 0;

	*n_stacks = 0;
	if (!stacks)
		return NULL;
	for (size_t i = 0; i < n && found < PTHREADS_MAX; i++)
		if (!has_stack(stacks, found, self[i]))
			found = follow_list(pthreads, stacks, found, self[i]);
	qsort(stacks, found, sizeof(*stacks), by_start);
	for (size_t i = 0; i < found; i++)
		if (!kept || stacks[i].start >= stacks[kept - 1].end)
			stacks[kept++] = stacks[i];
	*n_stacks = kept;
	return stacks;
}
