/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memory_image: the memory of a target that does not exist: ranges with contents, read as the
 * kernel reads.
 *
 * Place      tests/host_bpf; behind bpf_probe_read_user() of shim.h.
 * Shapes     ranges never overlap; two that touch read as one. What lies in no range is not mapped:
 *            a read that needs one byte of it fails as a whole with -EFAULT and leaves zeroes, as
 *            the kernel does.
 * Torn       a change can be armed that happens just before the n-th read from now on: so the
 *            target runs on between two reads of one walk.
 * Bounds     IMAGE_MAX_RANGES ranges, IMAGE_MAX_TEARS changes armed at one time.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_TESTS_HOST_BPF_MEMORY_IMAGE_H
#define PYLEAKTRACE_TESTS_HOST_BPF_MEMORY_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAX_RANGES 4096
#define IMAGE_MAX_TEARS  8

struct image_range {
	uint64_t start, size;
	uint8_t *bytes;
};

struct image_tear {
	uint64_t at_read; /* number of the read before which it happens */
	uint64_t address, value;
};

struct memory_image {
	struct image_range ranges[IMAGE_MAX_RANGES]; /* in address order */
	unsigned n_ranges;
	struct image_tear tears[IMAGE_MAX_TEARS];
	unsigned n_tears;
	uint64_t n_reads, n_faults;
};

/* Nothing mapped, nothing armed, counts zero. */
void image_reset(struct memory_image *image);

/*
 * Map zeroed memory. It must not overlap what is mapped already: that is a mistake of the test,
 * and ends it.
 */
void image_map(struct memory_image *image, uint64_t start, uint64_t size);

/* Take one range away, as it was mapped. */
void image_unmap(struct memory_image *image, uint64_t start);

/* Put a value of `width` bytes (1, 4 or 8) there; unmapped memory ends the test. */
void image_put(struct memory_image *image, uint64_t address, uint64_t value, unsigned width);
void image_put_u64(struct memory_image *image, uint64_t address, uint64_t value);

/* Arm: the word there becomes `value` just before the n-th read from now on (1: the very next). */
void image_tear(struct memory_image *image, unsigned reads_from_now, uint64_t address,
		uint64_t value);

/* return 0, or -EFAULT with `to` zeroed */
long image_read(struct memory_image *image, void *to, uint32_t size, uint64_t address);

#endif
