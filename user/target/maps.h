/* SPDX-License-Identifier: BSD-2-Clause
 *
 * maps: /proc/PID/maps -> address ranges and the files behind them.
 *
 * Place      layer 1. Source: proc(5).
 * Shapes     maps.ranges in address order, as the kernel printed them. module: all ranges of one
 *            file (device + inode), the unit in which ELF is thought of.
 * Units      addresses in the target; offset in the file.
 * Ownership  maps_read() allocates, maps_fini() frees; range.path is valid as long as the maps.
 * Bounds     at most MAPS_MAX_RANGES ranges; more is an error, nothing is silently left out.
 */
#ifndef PYLEAKTRACE_TARGET_MAPS_H
#define PYLEAKTRACE_TARGET_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define MAPS_MAX_RANGES 262144

struct map_range {
	uint64_t start, end; /* [start, end) */
	uint64_t offset;     /* in the file */
	uint32_t dev_major, dev_minor;
	uint64_t inode; /* 0: no file */
	bool readable, writable, executable, shared;
	bool deleted;
	/* "" when anonymous; "[heap]", "[stack]", ...; octal escapes of the kernel undone */
	const char *path;
};

struct maps {
	pid_t pid;
	struct map_range *ranges;
	size_t n_ranges;
	char *text; /* private: what the paths point into */
};

int maps_read(struct maps *maps, pid_t pid, struct err *err);
void maps_fini(struct maps *maps);

/* The range that holds the address, or NULL. Binary search. */
const struct map_range *maps_find(const struct maps *maps, uint64_t address);

/*
 * A path under which the file of this range can be opened from here, also when it is deleted or
 * lives in another mount namespace: /proc/PID/map_files/START-END when it opens, else
 * /proc/PID/root + path, else the path itself when it leads to the same inode (the target sits in a
 * chroot).
 *
 * return 0, or -1 when none opens
 */
int maps_file_path(const struct maps *maps, const struct map_range *range, char *buffer,
		   size_t size);

#endif
