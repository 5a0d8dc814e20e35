/* SPDX-License-Identifier: BSD-2-Clause
 *
 * own_allocator: a library that has an allocator in its inside, under names of its own that it does
 * not export. The test links it with jemalloc, whose functions get the prefix own_ then.
 */
#include <stddef.h>

void *own_malloc(size_t size);
void *own_calloc(size_t n, size_t size);
void *own_realloc(void *old, size_t size);
void *own_mallocx(size_t size, int flags);
void own_free(void *old);

/* Make n blocks each with four functions, keep n_keep of each; `keep` has room for four times
 * n_keep. */
void own_allocate(void **keep, size_t n_keep, size_t n, size_t size);
void own_allocate(void **keep, size_t n_keep, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		void **here = &keep[4 * (i % n_keep)];

		own_free(here[0]);
		here[0] = own_malloc(size);
		own_free(here[1]);
		here[1] = own_calloc(size / 2, 2);
		here[2] = own_realloc(here[2], size);
		own_free(here[3]);
		here[3] = own_mallocx(size, 0);
	}
}
