/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What of a process is shared with a forked one, by the text of smaps; and a census of memory whose
 * pagemap may not be opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "census/memory.h"
#include "target/usage.h"

#define FIELDS(rss, shared_clean, shared_dirty, anonymous)                                     \
	"Size: 999999 kB\nRss: " #rss " kB\nShared_Clean: " #shared_clean                      \
	" kB\nShared_Dirty: " #shared_dirty " kB\nPrivate_Dirty: 0 kB\nAnonymous: " #anonymous \
	" kB\nVmFlags: rd wr\n"

static const char smaps[] =
	/* the program: clean pages that other processes run too; they are the page cache's */
	"00400000-00500000 r-xp 00000000 fe:00 77 /usr/bin/python\n" FIELDS(900, 900, 0, 0)
	/* its data: 8 kB were written before the fork */
	"00900000-00a00000 rw-p 00500000 fe:00 77 /usr/bin/python\n" FIELDS(
		100, 60, 8,
		20) "01000000-02000000 rw-p 00000000 00:00 0 [heap]\n" FIELDS(9000, 4, 5000, 9000)
	/* memory that is meant to be shared */
	"70000000-71000000 rw-s 00000000 00:01 5 /dev/shm/x\n" FIELDS(
		7000, 0, 7000,
		7000) "7f0000000000-7f0000100000 rw-p 00000000 00:00 0 \n" FIELDS(64, 0, 0, 64);

static void shared_memory_is_summed_by_mapping(void **state)
{
	char *text = strdup(smaps);
	struct err err = ERR_INIT;
	struct usage usage;

	(void)state;
	assert_int_equal(usage_parse(&usage, text), 0);
	assert_int_equal(usage.n, 4);
	assert_int_equal(usage.ranges[0].shared, 0);
	assert_int_equal(usage.ranges[1].shared, 8 << 10);
	assert_int_equal(usage.ranges[2].shared, 5004 << 10);
	assert_int_equal(usage.ranges[3].shared, 0);
	assert_int_equal(usage.shared, 5012 << 10);
	assert_ptr_equal(usage_at(&usage, 0x1000000), &usage.ranges[2]);
	assert_ptr_equal(usage_at(&usage, 0x1ffffff), &usage.ranges[2]);
	assert_null(usage_at(&usage, 0x2000000));
	assert_null(usage_at(&usage, 0x70000000));
	assert_null(usage_at(&usage, 0));
	assert_ptr_equal(usage_at(&usage, 0x7f0000000000), &usage.ranges[3]);
	assert_int_equal(usage_refuse_shared(&usage, 7, &err), -ERR_PERMISSION);
	assert_non_null(strstr(err.text, "pid 7 shares 4.9 MiB"));
	assert_non_null(strstr(err.text, "add CAP_DAC_READ_SEARCH"));
	usage.shared = 0;
	assert_int_equal(usage_refuse_shared(&usage, 7, &err), 0);
	usage_free(&usage);
	free(text);
}

static void hostile_text_shares_nothing(void **state)
{
	char texts[][80] = {"",
			    "\n",
			    "Rss: 5 kB\n",
			    "10-5 rw-p 0 0:0 0\nRss: 5 kB\n",
			    "x\nRss: 1 kB\n",
			    "1000-2000 rw-p 0 00:00 0\nRss: 99999999999999999999999 kB"};
	struct usage usage;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(usage_parse(&usage, texts[i]), 0);
		assert_int_equal(usage.shared, 0);
		usage_free(&usage);
	}
}

/* Without pagemap: what is mostly used is read whole, what is mostly unused is left out and
 * said. */
static void without_pagemap_what_is_unused_is_left_out(void **state)
{
	enum { SIZE = 8 << 20 };
	uint8_t *bytes =
		mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = (uint64_t)(uintptr_t)bytes;
	struct map_range dense = {.start = start, .end = start + SIZE},
			 sparse = {.start = start + SIZE, .end = start + 2 * SIZE};
	struct memory memory;

	(void)state;
	assert_true(bytes != MAP_FAILED);
	/* two mappings: else they are one */
	assert_int_equal(mprotect(bytes + SIZE, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	madvise(bytes, 2 * SIZE, MADV_NOHUGEPAGE);
	memset(bytes, 1, SIZE);
	memset(bytes + SIZE, 2, 5 * MEMORY_PAGE);
	assert_int_equal(memory_open(&memory, getpid(), NULL), 0);
	close(memory.pagemap);
	memory.pagemap = -1;
	assert_int_equal(usage_read(&memory.usage, getpid(), NULL), 0);
	memory_begin(&memory, &dense);
	assert_int_equal(memory_peek(&memory, start + SIZE / 2, 1)[0], 1);
	assert_int_equal(memory.sparse_bytes, 0);
	for (int i = 0; i < 2; i++) { /* counted once */
		memory_begin(&memory, &sparse);
		assert_int_equal(memory_peek(&memory, start + SIZE, 1)[0], 0);
		assert_false(memory_page_present(&memory, start + SIZE));
		assert_int_equal(memory_after_absent(&memory, start + SIZE), sparse.end);
		assert_int_equal(memory.sparse_bytes, 5 * MEMORY_PAGE);
	}
	memory_close(&memory);
	munmap(bytes, 2 * SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_memory_is_summed_by_mapping),
		cmocka_unit_test(hostile_text_shares_nothing),
		cmocka_unit_test(without_pagemap_what_is_unused_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
