/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int file_open(const char *path)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/* Fill the buffer as far as the file goes: bytes read, or a negative errno. */
static long fill(int fd, char *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, buffer + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (long)done;
}

long file_read(const char *path, char *buffer, size_t size)
{
	int fd = file_open(path);
	long n;

	buffer[0] = '\0';
	if (fd < 0)
		return fd;
	n = fill(fd, buffer, size);
	close(fd);
	if (n >= 0 && (size_t)n == size)
		n = -EFBIG;
	buffer[n < 0 ? 0 : n] = '\0';
	return n;
}

int file_read_all(const char *path, size_t limit, char **text, size_t *length)
{
	size_t capacity = 0, done = 0;
	int result = 0;
	int fd;

	*text = NULL;
	*length = 0;
	fd = file_open(path);
	if (fd < 0)
		return fd;
	/* the buffer always has a byte more than was read: the NUL, and the proof that the file
	 * ended */
	while (done == capacity) {
		size_t wanted = capacity ? 2 * capacity : 16384;
		char *grown;
		long n;

		if (wanted > limit + 1)
			wanted = limit + 1;
		grown = wanted > capacity ? realloc(*text, wanted) : NULL;
		if (!grown) {
			result = wanted > capacity ? -ENOMEM : -EFBIG;
			break;
		}
		*text = grown;
		capacity = wanted;
		n = fill(fd, *text + done, capacity - done);
		if (n < 0) {
			result = (int)n;
			break;
		}
		done += (size_t)n;
	}
	close(fd);
	if (result) {
		free(*text);
		*text = NULL;
		return result;
	}
	(*text)[done] = '\0';
	*length = done;
	return 0;
}
