/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/run/pyleaktrace"
#define TRIES  100 /* each is another owner that came and went */

/* PF_EXITING of include/linux/sched.h, in field 9 of /proc/PID/stat */
#define EXITING 0x4u

/*
 * Is the owner of the lock on its way out? A killed tool needs the kernel a second to remove its
 * probes, and holds the lock until they are gone.
 */
static bool owner_is_ending(int fd)
{
	char owner[16] = "", path[64], text[512], *after;
	unsigned flags = 0;
	FILE *file;

	if (pread(fd, owner, sizeof(owner) - 1, 0) <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%ld/stat", strtol(owner, NULL, 10));
	file = fopen(path, "re");
	if (!file)
		return true;
	after = fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
	fclose(file);
	return after && sscanf(after, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       flags & EXITING;
}

/* An owner that ended meanwhile has unlinked the file: another tool gets a new one, and both would
 * have a lock. */
static bool is_still_there(int fd, const char *path)
{
	struct stat locked, there;

	return fstat(fd, &locked) == 0 && lstat(path, &there) == 0 &&
	       locked.st_ino == there.st_ino && locked.st_dev == there.st_dev;
}

/* return the locked file; -1: another process has it; -2: it cannot be made */
static int open_locked(const char *path)
{
	for (unsigned try = 0; try < TRIES; try++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -2;
		if (flock(fd, LOCK_EX | LOCK_NB) &&
		    !(owner_is_ending(fd) && flock(fd, LOCK_EX) == 0)) {
			close(fd);
			return -1;
		}
		if (is_still_there(fd, path))
			return fd;
		close(fd);
	}
	return -1;
}

int claim_take(struct claim *claim, pid_t pid, struct err *err)
{
	struct stat folder;
	int fd;

	memset(claim, 0, sizeof(*claim));
	mkdir(FOLDER, 0700);
	if (lstat(FOLDER, &folder) || !S_ISDIR(folder.st_mode) || folder.st_uid != geteuid())
		return 0;
	snprintf(claim->path, sizeof(claim->path), FOLDER "/%d", pid);
	fd = open_locked(claim->path);
	if (fd == -1)
		return err_set(err, ERR_FAILED, "pid %d is being traced by another pyleaktrace",
			       pid);
	if (fd < 0)
		return 0;
	dprintf(fd, "%-15d", getpid());
	claim->fd = fd;
	return 0;
}

void claim_drop(struct claim *claim)
{
	if (claim->fd <= 0)
		return;
	/* unlinked while locked: who opens it from now on gets a new file */
	unlink(claim->path);
	close(claim->fd);
	claim->fd = 0;
}
