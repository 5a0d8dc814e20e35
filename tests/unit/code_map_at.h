/* SPDX-License-Identifier: BSD-2-Clause
 *
 * code_map_at: an address -> the module of a code map that holds it, range by range.
 */
#ifndef PYLEAKTRACE_TESTS_CODE_MAP_AT_H
#define PYLEAKTRACE_TESTS_CODE_MAP_AT_H

#include "target/code_map.h"

/* The module that holds this address now, or CODE_NO_MODULE. */
static inline uint32_t find_module_at(const struct code_map *map, uint64_t address)
{
	for (uint32_t i = 0; i < map->n_ranges; i++)
		if (map->ranges[i].start <= address && address < map->ranges[i].end)
			return map->ranges[i].module;
	return CODE_NO_MODULE;
}

#endif
