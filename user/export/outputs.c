/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/outputs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/outfile.h"

bool outputs_want_color(bool no_color)
{
	const char *never = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"),
		   *color = getenv("CLICOLOR");

	if (no_color || (never && *never))
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	if (color && strcmp(color, "0") == 0)
		return false;
	return isatty(STDOUT_FILENO);
}

int outputs_check(const char *pattern, pid_t pid, struct err *err)
{
	struct outfile *file;
	char path[4096];
	int result = outfile_name(pattern, pid, time(NULL), path, sizeof(path), err);

	if (result)
		return result;
	file = outfile_open(path, err);
	outfile_abandon(file);
	return file ? 0 : -(int)err->code;
}

int outputs_write(const char *pattern, pid_t pid, time_t time,
		  int (*write)(FILE *out, const void *context, struct err *err),
		  const void *context, struct err *err)
{
	struct outfile *file;
	char path[4096];
	int result = outfile_name(pattern, pid, time, path, sizeof(path), err);

	if (result)
		return result;
	file = outfile_open(path, err);
	if (!file)
		return -(int)err->code;
	result = write(outfile_stream(file), context, err);
	if (!result)
		return outfile_commit(file, err);
	outfile_abandon(file);
	return result;
}
