/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The window over memory: of a reservation of terabytes the pages that are there are found, and
 * nothing else is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "census/memory.h"

#define RESERVED (8ull << 40)
#define SMALL    (64ull << 20)

static uint8_t *reserve(uint64_t size)
{
	uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(bytes != MAP_FAILED);
	/* the page after the one that is written stays absent */
	madvise(bytes, size, MADV_NOHUGEPAGE);
	return bytes;
}

/* The walk meets exactly these offsets, and has read exactly these pages. */
static void check(uint64_t size, bool no_scan, const uint64_t *offsets, size_t n_offsets)
{
	uint8_t *bytes = reserve(size);
	uint64_t start = (uint64_t)(uintptr_t)bytes;
	struct map_range range = {.start = start, .end = start + size};
	struct memory memory;
	size_t n = 0;

	for (size_t i = 0; i < n_offsets; i++)
		bytes[offsets[i] + i] = (uint8_t)(i + 1);
	assert_int_equal(memory_open(&memory, getpid(), NULL), 0);
	assert_true(memory.pagemap >= 0);
	memory.no_scan = no_scan;
	memory_begin(&memory, &range);
	for (uint64_t page = range.start; page < range.end;) {
		const uint8_t *here = memory_peek(&memory, page, MEMORY_PAGE);

		assert_non_null(here);
		if (!memory_page_present(&memory, page)) {
			page = memory_after_absent(&memory, page);
			continue;
		}
		assert_true(n < n_offsets);
		assert_int_equal(page - start, offsets[n]);
		assert_int_equal(here[n], n + 1);
		n++;
		page += MEMORY_PAGE;
	}
	assert_int_equal(n, n_offsets);
	assert_int_equal(memory.read_bytes, n * MEMORY_PAGE);
	assert_int_equal(memory.swapped_pages, 0);
	memory_close(&memory);
	munmap(bytes, size);
}

static const uint64_t few[] = {0,
			       3 * MEMORY_PAGE,
			       MEMORY_WINDOW - MEMORY_PAGE,
			       MEMORY_WINDOW,
			       SMALL / 2 + 7 * MEMORY_PAGE,
			       SMALL - MEMORY_PAGE};
static const uint64_t far[] = {5 * MEMORY_PAGE, RESERVED / 3 / MEMORY_PAGE *MEMORY_PAGE,
			       RESERVED - MEMORY_PAGE};

static void every_page_that_is_present_is_shown(void **state)
{
	(void)state;
	check(SMALL, false, few, sizeof(few) / sizeof(few[0]));
	check(SMALL, false, few, 0);
}

static void an_older_kernel_shows_the_same(void **state)
{
	(void)state;
	check(SMALL, true, few, sizeof(few) / sizeof(few[0]));
	check(SMALL, true, few, 0);
}

/* This ends only if what lies between is stepped over: two thousand million pages. */
static void reserved_terabytes_are_stepped_over(void **state)
{
	struct memory memory;

	(void)state;
	assert_int_equal(memory_open(&memory, getpid(), NULL), 0);
	memory.end = MEMORY_PAGE;
	memory_after_absent(&memory, 0);
	memory_close(&memory);
	if (memory.no_scan) {
		print_message("skip: this kernel has no PAGEMAP_SCAN (6.7)\n");
		skip();
	}
	check(RESERVED, false, far, sizeof(far) / sizeof(far[0]));
	check(RESERVED, false, far, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_that_is_present_is_shown),
		cmocka_unit_test(an_older_kernel_shows_the_same),
		cmocka_unit_test(reserved_terabytes_are_stepped_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
