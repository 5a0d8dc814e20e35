/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/process.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "target/denial.h"
#include "target/remote_handle.h"
#include "target/sharing.h"

#define STAT_SIZE      1024
#define STATUS_SIZE    8192
#define PF_KTHREAD     0x00200000u /* include/linux/sched.h */
#define CMDLINE_WORDS  128
#define CMDLINE_LENGTH 4096

/* What proc(5) calls fields 2, 3, 9, 14, 15, 20, 22 and 24 of /proc/PID/stat. */
struct stat_line {
	char comm[64];
	char state;
	unsigned flags;
	unsigned long utime, stime; /* clock ticks */
	long threads;
	unsigned long long start_time;
	long rss_pages;
};

static bool parse_stat(char *text, struct stat_line *out)
{
	/* the name may hold spaces and parentheses: it ends at the last one */
	char *open = strchr(text, '('), *close = strrchr(text, ')');

	memset(out, 0, sizeof(*out));
	if (!open || !close || close < open)
		return false;
	*close = '\0';
	snprintf(out->comm, sizeof(out->comm), "%s", open + 1);
	return sscanf(close + 1,
		      " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld %*d "
		      "%llu %*u %ld",
		      &out->state, &out->flags, &out->utime, &out->stime, &out->threads,
		      &out->start_time, &out->rss_pages) == 7;
}

/* return 0, or a negative errno */
static int read_stat(pid_t pid, struct stat_line *out)
{
	char path[32], text[STAT_SIZE];
	long n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = file_read(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	return n && parse_stat(text, out) ? 0 : -ESRCH;
}

/* The last number in the line "NAME:\t1\t2\t3" of /proc/PID/status. */
static bool status_number(const char *text, const char *name, long *value)
{
	size_t n = strlen(name);
	const char *line;

	for (line = text; line; line = strchr(line, '\n')) {
		const char *at;
		char *end;

		line += *line == '\n';
		if (strncmp(line, name, n) != 0 || line[n] != ':')
			continue;
		for (at = line + n + 1; *at == '\t' || *at == ' '; at = end) {
			long number = strtol(at, &end, 10);

			if (end == at)
				break;
			*value = number;
		}
		return true;
	}
	return false;
}

static int say_missing(pid_t pid, struct err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (kill(pid, 0) == 0 || errno == EPERM) {
		if (access(path, F_OK) != 0)
			return err_set(
				err, ERR_PERMISSION,
				"pid %d exists but is hidden in /proc (mounted with hidepid); "
				"run as root",
				(int)pid);
	}
	return err_set(err, ERR_TARGET, "no process with pid %d", (int)pid);
}

/* in  error: of a file of its in /proc. That a file cannot be opened does not mean that it is not
 * there. */
static int say_unread(pid_t pid, int error, struct err *err)
{
	if (error == ENOENT || error == ESRCH)
		return say_missing(pid, err);
	return err_set(err, error == EACCES || error == EPERM ? ERR_PERMISSION : ERR_FAILED,
		       "/proc/%d cannot be read: %s%s", (int)pid, strerror(error),
		       err_remedy(error));
}

/* Everything that /proc shows without any right over the process. */
static int inspect(struct process *process, struct err *err)
{
	int pid = (int)process->pid;
	char path[32], status[STATUS_SIZE];
	struct stat_line stat;
	long tgid = pid, seccomp = 0, ns_pid = pid, result;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	result = file_read(path, status, sizeof(status));
	if (result >= 0)
		result = read_stat(process->pid, &stat);
	if (result < 0)
		return say_unread(process->pid, (int)-result, err);
	memcpy(process->comm, stat.comm, sizeof(process->comm));
	process->start_time = stat.start_time;
	if (status_number(status, "Tgid", &tgid) && tgid != pid)
		return err_set(err, ERR_TARGET, "%d is a thread of process %ld; use -p %ld", pid,
			       tgid, tgid);
	if (stat.flags & PF_KTHREAD)
		return err_set(err, ERR_TARGET, "pid %d is a kernel thread (%s), not a Python", pid,
			       process->comm);
	status_number(status, "Seccomp", &seccomp);
	status_number(status, "NSpid", &ns_pid);
	process->seccomp = (int)seccomp;
	process->ns_pid = (pid_t)ns_pid;
	if (stat.state == 'Z' && stat.threads > 1)
		return err_set(
			err, ERR_TARGET,
			"the main thread of pid %d (%s) has ended while others run on; such a "
			"process cannot be read",
			pid, process->comm);
	if (stat.state == 'Z' || stat.state == 'X')
		return err_set(
			err, ERR_TARGET,
			"pid %d (%s) is a zombie: it has ended, but its parent has not reaped it",
			pid, process->comm);
	return 0;
}

static void read_exe(struct process *process)
{
	static const char deleted[] = " (deleted)";
	char path[32];
	ssize_t n;
	size_t cut;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)process->pid);
	n = readlink(path, process->exe, sizeof(process->exe) - 1);
	process->exe[n < 0 ? 0 : n] = '\0';
	cut = strlen(process->exe);
	if (cut > sizeof(deleted) - 1 &&
	    strcmp(process->exe + cut - (sizeof(deleted) - 1), deleted) == 0) {
		process->exe[cut - (sizeof(deleted) - 1)] = '\0';
		process->exe_deleted = true;
	}
}

