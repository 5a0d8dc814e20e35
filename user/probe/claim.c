/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/claim.h"

#include <dirent.h>
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

/* 0: not known (yet) */
static pid_t read_owner(int fd)
{
	char owner[16] = "";

	return pread(fd, owner, sizeof(owner) - 1, 0) > 0 ? (pid_t)strtol(owner, NULL, 10) : 0;
}

/*
 * Is the owner of the lock on its way out, or gone? A killed tool needs the kernel a second to
 * remove its probes, and holds the lock until they are gone.
 */
static bool owner_is_ending(int fd)
{
	char path[64], text[512], *after;
	unsigned flags = 0;
	pid_t owner = read_owner(fd);
	FILE *file;

	if (!owner)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)owner);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT;
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

/* return the locked file; -1: another process has it, `owner`; -2: it cannot be made */
static int open_locked(const char *path, pid_t *owner)
{
	for (unsigned try = 0; try < TRIES; try++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -2;
		if (flock(fd, LOCK_EX | LOCK_NB) &&
		    !(owner_is_ending(fd) && flock(fd, LOCK_EX) == 0)) {
			*owner = read_owner(fd);
			close(fd);
			return -1;
		}
		if (is_still_there(fd, path))
			return fd;
		close(fd);
	}
	return -1;
}

/* A file that a killed tool has left. Who wants the lock meanwhile waits for it, since its owner is
 * gone, and then makes a new file. */
static void remove_stale(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	if (owner_is_ending(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still_there(fd, path))
		unlink(path);
	close(fd);
}

static void remove_all_stale(void)
{
	DIR *folder = opendir(FOLDER);
	struct dirent *entry;
	char path[64];

	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[strspn(entry->d_name, "0123456789")])
			continue;
		snprintf(path, sizeof(path), FOLDER "/%.20s", entry->d_name);
		remove_stale(path);
	}
	if (folder)
		closedir(folder);
}

static bool folder_is_ours(void)
{
	struct stat folder;

	return lstat(FOLDER, &folder) == 0 && S_ISDIR(folder.st_mode) && folder.st_uid == geteuid();
}

static int refuse(pid_t pid, pid_t owner, struct err *err)
{
	if (owner)
		return err_set(err, ERR_FAILED,
			       "pid %d is being traced by another pyleaktrace (pid %d): end that "
			       "first, with Ctrl-C or kill %d",
			       (int)pid, (int)owner, (int)owner);
	return err_set(err, ERR_FAILED,
		       "pid %d is being traced by another pyleaktrace: end that first", (int)pid);
}

int claim_take(struct claim *claim, pid_t pid, struct err *err)
{
	pid_t owner = 0;
	int fd;

	memset(claim, 0, sizeof(*claim));
	mkdir(FOLDER, 0700);
	if (!folder_is_ours())
		return 0;
	remove_all_stale();
	snprintf(claim->path, sizeof(claim->path), FOLDER "/%d", pid);
	fd = open_locked(claim->path, &owner);
	if (fd == -1)
		return refuse(pid, owner, err);
	if (fd < 0)
		return 0;
	dprintf(fd, "%-15d", getpid());
	claim->fd = fd;
	return 0;
}

/* Does anybody have a lock on this file? It is not tried, since a trace that begins just now would
 * be refused. "1: FLOCK  ADVISORY  WRITE 4242 08:01:131090 0 EOF" */
static bool is_locked(int fd)
{
	unsigned long long inode;
	bool found = false;
	struct stat st;
	char line[256];
	FILE *locks;

	if (fstat(fd, &st))
		return false;
	locks = fopen("/proc/locks", "re");
	while (locks && !found && fgets(line, sizeof(line), locks))
		found = sscanf(line, "%*s FLOCK %*s %*s %*d %*x:%*x:%llu", &inode) == 1 &&
			inode == st.st_ino;
	if (locks)
		fclose(locks);
	return found;
}

pid_t claim_owner(pid_t pid)
{
	pid_t owner = 0;
	char path[64];
	int fd;

	if (!folder_is_ours())
		return 0;
	snprintf(path, sizeof(path), FOLDER "/%d", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	if (is_locked(fd) && !owner_is_ending(fd))
		owner = read_owner(fd);
	close(fd);
	return owner;
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
