/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What /proc says, from files made by hand: mappings by their kind, control groups of both
 * versions, with and without a limit; glibc's arena in a copy of its data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "census/fast_bins.h"
#include "census/memory.h"
#include "trend/cgroup.h"
#include "trend/proc_memory.h"

/* ---- smaps ---------------------------------------------------------------------------------- */

/* kilobytes: Rss, Anonymous; Pss is 2, Swap is 1 */
#define MAPPING(head, rss, anonymous)                                               \
	head "\nSize: 9999 kB\nRss: " #rss                                          \
	     " kB\nPss: 2 kB\nPss_Anon: 7 kB\nShared_Clean: 3 kB\nShared_Dirty: 4 " \
	     "kB\nPrivate_Clean: 5 kB\nPrivate_Dirty: 6 kB\nAnonymous: " #anonymous \
	     " kB\nSwap: 1 kB\nSwapPss: 5 kB\nVmFlags: rd wr\n"

static void each_mapping_counts_where_it_belongs(void **state)
{
	char text[] = MAPPING(
		"00400000-00500000 r-xp 00000000 fe:00 11   /usr/bin/Python 3 (deleted)", 100,
		0) MAPPING("00500000-00600000 rw-p 00100000 fe:00 11   /usr/bin/Python 3", 30,
			   20) MAPPING("00600000-00700000 rw-p 00000000 00:00 0", 1, 1)
		MAPPING("01600000-01700000 rw-p 00000000 00:00 0    [heap]", 1000, 1000) MAPPING(
			"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ", 50,
			50) MAPPING("7f0000002000-7f0000003000 rw-p 00000000 00:00 0 [anon:arena]",
				    5,
				    5) MAPPING("7f0000004000-7f0000005000 ---p 00000000 00:00 0 ",
					       3, 3)
			MAPPING("7f0000006000-7f0000007000 rwxp 00000000 00:00 0 ", 2, 2) MAPPING(
				"7f0000008000-7f0000009000 rw-s 00000000 00:01 77 /dev/shm/a", 400,
				0) MAPPING("7f000000a000-7f000000b000 rw-s 00000000 00:01 78 "
					   "/memfd:x (deleted)",
					   4, 0) MAPPING("7f000000c000-7f000000d000 rw-s 00000000 "
							 "fe:00 79 /srv/data.bin",
							 600, 0)
				MAPPING("7ffe00000000-7ffe00100000 rw-p 00000000 00:00 0  [stack]",
					40, 40) MAPPING("7ffe00200000-7ffe00201000 r-xp 00000000 "
							"00:00 0  [vdso]",
							8, 0);
	struct proc_memory memory;

	(void)state;
	proc_memory_parse(&memory, text);
	assert_int_equal(memory.rss, 2243 << 10);
	assert_int_equal(memory.pss, 26 << 10);
	assert_int_equal(memory.anonymous, 1121 << 10);
	assert_int_equal(memory.swap, 13 << 10);
	assert_int_equal(memory.own, 13 * 11 << 10);
	/* of private mappings: with a file 0 and 4; without 1, 7, 7, 5, 3, 2, 7, 0, at most what is
	 * anonymous */
	assert_int_equal(memory.common, 36 << 10);
	assert_int_equal(memory.data, 20 << 10);
	assert_int_equal(memory.files, 710 << 10);
	assert_int_equal(memory.heap, 1058 << 10); /* a rwx mapping is read too */
	assert_int_equal(memory.shared, 404 << 10);
	assert_int_equal(memory.stack, 40 << 10);
	assert_int_equal(memory.other, 11 << 10);
	assert_int_equal(memory.rss, memory.data + memory.files + memory.heap + memory.shared +
					     memory.stack + memory.other);
}

/* Nothing that a kernel writes: the end is reached, and nothing is made up. */
static void any_text_comes_to_an_end(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "Rss: 5 kB\n",
					    "x\nRss: 5 kB\n",
					    "0-1 rw-p 0 0:0\nRss: 5 kB\n",
					    "0-1 rw-p 0 0:0 0 \nRss: 99999999999999999999 kB\n",
					    "0-1 rw-p 0 0:0 0 \nRss: \nRss kB\nRssX: 9 kB\n"};
	struct proc_memory memory;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *copy = strdup(texts[i]);

		proc_memory_parse(&memory, copy);
		assert_int_equal(memory.rss, 0);
		free(copy);
	}
}

