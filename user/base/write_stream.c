/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/write_stream.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

/* Less than size is an error to stdio. */
static ssize_t write_all(void *cookie, const char *bytes, size_t size)
{
	struct write_stream *stream = cookie;
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(stream->fd, bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (!stream->error)
				stream->error = n < 0 ? errno : EIO;
			errno = stream->error;
			break;
		}
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int close_it(void *cookie)
{
	struct write_stream *stream = cookie;

	if (close(stream->fd) == 0)
		return 0;
	if (!stream->error)
		stream->error = errno;
	return -1;
}

FILE *write_stream_open(struct write_stream *stream, int fd)
{
	*stream = (struct write_stream){.fd = fd};
	return fopencookie(stream, "w",
			   (cookie_io_functions_t){.write = write_all, .close = close_it});
}
