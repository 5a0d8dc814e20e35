/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Maps of the kinds that a session has, made here: what is counted against what this kernel states,
 * which from 6.4 on is what there is. Needs the permission to make maps, and is skipped without.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "probe/features.h"
#include "probe/map_memory.h"

static int make(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t n, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, NULL, key, value, n, &opts);

	if (fd == -EPERM || features_kernel() < KERNEL(6, 4))
		skip();
	assert_true(fd >= 0);
	return fd;
}

/* Within a page or two and 1 %: headers of the maps are not counted. */
static void check(int fd)
{
	double stated = (double)map_memory_stated(fd), counted = (double)map_memory_counted(fd);

	if (counted < 0.99 * stated - 8192 || counted > 1.01 * stated + 8192)
		fail_msg("%.0f counted, %.0f stated", counted, stated);
}

static void fill(int fd, uint32_t n, size_t value_size)
{
	void *value = calloc(1, value_size);

	for (uint64_t key = 0; key < n; key++)
		assert_int_equal(bpf_map_update_elem(fd, &key, value, BPF_ANY), 0);
	free(value);
}

static void arrays_take_what_the_kernel_says(void **state)
{
	static const struct {
		enum bpf_map_type type;
		uint32_t value, n, flags;
	} rows[] = {
		{BPF_MAP_TYPE_ARRAY, 8, 34816, BPF_F_MMAPABLE},
		{BPF_MAP_TYPE_ARRAY, 56, 32771, BPF_F_MMAPABLE},
		{BPF_MAP_TYPE_ARRAY, 11912, 1, 0},
		{BPF_MAP_TYPE_ARRAY, 100, 5000, 0},
		{BPF_MAP_TYPE_PERCPU_ARRAY, 200, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = make(rows[i].type, 4, rows[i].value, rows[i].n, rows[i].flags);

		check(fd);
		close(fd);
	}
}

/* As they fill, and with all from the start. */
static void hashes_take_what_the_kernel_says(void **state)
{
	static const uint32_t entries[] = {0, 1, 1000, 50000};

	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		int fd = make(BPF_MAP_TYPE_HASH, 8, 24, 100000, BPF_F_NO_PREALLOC);

		fill(fd, entries[i], 24);
		check(fd);
		close(fd);
		fd = make(BPF_MAP_TYPE_HASH, 8, 24, 100000, 0);
		fill(fd, entries[i], 24);
		check(fd);
		close(fd);
	}
}

/* Large values: few to a batch. */
static void large_values_are_counted_few_at_a_time(void **state)
{
	int fd = make(BPF_MAP_TYPE_HASH, 8, 11912, 32768, BPF_F_NO_PREALLOC);

	(void)state;
	fill(fd, 300, 11912);
	check(fd);
	/* and not what they could be */
	assert_true(map_memory_counted(fd) < 300 * 13000 + 16 * 32768);
	close(fd);
}

static void rings_take_what_the_kernel_says(void **state)
{
	int fd = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 65536, 0);

	(void)state;
	check(fd);
	close(fd);
}

/* Which of both counts. */
static void the_kernels_version_decides_which_figure_counts(void **state)
{
	int fd = make(BPF_MAP_TYPE_ARRAY, 4, 100, 5000, 0);

	(void)state;
	assert_int_equal(map_memory(fd, KERNEL(6, 4)), map_memory_stated(fd));
	assert_int_equal(map_memory(fd, KERNEL(6, 3) | 13), map_memory_counted(fd));
	assert_int_equal(map_memory(-1, KERNEL(6, 1)), 0);
	assert_int_equal(map_memory(-1, KERNEL(6, 18)), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_take_what_the_kernel_says),
		cmocka_unit_test(hashes_take_what_the_kernel_says),
		cmocka_unit_test(large_values_are_counted_few_at_a_time),
		cmocka_unit_test(rings_take_what_the_kernel_says),
		cmocka_unit_test(the_kernels_version_decides_which_figure_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
