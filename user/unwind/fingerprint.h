/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fingerprint: bytes -> 61 bits that cannot be forged without the key.
 *
 * Place      layer 3; used by cache: are these the bytes that were compiled? is this what was
 *            written?
 * Source     hashing by a polynomial at a secret point of the field of 2^61 - 1 elements (Carter
 *            and Wegman 1981); CRC-32, Adler-32 and xxHash can be made to collide by choosing
 *            the bytes.
 * Shapes     a sequence of parts; where one ends and the next begins counts too.
 * Bounds     two different sequences of n bytes collide with a probability of n / 2^63 at most,
 *            over the keys. About 1 ns a byte.
 */
#ifndef PYLEAKTRACE_UNWIND_FINGERPRINT_H
#define PYLEAKTRACE_UNWIND_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

struct fingerprint {
	uint64_t point, sum;
};

/* in: key: random, and secret as long as the result matters */
void fingerprint_init(struct fingerprint *fingerprint, uint64_t key);

void fingerprint_add(struct fingerprint *fingerprint, const void *bytes, size_t size);

uint64_t fingerprint_value(const struct fingerprint *fingerprint);

#endif
