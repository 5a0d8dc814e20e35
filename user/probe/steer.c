/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/steer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "probe/hold.h"
#include "target/remote_mem.h"

/* The number of bytes in which two words differ, and the last of them. */
static unsigned differing_bytes(uint64_t a, uint64_t b, unsigned *index)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(a); i++) {
		if ((a ^ b) >> (8 * i) & 0xff) {
			*index = i;
			n++;
		}
	}
	return n;
}

static int open_memory(pid_t pid, struct err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return err_set(err, ERR_PERMISSION, "%s: %s; run as root, or use --no-steer", path,
			       strerror(errno));
	if (fd < 0)
		return err_set(err, ERR_FAILED, "%s: %s", path, strerror(errno));
	return fd;
}

/* Change one word from `from` to `to`; what it holds is checked before and after. */
static int change_word(int fd, pid_t pid, uint64_t address, uint64_t from, uint64_t to,
		       struct err *err)
{
	struct hold hold;
	uint64_t now;
	unsigned index = 0, n;
	ssize_t written;

	if (remote_read_u64(pid, address, &now) || now != from)
		return err_set(err, ERR_FAILED, "the pointer at 0x%" PRIx64 " is not what it was",
			       address);
	n = differing_bytes(from, to, &index);
	if (n == 0)
		return 0;
	if (n == 1) {
		uint8_t byte = (uint8_t)(to >> (8 * index));

		written = pwrite(fd, &byte, 1, (off_t)(address + index)) == 1 ? 8 : -1;
	} else {
		int result = hold_begin(&hold, pid, err);

		if (result)
			return result;
		written = pwrite(fd, &to, sizeof(to), (off_t)address);
		hold_end(&hold);
	}
	if (written != sizeof(to) || remote_read_u64(pid, address, &now) || now != to)
		return err_set(err, ERR_FAILED,
			       "the pointer at 0x%" PRIx64 " could not be written: %s", address,
			       strerror(errno));
	return 0;
}

int steer_apply(pid_t pid, const struct plan_word *words, unsigned n_words, struct err *err)
{
	int fd, result = 0;

	if (n_words == 0)
		return 0;
	fd = open_memory(pid, err);
	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < n_words && !result; i++) {
		uint64_t now;

		if (remote_read_u64(pid, words[i].address, &now) == 0 && now == words[i].alias)
			continue; /* left by a tool that was killed: ours now */
		result =
			change_word(fd, pid, words[i].address, words[i].plain, words[i].alias, err);
		/* this word too: it may have been written and not read back */
		if (result)
			steer_restore(pid, words, i + 1, NULL);
	}
	close(fd);
	return result;
}

int steer_restore(pid_t pid, const struct plan_word *words, unsigned n_words, struct err *err)
{
	int fd, result = 0;

	if (n_words == 0)
		return 0;
	fd = open_memory(pid, err);
	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < n_words; i++) {
		uint64_t now;
		int one;

		if (remote_read_u64(pid, words[i].address, &now) || now != words[i].alias)
			continue;
		one = change_word(fd, pid, words[i].address, words[i].alias, words[i].plain, err);
		if (one)
			result = one;
	}
	close(fd);
	return result;
}

unsigned steer_find(const struct py_runtime *runtime, struct plan_word *words, bool nop5)
{
	static const char *const functions[] = {"malloc", "calloc", "realloc", "free"};
	const struct py_allocator *tables[] = {&runtime->mem, &runtime->obj};
	unsigned n = 0;

	for (unsigned t = 0; t < 2; t++) {
		const uint64_t held[] = {tables[t]->malloc, tables[t]->calloc, tables[t]->realloc,
					 tables[t]->free};

		for (unsigned i = 0; i < 4; i++) {
			uint64_t entry;

			if (held[i] < runtime->python.start || held[i] >= runtime->python.end)
				continue;
			entry = place_alias_entry(&runtime->python, held[i], nop5);
			if (!entry || entry == held[i])
				continue;
			snprintf(words[n].name, sizeof(words[n].name), "%s.%s", t ? "obj" : "mem",
				 functions[i]);
			words[n].address = tables[t]->table + 8 + 8 * i;
			words[n].plain = entry;
			words[n].alias = held[i];
			n++;
		}
	}
	return n;
}
