/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pages: lists that wander through the target's memory -> words, with few reads: the pages that
 * were met last are kept.
 *
 * Place      the census; used by gc_state and fast_bins.
 * Source     /proc/PID/pagemap: a page that is not in memory is not brought in.
 * Errors     a word that is not there: false.
 * Bounds     PAGES_KEPT pages of memory. What is kept grows stale: one struct for one look.
 */
#ifndef PYLEAKTRACE_CENSUS_PAGES_H
#define PYLEAKTRACE_CENSUS_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGES_KEPT 64

struct pages;

struct pages *pages_new(pid_t pid); /* NULL: memory is out */
void pages_free(struct pages *pages);

/* The word at an address that is a multiple of 8. */
bool pages_read(struct pages *pages, uint64_t address, uint64_t *value);

#endif
