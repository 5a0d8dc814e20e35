/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/fingerprint.h"

#include <string.h>

#define PRIME     ((UINT64_C(1) << 61) - 1)
#define WORD_SIZE 7 /* bytes that are surely less than PRIME */

/* sum = sum * point + word, in the field; a number may stand for itself less PRIME */
static uint64_t step(uint64_t sum, uint64_t point, uint64_t word)
{
	unsigned __int128 product = (unsigned __int128)sum * point + word;
	uint64_t folded = ((uint64_t)product & PRIME) + (uint64_t)(product >> 61);

	return folded >= PRIME ? folded - PRIME : folded;
}

void fingerprint_init(struct fingerprint *fingerprint, uint64_t key)
{
	*fingerprint = (struct fingerprint){.point = key % (PRIME - 2) + 2, .sum = 1};
}

void fingerprint_add(struct fingerprint *fingerprint, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint64_t sum = fingerprint->sum, point = fingerprint->point;

	sum = step(sum, point, size);
	for (; size >= WORD_SIZE; size -= WORD_SIZE, at += WORD_SIZE) {
		uint64_t word = 0;

		memcpy(&word, at, WORD_SIZE);
		sum = step(sum, point, word);
	}
	if (size) {
		uint64_t word = 0;

		memcpy(&word, at, size);
		sum = step(sum, point, word);
	}
	fingerprint->sum = sum;
}

uint64_t fingerprint_value(const struct fingerprint *fingerprint)
{
	return fingerprint->sum;
}
