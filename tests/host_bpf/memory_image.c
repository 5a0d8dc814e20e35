/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory_image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void mistake(const char *what, uint64_t address)
{
	fprintf(stderr, "memory_image: %s at 0x%llx\n", what, (unsigned long long)address);
	abort();
}

/* The first range that ends above the address; n_ranges: none. */
static unsigned find_range(const struct memory_image *image, uint64_t address)
{
	unsigned low = 0, high = image->n_ranges;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct image_range *range = &image->ranges[middle];

		if (range->start + range->size <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Where the byte at this address is kept, or NULL; out: how many bytes of the range begin there. */
static uint8_t *byte_at(const struct memory_image *image, uint64_t address, uint64_t *available)
{
	unsigned i = find_range(image, address);
	const struct image_range *range = &image->ranges[i];

	if (i == image->n_ranges || address < range->start)
		return NULL;
	*available = range->size - (address - range->start);
	return range->bytes + (address - range->start);
}

void image_reset(struct memory_image *image)
{
	for (unsigned i = 0; i < image->n_ranges; i++)
		free(image->ranges[i].bytes);
	memset(image, 0, sizeof(*image));
}

void image_map(struct memory_image *image, uint64_t start, uint64_t size)
{
	unsigned i = find_range(image, start);

	if (size == 0 || start + size < start || image->n_ranges == IMAGE_MAX_RANGES)
		mistake("no such range can be mapped", start);
	if (i < image->n_ranges && image->ranges[i].start < start + size)
		mistake("something is mapped already", start);
	memmove(&image->ranges[i + 1], &image->ranges[i],
		(image->n_ranges - i) * sizeof(image->ranges[0]));
	image->ranges[i].start = start;
	image->ranges[i].size = size;
	image->ranges[i].bytes = calloc(1, size);
	if (!image->ranges[i].bytes)
		mistake("out of memory", start);
	image->n_ranges++;
}

void image_unmap(struct memory_image *image, uint64_t start)
{
	unsigned i = find_range(image, start);

	if (i == image->n_ranges || image->ranges[i].start != start)
		mistake("no range begins", start);
	free(image->ranges[i].bytes);
	image->n_ranges--;
	memmove(&image->ranges[i], &image->ranges[i + 1],
		(image->n_ranges - i) * sizeof(image->ranges[0]));
}

void image_put(struct memory_image *image, uint64_t address, uint64_t value, unsigned width)
{
	uint64_t available;
	uint8_t *to = byte_at(image, address, &available);

	if (!to || available < width)
		mistake("nothing is mapped", address);
	memcpy(to, &value, width); /* little endian on both sides */
}

void image_put_u64(struct memory_image *image, uint64_t address, uint64_t value)
{
	image_put(image, address, value, sizeof(value));
}

void image_tear(struct memory_image *image, unsigned reads_from_now, uint64_t address,
		uint64_t value)
{
	if (image->n_tears == IMAGE_MAX_TEARS)
		mistake("too many changes armed", address);
	image->tears[image->n_tears++] =
		(struct image_tear){image->n_reads + reads_from_now, address, value};
}

long image_read(struct memory_image *image, void *to, uint32_t size, uint64_t address)
{
	uint8_t *out = to;
	uint32_t done = 0;

	image->n_reads++;
	for (unsigned i = 0; i < image->n_tears; i++)
		if (image->tears[i].at_read == image->n_reads)
			image_put_u64(image, image->tears[i].address, image->tears[i].value);
	while (done < size) {
		uint64_t available = 0;
		const uint8_t *from = byte_at(image, address + done, &available);

		if (!from) {
			memset(to, 0, size);
			image->n_faults++;
			return -EFAULT;
		}
		if (available > size - done)
			available = size - done;
		memcpy(out + done, from, available);
		done += (uint32_t)available;
	}
	return 0;
}
