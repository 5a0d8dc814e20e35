/* SPDX-License-Identifier: BSD-2-Clause
 *
 * map_memory: a BPF map -> the kernel memory that it has now.
 *
 * From 6.4 on the kernel states it (fdinfo: memlock). Before, what is stated there is the most that
 * the map's keys and values could take, whatever of it is there: 446 MiB of a session that had 53.
 * There it is counted as the newer ones do.
 *
 * Place      layer 3; session sums it up.
 * Source     Linux 6.4: array_map_mem_usage() in kernel/bpf/arraymap.c, htab_map_mem_usage() in
 *            hashtab.c, ringbuf_map_mem_usage() in ringbuf.c; before, bpf_map_memory_footprint() in
 *            syscall.c.
 * Units      bytes.
 * Degrades   0: not known. Of a map that changes meanwhile the entries are counted as they are met.
 * Bounds     reads all entries of a hash map that allocates them as it fills, MAP_MEMORY_BATCH
 *            bytes at a time.
 */
#ifndef PYLEAKTRACE_PROBE_MAP_MEMORY_H
#define PYLEAKTRACE_PROBE_MAP_MEMORY_H

#include <stdint.h>

#define MAP_MEMORY_BATCH (1u << 20)

/* in  kernel: as in struct features */
uint64_t map_memory(int map_fd, unsigned kernel);

/* As the kernel states it, ... */
uint64_t map_memory_stated(int map_fd);

/* ... and as it is counted. */
uint64_t map_memory_counted(int map_fd);

#endif
