/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memory: the parts of a target's memory that may hold objects -> a window of bytes that moves
 * over them.
 *
 * Only pages that are in memory are read: asking for another would bring it in, and change the
 * target. A page that is not there, is swapped out, or goes away meanwhile reads as zeros. Pages
 * that the target shares with a forked process stay shared; pages that it has alone are read by the
 * faster way (remote_mem.h).
 *
 * Place      the census; used by walk, the allocators and scan.
 * Source     /proc/PID/pagemap (pagemap.h) and its ioctl PAGEMAP_SCAN (Linux 6.7;
 *            Documentation/admin-guide/mm/pagemap.rst); the bytes through remote_mem.
 * Units      addresses in the target, bytes.
 * Degrades   without pagemap (it is opened by its mode: the target's user, root,
 *            CAP_DAC_READ_SEARCH) every page counts as being there, and mappings of which little is
 *            in memory (by /proc/PID/smaps) are left out; and a target that shares memory with a
 *            forked process is refused. Without PAGEMAP_SCAN every word of pagemap is read: of a
 *            reservation of terabytes (the shadow of a sanitizer, a sandbox) that takes a minute.
 * Bounds     MEMORY_WINDOW bytes of buffer, whatever the target's size; the target is read, never
 *            stopped.
 * Threads    one at a time per struct.
 */
#ifndef PYLEAKTRACE_CENSUS_MEMORY_H
#define PYLEAKTRACE_CENSUS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "target/maps.h"
#include "target/pagemap.h"
#include "target/usage.h"

#define MEMORY_PAGE      PAGEMAP_PAGE
#define MEMORY_WINDOW    (512u << 10)
#define MEMORY_ASKED_MAX (1ull << 26) /* pages: 256 GiB */
#define MEMORY_PAGES     (MEMORY_WINDOW / MEMORY_PAGE)

struct memory {
	pid_t pid;
	int pagemap;            /* -1: not readable */
	uint64_t start, length; /* what the window holds now */
	uint64_t end;           /* of the range that is walked; the window never goes beyond */
	uint8_t *bytes;
	bool present[MEMORY_PAGES];
	bool gone;    /* the target has ended, or may not be read any more */
	bool sparse;  /* the range is left out: it reads as zeros */
	bool no_scan; /* the kernel has no PAGEMAP_SCAN */
	uint64_t read_bytes;
	uint64_t asked_pages;   /* by memory_resident(), beyond the window */
	uint64_t swapped_pages; /* that were asked for and are not in memory */
	struct usage usage;     /* without pagemap */
	uint64_t sparse_bytes;  /* in memory, in mappings that were left out */
	void (*moved)(void *context, uint64_t read_bytes); /* with the window; may be NULL */
	void *context;
};

/* return 0; -ERR_PERMISSION: see Degrades; -ERR_FAILED, -ERR_TARGET */
int memory_open(struct memory *memory, pid_t pid, struct err *err);
void memory_close(struct memory *memory);

/* May this range hold objects? Readable, writable, private, anonymous, and not a stack. */
bool memory_is_heap(const struct map_range *range);

/* Begin with another range: nothing is in the window. */
void memory_begin(struct memory *memory, const struct map_range *range);

/*
 * The bytes at an address of the range; moves the window when they are not in it.
 *
 * in     length: at most MEMORY_WINDOW / 2; MEMORY_WINDOW from the beginning of a page on
 * return valid until the next call; NULL: they reach beyond the range
 */
const uint8_t *memory_peek(struct memory *memory, uint64_t address, size_t length);

/* The same when they are in the window; never moves it. */
const uint8_t *memory_here(const struct memory *memory, uint64_t address, size_t length);

/* Is the page of this address, which the window holds, in memory? */
bool memory_page_present(const struct memory *memory, uint64_t address);

/*
 * A page that is not there, in the window -> the next one that is worth asking for, or the end of
 * the range. What lies between takes no time, however much it is.
 */
uint64_t memory_after_absent(struct memory *memory, uint64_t page);

/*
 * How many bytes of [start, end) are in memory; the window is not moved.
 *
 * note   without pagemap all are; and when it has been asked for MEMORY_ASKED_MAX pages: a heap
 *        that is forged to overlap itself has no end
 */
uint64_t memory_resident(struct memory *memory, uint64_t start, uint64_t end);

#endif
