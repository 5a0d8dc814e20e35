/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pagemap: an address -> whether the target has a page there, and whether others have it too.
 *
 * Place      layer 1; used by the census.
 * Source     /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst). Asking touches no page.
 * Degrades   it is opened by its mode (0400, the target's user): fd is -1 then, and pagemap_read() -1.
 */
#ifndef PYLEAKTRACE_TARGET_PAGEMAP_H
#define PYLEAKTRACE_TARGET_PAGEMAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGEMAP_PAGE 4096u

/* bits of a word */
#define PAGE_PRESENT (1ull << 63)
#define PAGE_SWAPPED (1ull << 62)
/* No other process maps it; a page of zeros that stands for one that nobody has written is not meant. */
#define PAGE_SOLE (1ull << 56)

/* A file descriptor for pagemap_read() and PAGEMAP_SCAN, or -1. */
int pagemap_open(pid_t pid);

/* return how many words there are, at most n; 0: the memory is gone; -1: not readable */
ssize_t pagemap_read(int fd, uint64_t address, uint64_t *words, size_t n);

#endif