/* From here on its memory can be read: remote_mem. */
static int open_memory(struct process *process, struct err *err)
{
	int result = remote_handle_open(process->pid);

	if (result == -ESRCH)
		return say_missing(process->pid, err);
	if (result == -EACCES || result == -EPERM)
		return denial_say(process->pid, process->comm, err);
	if (result == -EUSERS)
		return err_set(err, ERR_FAILED,
			       "the memory of pid %d: %d processes are being read already, the "
			       "most at one time",
			       (int)process->pid, REMOTE_HANDLES_MAX);
	if (result)
		return err_set(err, ERR_FAILED, "the memory of pid %d: %s%s", (int)process->pid,
			       strerror(-result), err_remedy(-result));
	process->reads = true;
	return sharing_check(process->pid, err);
}

int process_open(struct process *process, pid_t pid, struct err *err)
{
	int pidfd_error, result;

	*process = (struct process){.pid = pid, .pidfd = -1, .ns_pid = pid};
	if (pid <= 0)
		return err_set(err, ERR_TARGET, "%d is not a pid", (int)pid);
	/* the handle first: what is read then is about this process if it lives on afterwards */
	process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	pidfd_error = errno;
	result = inspect(process, err);
	if (!result && process->pidfd < 0) {
		if (pidfd_error == ENOSYS)
			result = err_set(
				err, ERR_KERNEL,
				"the kernel has no pidfd_open(2); Linux 5.8 or later is needed");
		else if (pidfd_error == ESRCH)
			result = say_missing(pid, err);
		else
			result = err_set(err, ERR_FAILED, "pidfd_open of pid %d: %s%s", (int)pid,
					 strerror(pidfd_error), err_remedy(pidfd_error));
	}
	if (!result) {
		read_exe(process);
		result = open_memory(process, err);
	}
	if (!result && !process_alive(process))
		result = err_set(err, ERR_TARGET, "pid %d (%s) has just ended", (int)pid,
				 process->comm);
	if (result)
		process_close(process);
	return result;
}

void process_close(struct process *process)
{
	if (process->reads)
		remote_handle_close(process->pid);
	process->reads = false;
	if (process->pidfd >= 0)
		close(process->pidfd);
	process->pidfd = -1;
}

bool process_alive(const struct process *process)
{
	struct pollfd fd = {.fd = process->pidfd, .events = POLLIN};

	return process->pidfd >= 0 && poll(&fd, 1, 0) == 0;
}

char process_state(const struct process *process)
{
	struct stat_line stat;

	if (read_stat(process->pid, &stat) || stat.start_time != process->start_time)
		return 0;
	return stat.state;
}

bool process_stopped(const struct process *process)
{
	char state = process_state(process);

	return state == 'T' || state == 't';
}

int process_stats(const struct process *process, struct process_stats *stats)
{
	struct stat_line stat;

	memset(stats, 0, sizeof(*stats));
	if (read_stat(process->pid, &stat) || stat.start_time != process->start_time)
		return -1;
	stats->threads = stat.threads > 0 ? (unsigned)stat.threads : 0;
	stats->rss_bytes = (uint64_t)(stat.rss_pages > 0 ? stat.rss_pages : 0) *
			   (uint64_t)sysconf(_SC_PAGESIZE);
	stats->cpu_s = (double)(stat.utime + stat.stime) / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

double process_cpu_ns(const struct process *process)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(process->pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

long process_fds(const struct process *process)
{
	struct dirent *entry;
	char path[32];
	long n = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)process->pid);
	folder = opendir(path);
	if (!folder)
		return -1;
	while ((entry = readdir(folder)))
		n += entry->d_name[0] != '.';
	closedir(folder);
	return process_state(process) ? n : -1;
}

/* Bytes that one word takes in the copy, with its NUL; *next is set behind the word. */
static size_t word_size(const char *word, const char *end, const char **next)
{
	size_t n = strnlen(word, (size_t)(end - word));

	*next = word + n < end ? word + n + 1 : end;
	return (n < CMDLINE_LENGTH ? n : CMDLINE_LENGTH - 1) + 1;
}

char **process_cmdline(const struct process *process, size_t *n_words)
{
	char path[32], *text = NULL, *out;
	const char *word, *next, *end;
	size_t length = 0, bytes = 0, n = 0;
	char **words;

	*n_words = 0;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)process->pid);
	if (process_state(process))
		/* the kernel's own limit of one argument list is 6 MiB at most */
		file_read_all(path, 8UL << 20, &text, &length);
	end = text + length;
	for (word = text; word < end && n < CMDLINE_WORDS; word = next, n++)
		bytes += word_size(word, end, &next);
	words = calloc(1, (n + 1) * sizeof(*words) + bytes);
	if (!words) {
		free(text);
		return NULL;
	}
	out = (char *)(words + n + 1);
	n = 0;
	for (word = text; word < end && n < CMDLINE_WORDS; word = next) {
		size_t size = word_size(word, end, &next);

		memcpy(out, word, size - 1); /* calloc() wrote the NUL */
		words[n++] = out;
		out += size;
	}
	free(text);
	*n_words = n;
	return words;
}
