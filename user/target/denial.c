/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/denial.h"

#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

/* inode of the first user namespace: PROC_USER_INIT_INO in include/linux/proc_ns.h */
#define INITIAL_USER_NS  0xEFFFFFFDu
#define YAMA_NOBODY      3

#define LSM_LIST_MODULES 461 /* on x86-64 and arm64; headers before 6.8 have no name for it */

static unsigned long long field(const char *status, const char *name, int base)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, base) : 0;
}

/*
 * The modules of this kernel that may deny that a process is read. lsm_list_modules(2), Linux 6.8;
 * LSM_ID_* of include/uapi/linux/lsm.h.
 */
static void list_modules(char *text, size_t size)
{
	static const struct {
		uint64_t id;
		const char *name;
	} known[] = {{101, "SELinux"}, {102, "Smack"}, {103, "TOMOYO"},  {104, "AppArmor"},
		     {105, "Yama"},    {109, "BPF"},   {110, "Landlock"}};
	uint64_t ids[64];
	uint32_t bytes = sizeof(ids);
	long n = syscall(LSM_LIST_MODULES, ids, &bytes, 0);
	size_t at = 0;

	text[0] = '\0';
	for (long i = 0; i < n && i < 64; i++)
		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]) && at < size; k++)
			if (ids[i] == known[k].id)
				at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "",
						       known[k].name);
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
	list_modules(denial->modules, sizeof(denial->modules));
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
		       "not permitted to read pid %d (%s), although CAP_SYS_PTRACE is there: most "
		       "likely a security module denies it (%s%s); run pyleaktrace outside of its "
		       "sandbox, or see the module's log",
		       (int)pid, name,
		       denial->modules[0] ? "this kernel has "
					  : "SELinux, AppArmor "
					    "or Landlock",
		       denial->modules);
}

int denial_say(pid_t pid, const char *name, struct err *err)
{
	struct denial denial;

	denial_look(&denial);
	return denial_explain(&denial, pid, name, err);
}
