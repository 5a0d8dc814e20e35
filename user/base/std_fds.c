/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/std_fds.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/write_stream.h"

static struct write_stream out;
static bool out_was_closed;

/* The lowest number that is free is taken: all below are there. */
static void secure(int fd)
{
	if (fcntl(fd, F_GETFD) != -1)
		return;
	out_was_closed |= fd == STDOUT_FILENO;
	/* of standard output a write is to fail */
	if (open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
		_exit(1);
}

void std_fds_secure(void)
{
	FILE *stream;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		secure(fd);
	stream = write_stream_open(&out, STDOUT_FILENO);
	if (!stream)
		return;
	setvbuf(stream, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, BUFSIZ);
	stdout = stream;
}

int std_fds_error(void)
{
	return out.error;
}

const char *std_fds_reason(char *text, size_t size)
{
	if (out_was_closed)
		snprintf(text, size, "standard output is closed");
	else
		snprintf(text, size, "standard output: %s",
			 out.error ? strerror(out.error) : "not all could be written");
	return text;
}
