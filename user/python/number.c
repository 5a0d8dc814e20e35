/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/number.h"

#include <errno.h>
#include <string.h>

#include "target/remote_mem.h"

#define DIGIT_BITS  30
#define DIGIT_BYTES 4
#define DIGITS_READ 3                 /* a number of 64 bits has no more */
#define DIGITS_MAX  (UINT64_MAX / 64) /* no memory has more */

static unsigned bit_length(uint32_t digit)
{
	return digit ? 32 - (unsigned)__builtin_clz(digit) : 0;
}

int py_int_read(struct py_int *value, pid_t pid, const struct py_layout *layout, uint64_t object)
{
	uint64_t tag, n, at = object + (uint64_t)layout->object.var_size;
	uint32_t digits[DIGITS_READ] = {0}, last;
	int result = remote_read_u64(pid, at, &tag);

	*value = (struct py_int){0};
	if (result)
		return result;
	value->negative = layout->minor >= 12 ? (tag & 3) == 2 : (int64_t)tag < 0;
	n = layout->minor >= 12 ? tag >> 3 : value->negative ? -tag : tag;
	if (!n)
		return 0;
	if (n > DIGITS_MAX)
		return -EINVAL;
	at += 8;
	result = remote_read(pid, at, digits, DIGIT_BYTES * (n < DIGITS_READ ? n : DIGITS_READ));
	if (!result)
		result = remote_read_u32(pid, at + DIGIT_BYTES * (n - 1), &last);
	if (result)
		return result;
	value->bits = DIGIT_BITS * (n - 1) + bit_length(last);
	if (value->bits > 64)
		return 0;
	for (unsigned i = 0; i < DIGITS_READ; i++)
		value->magnitude |= (uint64_t)digits[i] << (DIGIT_BITS * i);
	return 0;
}

int py_doubles_read(double *values, unsigned n, pid_t pid, const struct py_layout *layout,
		    uint64_t object)
{
	return remote_read(pid, object + (uint64_t)layout->object.ob_type + 8, values,
			   n * sizeof(*values));
}
