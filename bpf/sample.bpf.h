/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * sample: which blocks are recorded where not all are: those of some sizes, or a sample by bytes.
 *
 * Along the bytes that a thread asks for, one call after the other, points lie at distances drawn
 * from the exponential distribution with a mean of 2^shift bytes. A block on which a point falls is
 * recorded:
 *
 *      bytes    |--40--|------------------600------------------|-24-|--40--|-----...
 *      points   .................................x.......................x..........
 *
 * So a block of s bytes is in the sample with p = 1 - exp(-s / 2^shift), whatever was before it
 * (the distribution has no memory), and counts for 1 / p. The shift is kept with the block: it may
 * change at any time.
 *
 * Source     -ln(u) = (32 - log2(r)) ln 2 for u = r / 2^32; log2 by a table of 64 steps, between
 *            which the line is straight: off by at most 5e-5.
 */
#ifndef PYLEAKTRACE_BPF_SAMPLE_H
#define PYLEAKTRACE_BPF_SAMPLE_H

#include "counters.bpf.h"

#define LOG2_BITS  6
#define LOG2_STEPS (1 << LOG2_BITS)
#define LN2_16     45426 /* ln 2, in 1/65536 */

/* 65536 log2(1 + i / LOG2_STEPS) */
static const __u32 log2_of[LOG2_STEPS + 1] = {
	0,     1466,  2909,  4331,  5732,  7112,  8473,  9814,  11136, 12440, 13727, 14996, 16248,
	17484, 18704, 19909, 21098, 22272, 23433, 24579, 25711, 26830, 27936, 29029, 30109, 31178,
	32234, 33279, 34312, 35334, 36346, 37346, 38336, 39316, 40286, 41246, 42196, 43137, 44068,
	44990, 45904, 46809, 47705, 48593, 49472, 50344, 51207, 52063, 52911, 53751, 54584, 55410,
	56229, 57040, 57845, 58643, 59434, 60219, 60997, 61769, 62534, 63294, 64047, 64794, 65536,
};

/* 65536 log2(r), r > 0 */
static __always_inline __u32 log2_16(__u32 r)
{
	__u32 bits = 0, fraction, index, rest, low, high;

	bits += (r >> 16 > 0) << 4;
	bits += (r >> bits >> 8 > 0) << 3;
	bits += (r >> bits >> 4 > 0) << 2;
	bits += (r >> bits >> 2 > 0) << 1;
	bits += r >> bits >> 1 > 0;
	/* what is behind the highest bit, as 31 bits */
	fraction = (__u32)((__u64)r << (31 - bits)) & 0x7fffffff;
	index = (fraction >> (31 - LOG2_BITS)) & (LOG2_STEPS - 1);
	rest = fraction >> (31 - LOG2_BITS - 16) & 0xffff;
	low = log2_of[index];
	high = log2_of[index + 1];
	return (bits << 16) + low + (__u32)(((__u64)(high - low) * rest) >> 16);
}

/* The distance to the next point, in bytes. */
static __always_inline __u64 draw_distance(__u32 shift)
{
	__u32 random = bpf_get_prandom_u32();
	__u64 log = (32u << 16) - log2_16(random | 1);

	/* log x ln 2 has 32 bits behind the point, of which the shift takes some away */
	return (log * LN2_16) >> (32 - (shift & 31));
}

/* Is a block of this size to be recorded? shift: with what it is to be kept; 0: all are. */
static __always_inline bool take_sample(struct abi_thread *thread, __u32 domain, __u64 size,
					__u32 *shift)
{
	__u64 *left;

	*shift = 0;
	if (domain >= ABI_DOMAINS)
		return true;
	*shift = sample_shift[domain] & ABI_SAMPLE_SHIFT_MAX;
	if (!*shift)
		return true;
	left = &thread->sample_left[domain];
	if (thread->sample_shift[domain] != *shift) {
		thread->sample_shift[domain] = *shift;
		*left = draw_distance(*shift);
	}
	/* a block of no bytes has an address, and can leak */
	size += !size;
	if (size <= *left) {
		*left -= size;
		return false;
	}
	*left = draw_distance(*shift);
	return true;
}

/* Is it no wonder when a block of this domain is not known? */
static __always_inline bool is_sampled(__u32 domain)
{
	return domain < ABI_DOMAINS && (sample_shift[domain] || skipped_sizes[domain]);
}

/* Is a block of this size left out? */
static __always_inline bool is_skipped_size(__u32 domain, __u64 size)
{
	__u64 classes = domain < ABI_DOMAINS ? skipped_sizes[domain] : 0;

	return classes && classes >> (abi_size_class(size) & (ABI_SIZE_CLASSES - 1)) & 1;
}

#endif
