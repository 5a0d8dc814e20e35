/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/remote_mem.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "target/remote_handle.h"

#define BATCH_ITEMS 512 /* iovecs of one call; the kernel takes up to IOV_MAX, 1024 */
#define STAGE_BYTES \
	(16u << 10) /* items that lie near each other are one read, of at most this size */
#define PAGE    4096u
#define HIGHEST ((uint64_t)INT64_MAX) /* pread() takes no higher offset; user memory ends below */

/* in addition to file descriptors, REMOTE_BY_CALL and REMOTE_REFUSED */
#define GONE   (INT_MIN + 1)
#define NO_WAY INT_MIN

/* ---- one call of the kernel ----------------------------------------------------------------- */

static struct iovec remote_iovec(uint64_t address, size_t length)
{
	return (struct iovec){(void *)(uintptr_t)address, length};
}

/* Bytes read, or a negative errno of the kinds that the header promises. */
static ssize_t read_vectors(pid_t pid, const struct iovec *local, const struct iovec *remote,
			    size_t n)
{
	ssize_t got = process_vm_readv(pid, local, n, remote, n, 0);

	if (got >= 0)
		return got;
	/* EINVAL: lengths that add up to more than SSIZE_MAX; excluded by REMOTE_READ_MAX */
	return errno == EPERM || errno == ESRCH || errno == ENOMEM || errno == ENOSYS ? -errno
										      : -EFAULT;
}

/* All of it: 0, or a negative errno of the kinds that the header promises. */
static int read_file(int fd, uint64_t address, void *buffer, size_t length)
{
	ssize_t got = pread(fd, buffer, length, (off_t)address);

	if (got == (ssize_t)length)
		return 0;
	/* a read that begins where nothing is mapped is an error; none at all: the memory itself is
	 * gone */
	if (got == 0)
		return -ESRCH;
	return got < 0 && errno == ENOMEM ? -ENOMEM : -EFAULT;
}

/* ---- one item ------------------------------------------------------------------------------- */

static int check_span(uint64_t address, size_t length)
{
	if (length > REMOTE_READ_MAX)
		return -E2BIG; /* the buffer may be as false as its length: leave it alone */
	return address + length < address || address + length > HIGHEST ? -EFAULT : 0;
}

static int read_span(pid_t pid, int fd, uint64_t address, void *buffer, size_t length)
{
	struct iovec local = {buffer, length};
	struct iovec remote = remote_iovec(address, length);
	ssize_t got;

	if (fd >= 0)
		return read_file(fd, address, buffer, length);
	got = read_vectors(pid, &local, &remote, 1);
	if (got < 0)
		return (int)got;
	return got == (ssize_t)length ? 0 : -EFAULT;
}

/*
 * How this process is read: a file descriptor, or REMOTE_BY_CALL.
 *
 * out    once: it was opened for this read; the caller closes it
 * return a file descriptor, REMOTE_BY_CALL, or that there is none: REMOTE_REFUSED, GONE, NO_WAY
 */
static int take_way(pid_t pid, bool *once)
{
	int fd = remote_handle_get(pid);

	*once = false;
	if (fd != REMOTE_UNKNOWN)
		return fd;
	fd = remote_handle_file(pid);
	*once = fd >= 0;
	if (fd >= 0)
		return fd;
	/* process_vm_readv() might be permitted: but what is shared has not been checked */
	if (fd == -EACCES || fd == -EPERM)
		return REMOTE_REFUSED;
	return fd == -ESRCH ? GONE : NO_WAY;
}

/* No way to read: the result that the items get. */
static int why_not(int way)
{
	if (way == REMOTE_REFUSED)
		return -EPERM;
	/* NO_WAY: no file descriptor left, no memory in the kernel */
	return way == GONE ? -ESRCH : -ENOMEM;
}

int remote_read(pid_t pid, uint64_t address, void *buffer, size_t length)
{
	int result = check_span(address, length), fd;
	bool once;

	if (length == 0)
		return 0;
	if (result == -E2BIG)
		return result;
	if (!result) {
		fd = take_way(pid, &once);
		result = fd >= 0 || fd == REMOTE_BY_CALL
				 ? read_span(pid, fd, address, buffer, length)
				 : why_not(fd);
		if (once)
			close(fd);
	}
	if (result)
		memset(buffer, 0, length);
	return result;
}