/* The sums do not distinguish files from others: what is clean in them is a file's, as a rule. */
static void the_sums_take_clean_pages_for_files(void **state)
{
	char text[] = MAPPING("00400000-7ffe00201000 ---p 00000000 00:00 0    [rollup]", 90, 50);
	struct proc_memory memory;

	(void)state;
	proc_memory_parse(&memory, text);
	assert_int_equal(memory.rss, 90 << 10);
	assert_int_equal(memory.own, 11 << 10);
	assert_int_equal(memory.common, 4 << 10);
}

/* This process: parts add up, and the sums are those of smaps_rollup. */
static void parts_of_our_own_memory_add_up(void **state)
{
	struct proc_memory memory, sums;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(proc_memory_read(&memory, getpid(), &err), 0);
	assert_int_equal(memory.rss, memory.data + memory.files + memory.heap + memory.shared +
					     memory.stack + memory.other);
	assert_true(memory.rss > 1 << 20);
	assert_int_equal(proc_memory_sums(&sums, getpid(), &err), 0);
	assert_true(sums.rss > memory.rss / 2 && sums.rss < memory.rss * 2);
	assert_true(sums.pss <= sums.rss);
	assert_int_not_equal(proc_memory_read(&memory, 0x7ffffff0, &err), 0);
}

/* ---- which pages are in memory -------------------------------------------------------------- */

#define PAGES 600 /* more than the window has */

static void check_resident(bool no_scan)
{
	uint8_t *bytes = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	const struct map_range range = {.start = (uint64_t)bytes,
					.end = (uint64_t)bytes + PAGES * 4096};
	struct memory memory;
	struct err err = ERR_INIT;
	uint64_t at = range.start;

	assert_true(bytes != MAP_FAILED);
	madvise(bytes, PAGES * 4096, MADV_NOHUGEPAGE);
	for (size_t page = 0; page < PAGES; page += 3)
		bytes[page * 4096] = 1;
	assert_int_equal(memory_open(&memory, getpid(), &err), 0);
	memory.no_scan = no_scan;
	for (unsigned round = 0; round < 2; round++) {
		/* without a window, then with one over the first pages */
		assert_int_equal(memory_resident(&memory, at, range.end), PAGES / 3 * 4096);
		assert_int_equal(memory_resident(&memory, at + 100, at + 300), 200);
		assert_int_equal(memory_resident(&memory, at + 4000, at + 4 * 4096 - 96),
				 96 + 4096 - 96);
		assert_int_equal(memory_resident(&memory, at + 4096, at + 3 * 4096), 0);
		memory_begin(&memory, &range);
		assert_non_null(memory_peek(&memory, at, 4096));
	}
	/* what is forged cannot have it ask without end */
	assert_int_equal(memory_resident(&memory, at, at), 0);
	memory.asked_pages = MEMORY_ASKED_MAX - 1;
	memory_resident(&memory, range.end - 4096, range.end);
	assert_true(memory_resident(&memory, 1ull << 46, 1ull << 47) == 1ull << 46);
	memory_close(&memory);
	munmap(bytes, PAGES * 4096);
}

/* With PAGEMAP_SCAN, where the kernel has it, and without. */
static void resident_pages_are_counted_with_a_scan_and_without(void **state)
{
	(void)state;
	check_resident(false);
	check_resident(true);
}

/* ---- control groups ------------------------------------------------------------------------- */

static char root[64];

