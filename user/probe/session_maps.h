/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session_maps: what a session's maps hold, to be read while the kernel writes them.
 *
 * Place      layer 3; snapshot reads them. Maps of blocks and threads are read by map_reader.
 * Units      bytes, counts.
 */
#ifndef PYLEAKTRACE_PROBE_SESSION_MAPS_H
#define PYLEAKTRACE_PROBE_SESSION_MAPS_H

#include "probe/session.h"

struct session_view {
	int blocks_fd, mappings_fd, threads_fd;
	const struct abi_site *sites; /* mapped: changes while one looks */
	const struct abi_chunk *frames;
	uint32_t n_sites; /* ids below this may be in use */
	uint32_t max_sites, max_chunks;
};

void session_look(const struct session *session, struct session_view *view);

/* Sums over all CPUs since session_start(); counts[ABI_COUNTERS]. */
int session_counters(const struct session *session, uint64_t *counts);

/* Kernel memory of all maps now, in bytes, see map_memory.h. */
uint64_t session_maps_bytes(const struct session *session);

/* One line per map: name, entries, memory. */
void session_print_maps(FILE *out, const struct session *session);

#endif
