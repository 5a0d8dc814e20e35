/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/steer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "python/allocators.h"
#include "target/freeze.h"
#include "target/remote_mem.h"

/* how often a hold is tried */
#define HOLD_TRIES 5

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

/* How words get into the target. */
struct writer {
	pid_t pid;
	int fd; /* /proc/PID/mem: the memory of this program, also after an exec(); -1:
		   process_vm_writev(2) */
};

/*
 * The file is opened by its mode, the target's user's, so that CAP_SYS_PTRACE alone does not open
 * it; the system call asks for that capability only.
 */
static int writer_open(struct writer *writer, pid_t pid, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	*writer = (struct writer){pid, open(path, O_RDWR | O_CLOEXEC)};
	if (writer->fd < 0 && errno != EACCES && errno != EPERM)
		return err_set(err, ERR_FAILED, "%s: %s", path, strerror(errno));
	return 0;
}

static void writer_close(struct writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = -1;
}

static bool write_bytes(const struct writer *writer, uint64_t address, const void *bytes,
			size_t length)
{
	struct iovec local = {(void *)(uintptr_t)bytes, length},
		     remote = {(void *)(uintptr_t)address, length};

	if (writer->fd >= 0)
		return pwrite(writer->fd, bytes, length, (off_t)address) == (ssize_t)length;
	return process_vm_writev(writer->pid, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

/* Is a store of one byte enough, which cannot be seen half done? */
static bool is_one_byte(uint64_t from, uint64_t to)
{
	unsigned index;

	return differing_bytes(from, to, &index) <= 1;
}

/*
 * Change one word from `from` to `to`; what it holds is checked before and after. The threads are
 * held when more than a byte differs.
 */
static int change_word(const struct writer *writer, uint64_t address, uint64_t from, uint64_t to,
		       struct err *err)
{
	unsigned index = 0;
	uint64_t now;
	bool written;

	if (remote_read_u64(writer->pid, address, &now) || now != from)
		return err_set(err, ERR_FAILED, "the pointer at 0x%" PRIx64 " has changed",
			       address);
	if (differing_bytes(from, to, &index) == 1) {
		uint8_t byte = (uint8_t)(to >> (8 * index));

		written = write_bytes(writer, address + index, &byte, 1);
	} else {
		written = write_bytes(writer, address, &to, sizeof(to));
	}
	if (!written && (errno == EPERM || errno == EACCES))
		return err_set(err, ERR_PERMISSION,
			       "the pointer at 0x%" PRIx64
			       " could not be written: %s; run as root, or use "
			       "-X steer=no",
			       address, strerror(errno));
	if (!written || remote_read_u64(writer->pid, address, &now) || now != to)
		return err_set(err, ERR_FAILED,
			       "the pointer at 0x%" PRIx64 " could not be written: %s", address,
			       strerror(errno));
	return 0;
}

/* Which way the words go. */
enum direction { TO_ALIAS, TO_PLAIN };

static uint64_t word_from(const struct plan_word *word, enum direction direction)
{
	return direction == TO_ALIAS ? word->plain : word->alias;
}

static uint64_t word_to(const struct plan_word *word, enum direction direction)
{
	return direction == TO_ALIAS ? word->alias : word->plain;
}

static int change_words(const struct writer *writer, const struct plan_word *words,
			unsigned n_words, enum direction direction, bool is_child, struct err *err);

/*
 * The same in a process of its own, which holds the threads and ends: whatever happens, nothing
 * stays held (freeze.h). A thread that cannot be held now is tried again a few times.
 */
static int change_words_in_child(const struct writer *writer, const struct plan_word *words,
				 unsigned n_words, enum direction direction, struct err *err)
{
	struct err answer = ERR_INIT;
	int ends[2], status;

	for (unsigned i = 0; i < HOLD_TRIES; i++) {
		pid_t child;
		ssize_t n;

		if (pipe(ends))
			return err_set(err, ERR_FAILED, "pipe: %s", strerror(errno));
		child = fork();
		if (child == 0) {
			change_words(writer, words, n_words, direction, true, &answer);
			_exit(write(ends[1], &answer, sizeof(answer)) != sizeof(answer));
		}
		close(ends[1]);
		do
			n = child < 0 ? -1 : read(ends[0], &answer, sizeof(answer));
		while (n < 0 && errno == EINTR && child > 0);
		close(ends[0]);
		if (child > 0)
			waitpid(child, &status, 0);
		if (n != sizeof(answer))
			return err_set(err, ERR_FAILED,
				       "the process that writes the pointers has failed");
		if (answer.code == ERR_NONE)
			return 0;
		if (answer.code != ERR_FAILED)
			break;
	}
	return err_set(err, answer.code, "%s", answer.text);
}

/*
 * Change all words, under one hold if any needs it. On the way to the aliases the first failure
 * ends it; on the way back each word that still holds its alias is tried.
 */
static int change_words(const struct writer *writer, const struct plan_word *words,
			unsigned n_words, enum direction direction, bool is_child, struct err *err)
{
	bool must_hold = false;
	struct freeze hold;
	int result = 0;

	for (unsigned i = 0; i < n_words; i++) {
		uint64_t now;

		if (remote_read_u64(writer->pid, words[i].address, &now) == 0 &&
		    now == word_from(&words[i], direction))
			must_hold |= !is_one_byte(words[i].plain, words[i].alias);
	}
	if (must_hold && !is_child)
		return change_words_in_child(writer, words, n_words, direction, err);
	if (must_hold)
		result = freeze_begin(&hold, writer->pid, err);
	if (result)
		return result;
	for (unsigned i = 0; i < n_words && (!result || direction == TO_PLAIN); i++) {
		uint64_t now = 0;
		int one;

		remote_read_u64(writer->pid, words[i].address, &now);
		/* there already (left by a tool that was killed), or no longer ours to put back */
		if (now == word_to(&words[i], direction) ||
		    (direction == TO_PLAIN && now != words[i].alias))
			continue;
		one = change_word(writer, words[i].address, word_from(&words[i], direction),
				  word_to(&words[i], direction), err);
		if (one)
			result = one;
	}
	if (must_hold)
		freeze_end(&hold);
	return result;
}

int steer_apply(pid_t pid, const struct plan_word *words, unsigned n_words, struct err *err)
{
	struct writer writer;
	int result;

	if (n_words == 0)
		return 0;
	result = writer_open(&writer, pid, err);
	if (result)
		return result;
	result = change_words(&writer, words, n_words, TO_ALIAS, false, err);
	if (result)
		change_words(&writer, words, n_words, TO_PLAIN, false, NULL);
	writer_close(&writer);
	return result;
}

int steer_restore(pid_t pid, const struct plan_word *words, unsigned n_words, struct err *err)
{
	struct writer writer;
	int result;

	if (n_words == 0)
		return 0;
	result = writer_open(&writer, pid, err);
	if (result)
		return result;
	result = change_words(&writer, words, n_words, TO_PLAIN, false, err);
	writer_close(&writer);
	return result;
}

bool steer_holds(pid_t pid, const struct plan_word *words, unsigned n_words)
{
	for (unsigned i = 0; i < n_words; i++) {
		uint64_t now;

		if (remote_read_u64(pid, words[i].address, &now) == 0 && now != words[i].alias)
			return false;
	}
	return true;
}

unsigned steer_find(const struct py_runtime *runtime, struct plan_word *words)
{
	static const char *const functions[] = {"malloc", "calloc", "realloc", "free"};
	static const char *const names[] = {"mem", "obj", "raw"};
	const struct py_allocator *tables[] = {&runtime->mem, &runtime->obj, &runtime->raw};
	unsigned n = 0, n_tables = py_raw_is_libc(runtime) ? 2 : 3;

	for (unsigned t = 0; t < n_tables; t++) {
		const uint64_t held[] = {tables[t]->malloc, tables[t]->calloc, tables[t]->realloc,
					 tables[t]->free};

		for (unsigned i = 0; i < 4; i++) {
			uint64_t entry;

			if (held[i] < runtime->python.start || held[i] >= runtime->python.end)
				continue;
			entry = place_alias_entry(&runtime->python, held[i]);
			if (!entry || entry == held[i])
				continue;
			snprintf(words[n].name, sizeof(words[n].name), "%s.%s", names[t],
				 functions[i]);
			words[n].address = tables[t]->table + 8 + 8 * i;
			words[n].plain = entry;
			words[n].alias = held[i];
			n++;
		}
	}
	return n;
}
