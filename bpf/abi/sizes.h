/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sizes: blocks by size, in classes that a word has a bit for each of: by steps of 16 bytes up to
 * 512, as pymalloc's, and by powers of two above.
 *
 *      bytes    0..16  17..32  ...  497..512  513..1024  1025..2048  ...  more than 2^39
 *      class      1      2     ...     32         33         34      ...       63
 */
#ifndef PYLEAKTRACE_ABI_SIZES_H
#define PYLEAKTRACE_ABI_SIZES_H

#include "abi/ints.h"

#define ABI_SIZE_CLASSES 64u

/* the largest size of what has classes of its own */
#define ABI_SIZE_SMALL      512u
#define ABI_SIZE_SMALL_LAST 32u

/* of a block, as it was asked for */
static inline __attribute__((always_inline)) __u32 abi_size_class(__u64 size)
{
	__u32 class = ABI_SIZE_SMALL_LAST;

	if (size <= ABI_SIZE_SMALL)
		return size ? (__u32)(size + 15) / 16 : 1;
	size = (size - 1) / ABI_SIZE_SMALL;
	if (size >> 32)
		return ABI_SIZE_CLASSES - 1;
	/* the number of its bits */
	for (__u32 step = 16; step; step /= 2) {
		if (size >> step) {
			class += step;
			size >>= step;
		}
	}
	class += (__u32)size;
	return class < ABI_SIZE_CLASSES ? class : ABI_SIZE_CLASSES - 1;
}

#endif
