/* SPDX-License-Identifier: BSD-2-Clause
 *
 * number: an int, float or complex object in the target -> its value.
 *
 * Place      layer 2; used by the census.
 * Source     Include/cpython/longintrepr.h of each version: the word before the digits is their
 *            number, negative for a negative int; from 3.12 on it is that times 8, with the sign in
 *            the low two bits (0: positive, 1: zero, 2: negative). A digit has 30 bits in 32.
 *            Include/floatobject.h, Include/complexobject.h: doubles behind PyObject.
 * Errors     negative errno of the read; -EINVAL: no int has such a length.
 * Bounds     three digits and the last one are read, however long the int is.
 */
#ifndef PYLEAKTRACE_PYTHON_NUMBER_H
#define PYLEAKTRACE_PYTHON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/layout.h"

struct py_int {
	bool negative;
	uint64_t bits;      /* as int.bit_length() */
	uint64_t magnitude; /* 0 above 64 bits */
};

/* Of a class that derives from int, and of a bool, too. */
int py_int_read(struct py_int *value, pid_t pid, const struct py_layout *layout, uint64_t object);

/* n doubles: 1 of a float, 2 (real, imaginary) of a complex */
int py_doubles_read(double *values, unsigned n, pid_t pid, const struct py_layout *layout,
		    uint64_t object);

#endif
