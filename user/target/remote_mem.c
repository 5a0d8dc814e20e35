/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/remote_mem.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define BATCH_ITEMS 512 /* iovecs of one call; the kernel takes up to IOV_MAX, 1024 */

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
	return errno == EPERM || errno == ESRCH || errno == ENOMEM ? -errno : -EFAULT;
}

int remote_read(pid_t pid, uint64_t address, void *buffer, size_t length)
{
	struct iovec local = {buffer, length};
	struct iovec remote = remote_iovec(address, length);
	ssize_t got;

	if (length == 0)
		return 0;
	if (length > REMOTE_READ_MAX)
		return -E2BIG; /* the buffer may be as false as its length: leave it alone */
	if (address + length < address)
		got = -EFAULT;
	else
		got = read_vectors(pid, &local, &remote, 1);
	if (got == (ssize_t)length)
		return 0;
	memset(buffer, 0, length);
	return got < 0 ? (int)got : -EFAULT;
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

static void fail_item(struct remote_item *item, int result)
{
	if (item->length <= REMOTE_READ_MAX)
		memset(item->buffer, 0, item->length);
	item->result = result;
}

/*
 * Give the items of one call their results.
 *
 * in     got: what the call returned
 * return how many items are done: all, or up to and with the first that could not be read
 */
static size_t settle(struct remote_item **batch, size_t n, ssize_t got)
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

void remote_read_many(pid_t pid, struct remote_item *items, size_t n_items)
{
	struct iovec local[BATCH_ITEMS], remote[BATCH_ITEMS];
	struct remote_item *batch[BATCH_ITEMS];
	size_t next = 0;

	while (next < n_items) {
		size_t n = 0, end = next, bytes = 0, settled;
		ssize_t got;

		for (; end < n_items && n < BATCH_ITEMS; end++) {
			struct remote_item *item = &items[end];

			if (item->length == 0) {
				item->result = 0;
			} else if (item->length > REMOTE_READ_MAX) {
				fail_item(item, -E2BIG);
			} else if (item->address + item->length < item->address) {
				fail_item(item, -EFAULT);
			} else {
				if (bytes && bytes + item->length > REMOTE_READ_MAX)
					break;
				bytes += item->length;
				local[n] = (struct iovec){item->buffer, item->length};
				remote[n] = remote_iovec(item->address, item->length);
				batch[n++] = item;
			}
		}
		if (n == 0) {
			next = end;
			continue;
		}
		got = read_vectors(pid, local, remote, n);
		settled = settle(batch, n, got);
		/* a failed item ends the kernel's call; go on right behind it */
		next = settled == n ? end : (size_t)(batch[settled - 1] - items) + 1;
		if (got == -ESRCH || got == -EPERM) {
			for (; next < n_items; next++)
				fail_item(&items[next], (int)got);
		}
	}
}
