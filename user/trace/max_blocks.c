/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/max_blocks.h"

#include <inttypes.h>
#include <stdio.h>

#define BYTES_FOR_ONE 512

static uint32_t within(uint64_t n, uint32_t least, uint32_t most)
{
	return n < least ? least : n > most ? most : (uint32_t)n;
}

uint32_t max_blocks_default(uint64_t rss_bytes, bool taken_at_start, uint64_t available)
{
	uint64_t wanted = rss_bytes / BYTES_FOR_ONE;
	uint64_t room = available / MAX_BLOCKS_SHARE / MAX_BLOCKS_BYTES;

	if (!taken_at_start)
		return within(wanted, MAX_BLOCKS_LEAST, MAX_BLOCKS_MOST);
	/* as much as there is room for: a small process may have many small blocks */
	return within(room, MAX_BLOCKS_TAKEN_LEAST, MAX_BLOCKS_TAKEN_MOST);
}

uint64_t max_blocks_available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	fclose(file);
	return kib * 1024;
}
