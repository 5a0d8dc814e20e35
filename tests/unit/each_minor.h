/* SPDX-License-Identifier: BSD-2-Clause
 *
 * each_minor: one test for each minor version of CPython, in a list of tests:
 *
 *      static void claim(void **state)
 *      {
 *              with_pythons(minor_of(state), check);
 *      }
 *
 *      const struct CMUnitTest tests[] = {ON_EACH_MINOR(claim), ...};
 *
 * Place      tests/unit only.
 */
#ifndef PYLEAKTRACE_TESTS_UNIT_EACH_MINOR_H
#define PYLEAKTRACE_TESTS_UNIT_EACH_MINOR_H

#include "unit/python_child.h"

static inline unsigned minor_of(void **state)
{
	return (unsigned)(uintptr_t)*state;
}

#define ON_MINOR(test, minor)                                                             \
	{                                                                                 \
#test " of CPython 3." #minor, test, NULL, NULL, (void *)(uintptr_t)minor \
	}
#define ON_EACH_MINOR(test)                                                                     \
	ON_MINOR(test, 6), ON_MINOR(test, 7), ON_MINOR(test, 8), ON_MINOR(test, 9),             \
		ON_MINOR(test, 10), ON_MINOR(test, 11), ON_MINOR(test, 12), ON_MINOR(test, 13), \
		ON_MINOR(test, 14), ON_MINOR(test, 15)

#endif
