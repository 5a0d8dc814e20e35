/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/map_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe/features.h"

/* bytes, on 64 bits: struct htab_elem without key and value; struct bucket; what an element of its
 * own has more */
#define ELEMENT 48
#define BUCKET  16
#define OWN     8

/* pages of a ring buffer in addition to its data: its struct, and one each for the two positions */
#define RING_PAGES 3

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t page(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t power_of_two(uint64_t n)
{
	uint64_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static uint64_t cpus(void)
{
	int n = libbpf_num_possible_cpus();

	return n > 0 ? (uint64_t)n : 1;
}

static uint64_t count_entries(int fd, const struct bpf_map_info *info)
{
	uint64_t n = 0, entry = (uint64_t)info->key_size + info->value_size;
	__u32 most = entry < MAP_MEMORY_BATCH ? (__u32)(MAP_MEMORY_BATCH / entry) : 1, got, at;
	char *keys = malloc((size_t)most * info->key_size);
	char *values = malloc((size_t)most * info->value_size);
	void *in = NULL;
	int result = 0;

	while (keys && values && !result) {
		got = most;
		result = bpf_map_lookup_batch(fd, in, &at, keys, values, &got, NULL);
		/* a bucket has more than there is room for */
		if (result == -ENOSPC || (result && result != -ENOENT))
			break;
		n += got;
		in = &at;
	}
	free(keys);
	free(values);
	return n;
}

static uint64_t hash_bytes(int fd, const struct bpf_map_info *info)
{
	uint64_t element = ELEMENT + round_up(info->key_size, 8) + round_up(info->value_size, 8);
	uint64_t buckets = BUCKET * power_of_two(info->max_entries);

	if (info->map_flags & BPF_F_NO_PREALLOC)
		return buckets + (element + OWN) * count_entries(fd, info);
	return buckets + element * (info->max_entries + cpus());
}

uint64_t map_memory_counted(int fd)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return 0;
	switch (info.type) {
	case BPF_MAP_TYPE_ARRAY:
		return round_up(round_up(info.value_size, 8) * info.max_entries, page());
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return round_up(info.value_size, 8) * info.max_entries * cpus();
	case BPF_MAP_TYPE_HASH:
		return hash_bytes(fd, &info);
	case BPF_MAP_TYPE_RINGBUF:
		return info.max_entries + RING_PAGES * page();
	default:
		return 0;
	}
}

uint64_t map_memory_stated(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	if (!info)
		return 0;
	while (fgets(line, sizeof(line), info))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(info);
	return bytes;
}

uint64_t map_memory(int fd, unsigned kernel)
{
	return kernel >= KERNEL(6, 4) ? map_memory_stated(fd) : map_memory_counted(fd);
}
