/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/seccomp_test.h"

#include <errno.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "probe/uprobe_event.h"
#include "target/maps.h"

#define DEADLINE_MS 10000

/* the function that is probed */
__asm__(".pushsection .text\n"
	".p2align 4\nseccomp_probed: nop\nret\n"
	".popsection\n");
void seccomp_probed(void);

/* where it is in our own file, and what is tried there */
struct place {
	char path[PATH_MAX];
	uint64_t offset;
	bool as_older;
};

static bool find_place(struct place *place)
{
	uint64_t address = (uintptr_t)seccomp_probed;
	const struct map_range *range;
	struct maps maps;
	bool found;

	if (maps_read(&maps, getpid(), NULL))
		return false;
	range = maps_find(&maps, address);
	found = range && !maps_file_path(&maps, range, place->path, sizeof(place->path));
	if (found)
		place->offset = address - range->start + range->offset;
	maps_fini(&maps);
	return found;
}

/* ---- the child ------------------------------------------------------------------------------ */

#define ALLOW(number)                                      \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* From here on any system call but three is the end. */
static bool install_filter(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read),
		ALLOW(SYS_write),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

/* A byte when the filter is there; one comes when the probe is; a byte when the function has
 * returned. */
static _Noreturn void be_child(int in, int out, bool as_older)
{
	char byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	if (!install_filter() || write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
		_exit(1);
	seccomp_probed();
	if (as_older)
		syscall(SYS_getppid);
	_exit(write(out, &byte, 1) != 1);
}

/* ---- the tester ----------------------------------------------------------------------------- */

/* return 1: a byte; 0: the end; < 0: neither in time */
static int wait_for_byte(int fd)
{
	struct pollfd end = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&end, 1, DEADLINE_MS) == 1 ? (int)read(fd, &byte, 1) : -1;
}

static enum return_verdict try_child(pid_t child, int to, int from, const struct place *place)
{
	uint64_t hits = 0;
	int event, answer, status;

	if (wait_for_byte(from) != 1)
		return RETURN_UNKNOWN;
	event = uprobe_event_open(place->path, place->offset, true, child);
	if (event < 0 || write(to, "", 1) != 1)
		return RETURN_UNKNOWN;
	answer = wait_for_byte(from);
	/* the event stays open: our end closes it */
	if (answer == 1)
		return read(event, &hits, sizeof(hits)) == sizeof(hits) && hits > 0
			       ? RETURN_SURVIVES
			       : RETURN_UNKNOWN;
	if (answer == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGSYS)
		return RETURN_KILLS;
	return RETURN_UNKNOWN;
}

static _Noreturn void be_tester(int out, const struct place *place)
{
	enum return_verdict verdict = RETURN_UNKNOWN;
	int to[2], from[2];
	pid_t child;
	char byte;

	/* no reader of the tool's output waits for us; `out` is the only other descriptor in
	 * use */
	if (dup2(out, 0) != 0)
		_exit(1);
	syscall(SYS_close_range, 1, UINT_MAX, 0);
	if (pipe(to) || pipe(from))
		_exit(1);
	child = fork();
	if (child == 0) {
		close(to[1]);
		close(from[0]);
		be_child(to[0], from[1], place->as_older);
	}
	close(to[0]);
	close(from[1]);
	if (child > 0) {
		verdict = try_child(child, to[1], from[0], place);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	byte = (char)verdict;
	_exit(write(0, &byte, 1) != 1);
}

/* ---- the tool ------------------------------------------------------------------------------- */

static enum return_verdict ask_tester(const struct place *place)
{
	char byte = RETURN_UNKNOWN;
	int ends[2], n;
	pid_t pid;

	if (pipe(ends))
		return RETURN_UNKNOWN;
	pid = fork();
	if (pid == 0)
		be_tester(ends[1], place);
	close(ends[1]);
	do
		n = (int)read(ends[0], &byte, 1);
	while (n < 0 && errno == EINTR);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(ends[0]);
	return n == 1 ? (enum return_verdict)byte : RETURN_UNKNOWN;
}

enum return_verdict seccomp_test(bool as_older)
{
	struct place place = {.as_older = as_older};

	if (!ARCH_RETURN_IS_SYSCALL)
		return RETURN_SURVIVES;
	return find_place(&place) ? ask_tester(&place) : RETURN_UNKNOWN;
}
