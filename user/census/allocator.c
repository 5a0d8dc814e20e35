/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/allocator.h"

#include <string.h>

#include "python/locate.h"

const struct allocator *const allocators[ALLOCATORS] = {
	&allocator_mimalloc,
	&allocator_pymalloc,
	&allocator_glibc,
	&allocator_unknown,
};

bool allocator_is_libc(const struct py_runtime *runtime, const struct maps *maps)
{
	static const char *const others[] = {"/libjemalloc", "/libtcmalloc", "/libmimalloc",
					     "/libhoard",    "/librpmalloc", "/libscudo"};
	uint64_t bound = runtime->python.elf ? py_locate_malloc(&runtime->python, maps) : 0;

	if (bound)
		return bound >= runtime->libc.start && bound < runtime->libc.end;
	for (size_t i = 0; i < maps->n_ranges; i++)
		for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++)
			if (strstr(maps->ranges[i].path, others[j]))
				return false;
	return true;
}
