/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
	va_list args;

	if (!err)
		return -(int)code;
	err->code = code;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -(int)code;
}

const char *err_remedy(int error)
{
	switch (error) {
	case EMFILE:
		return "; raise ulimit -n";
	case ENFILE:
		return "; raise the sysctl fs.file-max";
	case ENOMEM:
		return "; raise ulimit -v, or free memory";
	default:
		return "";
	}
}

bool err_is_limit(int error)
{
	return *err_remedy(error) != '\0';
}

int err_prefix(struct err *err, const char *format, ...)
{
	char old[sizeof(err->text)];
	va_list args;
	int n;

	if (!err)
		return -(int)ERR_FAILED;
	memcpy(old, err->text, sizeof(old));
	va_start(args, format);
	n = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, "%s", old);
	return -(int)err->code;
}
