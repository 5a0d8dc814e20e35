/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/denial.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* inode of the first user namespace: PROC_USER_INIT_INO in include/linux/proc_ns.h */
#define INITIAL_USER_NS 0xEFFFFFFDu
#define YAMA_NOBODY     3

static unsigned long long field(const char *status, const char *name, int base)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, base) : 0;
}

void denial_look(struct denial *denial)
{
	char text[8192];
	struct stat ns;
	unsigned long long mask = 0;

	*denial = (struct denial){.is_root = geteuid() == 0, .yama = -1};
	if (file_read("/proc/self/status", text, sizeof(text)) > 0) {
		mask = field(text, "\nCapEff:", 16);
		denial->filtered = field(text, "\nSeccomp:", 10) != 0;
	}
	denial->may_ptrace = mask >> CAP_SYS_PTRACE & 1;
	denial->own_namespace =
		stat("/proc/self/ns/user", &ns) == 0 && ns.st_ino != INITIAL_USER_NS;
	if (file_read("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) > 0)
		denial->yama = strtol(text, NULL, 10);
}

int denial_explain(const struct denial *denial, pid_t pid, const char *name, struct err *err)
{
	if (denial->yama == YAMA_NOBODY)
		return err_set(err, ERR_PERMISSION,
			       "no process may read pid %d (%s), not even root: "
			       "kernel.yama.ptrace_scope is 3 on this machine, which only a reboot "
			       "with another value changes",
			       (int)pid, name);
	if (!denial->may_ptrace)
		return err_set(err, ERR_PERMISSION,
			       "not permitted to read pid %d (%s): CAP_SYS_PTRACE is missing; %s",
			       (int)pid, name,
			       denial->is_root ? "this root was started without it"
					       : "run as root or add it");
	if (denial->own_namespace)
		return err_set(
			err, ERR_PERMISSION,
			"not permitted to read pid %d (%s): this shell is in a user namespace "
			"of its own (a rootless container), and its CAP_SYS_PTRACE does not "
			"reach that process; run pyleaktrace on the host",
			(int)pid, name);
	if (denial->filtered)
		return err_set(
			err, ERR_PERMISSION,
			"not permitted to read pid %d (%s), although CAP_SYS_PTRACE is there: "
			"most likely by the seccomp filter that pyleaktrace itself runs under",
			(int)pid, name);
	return err_set(err, ERR_PERMISSION,
		       "not permitted to read pid %d (%s), although CAP_SYS_PTRACE is there: a "
		       "security module (SELinux, AppArmor) denies it",
		       (int)pid, name);
}

int denial_say(pid_t pid, const char *name, struct err *err)
{
	struct denial denial;

	denial_look(&denial);
	return denial_explain(&denial, pid, name, err);
}