int remote_read_u64(pid_t pid, uint64_t address, uint64_t *value)
{
	return remote_read(pid, address, value, sizeof(*value));
}

int remote_read_u32(pid_t pid, uint64_t address, uint32_t *value)
{
	return remote_read(pid, address, value, sizeof(*value));
}

long remote_read_string(pid_t pid, uint64_t address, char *buffer, size_t size)
{
	size_t done = 0;

	if (size == 0)
		return -EINVAL;
	while (done + 1 < size) {
		/* no more than the page holds: what follows the string may be unmapped */
		size_t chunk = 4096 - ((address + done) & 4095);
		const char *nul;
		int result;

		if (chunk > size - 1 - done)
			chunk = size - 1 - done;
		result = remote_read(pid, address + done, buffer + done, chunk);
		if (result) {
			buffer[0] = '\0';
			return result;
		}
		nul = memchr(buffer + done, '\0', chunk);
		if (nul)
			return nul - buffer;
		done += chunk;
	}
	buffer[done] = '\0';
	return (long)done;
}

/* ---- many items ----------------------------------------------------------------------------- */

static void fail_item(struct remote_item *item, int result)
{
	if (item->length <= REMOTE_READ_MAX)
		memset(item->buffer, 0, item->length);
	item->result = result;
}

/*
 * The next items that are worth asking for, at most BATCH_ITEMS of at most REMOTE_READ_MAX bytes in
 * all. Those between that are empty or impossible get their results.
 *
 * in     next: the first item
 * out    next: behind the last one that was taken
 * return how many
 */
static size_t take_batch(struct remote_item **batch, struct remote_item *items, size_t n_items,
			 size_t *next)
{
	size_t n = 0, bytes = 0;

	for (; *next < n_items && n < BATCH_ITEMS; ++*next) {
		struct remote_item *item = &items[*next];
		int result = check_span(item->address, item->length);

		if (item->length == 0) {
			item->result = 0;
		} else if (result) {
			fail_item(item, result);
		} else {
			if (bytes && bytes + item->length > REMOTE_READ_MAX)
				break;
			bytes += item->length;
			batch[n++] = item;
		}
	}
	return n;
}

/* The rest, when the process is gone or may not be read. */
static void fail_rest(struct remote_item *items, size_t next, size_t n_items, int result)
{
	for (; next < n_items; next++)
		fail_item(&items[next], result);
}

/*
 * Give the items of one call their results.
 *
 * in     got: what the call returned
 * return how many items are done: all, or up to and with the first that could not be read
 */
static size_t set_results(struct remote_item **batch, size_t n, ssize_t got)
{
	size_t left = got > 0 ? (size_t)got : 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (batch[i]->length > left) {
			fail_item(batch[i], got < 0 ? (int)got : -EFAULT);
			return i + 1;
		}
		left -= batch[i]->length;
		batch[i]->result = 0;
	}
	return n;
}

/* return 0, or what ends it all: -ESRCH, -EPERM or -ENOSYS; the items have that result then */
static int call_many(pid_t pid, struct remote_item *items, size_t n_items)
{
	struct iovec local[BATCH_ITEMS], remote[BATCH_ITEMS];
	struct remote_item *batch[BATCH_ITEMS];
	size_t next = 0, n;

	while ((n = take_batch(batch, items, n_items, &next))) {
		size_t n_done;
		ssize_t got;

		for (size_t i = 0; i < n; i++) {
			local[i] = (struct iovec){batch[i]->buffer, batch[i]->length};
			remote[i] = remote_iovec(batch[i]->address, batch[i]->length);
		}
		got = read_vectors(pid, local, remote, n);
		n_done = set_results(batch, n, got);
		/* a failed item ends the kernel's call; go on right behind it */
		if (n_done < n)
			next = (size_t)(batch[n_done - 1] - items) + 1;
		if (got == -ESRCH || got == -EPERM || got == -ENOSYS) {
			fail_rest(items, next, n_items, (int)got);
			return (int)got;
		}
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct remote_item *const *one = a, *const *other = b;

	return ((*one)->address > (*other)->address) - ((*one)->address < (*other)->address);
}

static void sort_batch(struct remote_item **batch, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (batch[i]->address < batch[i - 1]->address) {
			qsort(batch, n, sizeof(*batch), by_address);
			return;
		}
	}
}

