/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pagemap: an address -> whether the target has a page there, and whether others have it too.
 *
 * Place      layer 1; used by the census and by leftovers.
 * Source     /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst). Asking touches no page.
 * Degrades   it is opened by its mode (0400, the target's user): fd is -1 then, and pagemap_read()
 *            -1.
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
/* It is its file's, or shared memory: not a copy of the process's own. */
#define PAGE_OF_FILE (1ull << 61)
/*
 * The page is mapped once: no other process maps it. (The page of zeros that stands for memory that
 * was never written does not count.) It is not the PageAnonExclusive mark by which the kernel
 * decides whether process_vm_readv() copies a page (mm/gup.c, gup_must_unshare()); pagemap does not
 * show that one. A page that is mapped once may still be copied when it is read so:
 * - after a fork whose other process has ended or has its own copy: the mark is gone until the next
 *   write. The kernel sets it again where nothing else refers to the page, and otherwise (swap
 *   cache, a batch of the LRU lists) copies it. No other process loses anything: none shares it any
 *   more.
 * - a page of KSM that is mapped once: merging is undone for it.
 * - a part of a huge page, other parts of which are still shared or referenced.
 */
#define PAGE_SOLE (1ull << 56)

/* A file descriptor for pagemap_read() and PAGEMAP_SCAN, or -1. */
int pagemap_open(pid_t pid);

/* return how many words there are, at most n; 0: the memory is gone; -1: not readable */
ssize_t pagemap_read(int fd, uint64_t address, uint64_t *words, size_t n);

#endif
