/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/type_name.h"

#include <fnmatch.h>
#include <string.h>

bool type_name_is(const char *wanted, const char *type)
{
	const char *last = strrchr(type, '.');

	if (strpbrk(wanted, "*?["))
		return fnmatch(wanted, type, 0) == 0;
	return !strcmp(type, wanted) || (!strchr(wanted, '.') && last && !strcmp(last + 1, wanted));
}