static uint64_t last_page(const struct remote_item *item)
{
	return (item->address + item->length - 1) / PAGE;
}

/*
 * How many of the items, sorted by address, one read can have: no page between two of them is
 * touched that holds none, as it may be one that is still unused.
 *
 * out    length: from the beginning of the first item on
 */
static size_t group(struct remote_item **batch, size_t n, size_t *length)
{
	uint64_t page = last_page(batch[0]);
	size_t i;

	*length = batch[0]->length;
	for (i = 1; i < n && *length <= STAGE_BYTES && batch[i]->address / PAGE <= page + 1; i++) {
		size_t end = batch[i]->address + batch[i]->length - batch[0]->address;

		if (end > STAGE_BYTES)
			break;
		if (end > *length)
			*length = end;
		if (last_page(batch[i]) > page)
			page = last_page(batch[i]);
	}
	return i;
}

static int file_item(int fd, struct remote_item *item)
{
	int result = read_file(fd, item->address, item->buffer, item->length);

	if (result)
		fail_item(item, result);
	item->result = result;
	return result;
}

/* return -ESRCH when the memory is gone, else 0 */
static int file_group(int fd, struct remote_item **batch, size_t n, size_t length)
{
	uint8_t stage[STAGE_BYTES];

	if (n > 1 && read_file(fd, batch[0]->address, stage, length) == 0) {
		for (size_t i = 0; i < n; i++) {
			memcpy(batch[i]->buffer, stage + (batch[i]->address - batch[0]->address),
			       batch[i]->length);
			batch[i]->result = 0;
		}
		return 0;
	}
	/* one of them, or what lies between, cannot be read */
	for (size_t i = 0; i < n; i++)
		if (file_item(fd, batch[i]) == -ESRCH)
			return -ESRCH;
	return 0;
}

static void file_many(int fd, struct remote_item *items, size_t n_items)
{
	struct remote_item *batch[BATCH_ITEMS];
	size_t next = 0, n, length;

	while ((n = take_batch(batch, items, n_items, &next))) {
		sort_batch(batch, n);
		for (size_t i = 0, taken; i < n; i += taken) {
			taken = group(batch + i, n - i, &length);
			if (file_group(fd, batch + i, taken, length)) {
				for (; i < n; i++)
					fail_item(batch[i], -ESRCH);
				fail_rest(items, next, n_items, -ESRCH);
				return;
			}
		}
	}
}

void remote_read_many(pid_t pid, struct remote_item *items, size_t n_items)
{
	bool once;
	int fd = take_way(pid, &once);

	if (fd >= 0)
		file_many(fd, items, n_items);
	else if (fd == REMOTE_BY_CALL)
		call_many(pid, items, n_items);
	else
		fail_rest(items, 0, n_items, why_not(fd));
	if (once)
		close(fd);
}

/* After an exec() or with another process the pid has other memory, which process_vm_readv() would
 * read. */
static bool is_other_memory(int fd, const struct remote_item *item)
{
	char byte;

	return fd >= 0 && read_file(fd, item->address, &byte, 1) == -ESRCH;
}

void remote_read_sole(pid_t pid, struct remote_item *items, size_t n_items)
{
	int way = remote_handle_get(pid), result;

	if (n_items == 0)
		return;
	if (way == REMOTE_REFUSED || is_other_memory(way, items)) {
		fail_rest(items, 0, n_items, way == REMOTE_REFUSED ? -EPERM : -ESRCH);
		return;
	}
	result = call_many(pid, items, n_items);
	/* a filter of system calls around this tool may know the file only */
	if (result == -EPERM || result == -ENOSYS)
		remote_read_many(pid, items, n_items);
}