static void put(const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(whole, 0700);
		*at = '/';
	}
	file = fopen(whole, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/pyleaktrace-cgroup.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int drop(const char *path, const struct stat *about, int flag, struct FTW *at)
{
	(void)about;
	(void)flag;
	(void)at;
	return remove(path);
}

static int drop_root(void **state)
{
	(void)state;
	return nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void put_mounts(const char *v1_root, const char *v2_root)
{
	char text[1024] = "1 0 8:1 / / rw - ext4 /dev/sda rw\n", line[256];

	if (v1_root) {
		snprintf(line, sizeof(line),
			 "30 25 0:26 %s %s/v1 rw,nosuid shared:9 - cgroup cgroup rw,memory\n",
			 v1_root, root);
		strcat(text, line);
	}
	if (v2_root) {
		snprintf(line, sizeof(line), "31 25 0:27 %s %s/v2 rw - cgroup2 cgroup2 rw\n",
			 v2_root, root);
		strcat(text, line);
	}
	put("proc/self/mountinfo", text);
}

static int look(struct trend_cgroup *cgroup, struct err *err)
{
	char proc[128];

	snprintf(proc, sizeof(proc), "%s/proc", root);
	*err = (struct err)ERR_INIT;
	return cgroup_read(cgroup, proc, 7, err);
}

static void a_cgroup_of_version_2_is_read(void **state)
{
	struct trend_cgroup cgroup;
	struct err err;

	(void)state;
	put_mounts(NULL, "/");
	put("proc/7/cgroup", "0::/kube/pod 1/app\n");
	put("v2/kube/pod 1/app/memory.current", "1000\n");
	put("v2/kube/pod 1/app/memory.max", "max\n");
	put("v2/kube/pod 1/app/memory.stat", "anon 5\nfile 300\nfile_mapped 9\n");
	assert_int_equal(look(&cgroup, &err), 0);
	assert_int_equal(cgroup.version, 2);
	assert_int_equal(cgroup.usage_bytes, 1000);
	assert_int_equal(cgroup.cache_bytes, 300);
	assert_false(cgroup.have_limit);
	assert_string_equal(cgroup.path, "/kube/pod 1/app");
	/* the limit is the pod's: so is the usage */
	put("v2/kube/pod 1/memory.current", "5000\n");
	put("v2/kube/pod 1/memory.max", "8000\n");
	put("v2/kube/memory.current", "50000\n");
	put("v2/kube/memory.max", "90000\n");
	assert_int_equal(look(&cgroup, &err), 0);
	assert_true(cgroup.have_limit);
	assert_int_equal(cgroup.limit_bytes, 8000);
	assert_int_equal(cgroup.usage_bytes, 5000);
	assert_string_equal(cgroup.path, "/kube/pod 1");
	/* in a container the mount shows the group alone */
	put_mounts(NULL, "/kube");
	put("v2/pod 1/app/memory.current", "77\n");
	assert_int_equal(look(&cgroup, &err), 0);
	assert_int_equal(cgroup.usage_bytes, 77);
}

static void a_cgroup_of_version_1_is_read(void **state)
{
	struct trend_cgroup cgroup;
	struct err err;

	(void)state;
	/* both are mounted; memory is with version 1 */
	put_mounts("/", "/");
	put("proc/7/cgroup", "9:name=systemd:/\n4:cpu,memory:/box\n3:cpuset:/\n0::/other\n");
	put("v1/box/memory.usage_in_bytes", "4096\n");
	put("v1/box/memory.limit_in_bytes", "9223372036854771712\n");
	put("v1/box/memory.stat", "cache 1\ntotal_cache 2048\n");
	put("v1/memory.usage_in_bytes", "999999\n");
	put("v1/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(look(&cgroup, &err), 0);
	assert_int_equal(cgroup.version, 1);
	assert_int_equal(cgroup.usage_bytes, 4096);
	assert_int_equal(cgroup.cache_bytes, 2048);
	assert_false(cgroup.have_limit);
	put("v1/box/memory.limit_in_bytes", "65536\n");
	assert_int_equal(look(&cgroup, &err), 0);
	assert_true(cgroup.have_limit);
	assert_int_equal(cgroup.limit_bytes, 65536);
}

static void without_a_cgroup_there_is_a_reason(void **state)
{
	struct trend_cgroup cgroup;
	struct err err;

	(void)state;
	assert_int_equal(look(&cgroup, &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "/proc/7/cgroup"));
	put("proc/7/cgroup", "3:cpuset:/\n");
	put_mounts(NULL, NULL);
	assert_int_equal(look(&cgroup, &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "no control group for memory"));
	put("proc/7/cgroup", "4:memory:/../../elsewhere\n");
	assert_int_equal(look(&cgroup, &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "not mounted"));
	put_mounts("/", NULL);
	assert_int_equal(look(&cgroup, &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "no memory figures"));
	put("proc/7/cgroup", "0::/a\n");
	assert_int_equal(look(&cgroup, &err), -ERR_FAILED);
	assert_non_null(strstr(err.text, "cgroup2 is not mounted"));
	assert_false(cgroup.have);
}

/* ---- glibc's main arena --------------------------------------------------------------------- */

/* Bins whose links stand from words[at] on; the n first ones have chunks. */
static void make_bins(uint64_t *words, size_t at, size_t n, uint64_t address)
{
	for (size_t i = 0; i < 127; i++) {
		uint64_t self = address + 8 * (at + 2 * i) - 16;

		words[at + 2 * i] = words[at + 2 * i + 1] = i < n ? 0x7f0000000000 + 64 * i : self;
	}
}

static void the_main_arena_is_found_by_its_top(void **state)
{
	const uint64_t address = 0x7ffff7dd0000;
	uint64_t words[2048];

	(void)state;
	for (size_t at = 12; at < 1500; at += 371) {
		for (size_t used = 0; used < 60; used += 7) {
			memset(words, 0, sizeof(words));
			make_bins(words, at, used, address);
			assert_int_equal(fast_bins_find_top(words, 2048, address), at - 2);
		}
	}
	/* another address, too few, nothing, cut */
	assert_int_equal(fast_bins_find_top(words, 2048, address + 16), 2048);
	make_bins(words, 100, 100, address);
	memset(words + 400, 0, sizeof(words) - 3200);
	assert_int_equal(fast_bins_find_top(words, 2048, address), 2048);
	memset(words, 0xff, sizeof(words));
	assert_int_equal(fast_bins_find_top(words, 2048, address), 2048);
	memset(words, 0, sizeof(words));
	make_bins(words, 12, 0, address);
	assert_int_equal(fast_bins_find_top(words, 100, address), 100);
	assert_int_equal(fast_bins_find_top(words, 0, address), 0);
}

/* ---- lists of free chunks ------------------------------------------------------------------- */

#define ROOM_CHUNKS 1000

/* What an arena and its heap have, in anonymous memory. */
struct made_arena {
	uint64_t state[13]; /* `top` is 96 bytes from its start, the ten lists before that */
	uint64_t unused;
	struct {
		uint64_t previous, size, link, fill;
	} chunks[ROOM_CHUNKS];
};

static void put_link(struct made_arena *arena, size_t from, uint64_t to)
{
	uint64_t place = (uintptr_t)&arena->chunks[from].link;

	arena->chunks[from].link = to ^ place >> 12;
}

/* A list of n chunks of 32 bytes, of which the last leads to chunk `then`; n: nowhere. */
static void make_list(struct made_arena *arena, size_t n, size_t then)
{
	memset(arena, 0, sizeof(*arena));
	arena->state[12] = (uintptr_t)&arena->chunks[ROOM_CHUNKS - 1];
	arena->state[2] = n ? (uintptr_t)&arena->chunks[0] : 0;
	for (size_t i = 0; i < n; i++) {
		arena->chunks[i].size = 32 | 1;
		put_link(arena, i,
			 i + 1 < n  ? (uintptr_t)&arena->chunks[i + 1]
			 : then < n ? (uintptr_t)&arena->chunks[then]
				    : 0);
	}
}

static uint64_t side_bytes(const struct made_arena *arena)
{
	const struct py_runtime runtime = {.libc_is_musl = true}; /* no main arena */
	const uint64_t address = (uintptr_t)arena;
	struct fast_bins bins;
	struct maps maps;

	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	fast_bins_read(&bins, &maps, &runtime, &address, 1);
	maps_fini(&maps);
	assert_int_equal(bins.main_bytes, 0);
	return bins.side_bytes;
}

/* While lists are followed they change, and pages of different moments may make a loop: every chunk
 * is one all the same. */
static void free_chunks_count_once_though_lists_change(void **state)
{
	struct made_arena *arena = mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const size_t lengths[] = {0, 1, 2, 3, 7, 8, 9, 64, 65, 999};

	(void)state;
	assert_true(arena != MAP_FAILED);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t n = lengths[i];

		make_list(arena, n, n);
		assert_int_equal(side_bytes(arena), 32 * n);
		for (size_t then = 0; then < n; then += 1 + n / 13) {
			make_list(arena, n, then);
			assert_int_equal(side_bytes(arena), 32 * n);
		}
	}
	/* a chunk that is none ends the list, and so does a link that leads elsewhere */
	make_list(arena, 100, 100);
	arena->chunks[40].size = 48;
	assert_int_equal(side_bytes(arena), 32 * 40);
	make_list(arena, 100, 100);
	put_link(arena, 50, 0x1230);
	assert_int_equal(side_bytes(arena), 32 * 51);
	munmap(arena, sizeof(*arena));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mapping_counts_where_it_belongs),
		cmocka_unit_test(the_sums_take_clean_pages_for_files),
		cmocka_unit_test(any_text_comes_to_an_end),
		cmocka_unit_test(parts_of_our_own_memory_add_up),
		cmocka_unit_test_setup_teardown(a_cgroup_of_version_2_is_read, make_root,
						drop_root),
		cmocka_unit_test_setup_teardown(a_cgroup_of_version_1_is_read, make_root,
						drop_root),
		cmocka_unit_test_setup_teardown(without_a_cgroup_there_is_a_reason, make_root,
						drop_root),
		cmocka_unit_test(the_main_arena_is_found_by_its_top),
		cmocka_unit_test(free_chunks_count_once_though_lists_change),
		cmocka_unit_test(resident_pages_are_counted_with_a_scan_and_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
