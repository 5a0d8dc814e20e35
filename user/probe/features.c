/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/features.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>

#include "abi/registers.h"
#include "arch/arch.h"
#include "probe/seccomp_test.h"
#include "probe/uprobe_multi.h"

/* inode of the initial PID namespace: PROC_PID_INIT_INO in include/linux/proc_ns.h */
#define INITIAL_PID_NS 0xEFFFFFFCu
/* the same of the user namespace: PROC_USER_INIT_INO */
#define INITIAL_USER_NS 0xEFFFFFFDu

static unsigned parse_release(const char *release)
{
	unsigned major = 0, minor = 0, patch = 0;

	sscanf(release, "%u.%u.%u", &major, &minor, &patch);
	return (major & 0xff) << 16 | (minor & 0xff) << 8 | (patch > 255 ? 255 : patch);
}

bool features_must_preallocate(void)
{
	const char *list = getenv("PYLEAKTRACE_WITHOUT");

	return features_kernel() < KERNEL(6, 1) || (list && strstr(list, "allocation"));
}

unsigned features_kernel(void)
{
	struct utsname names;

	return uname(&names) == 0 ? parse_release(names.release) : 0;
}

/* Effective capabilities of this process, as a bit mask; and whether a filter sees its system
 * calls. */
static uint64_t capabilities(bool *seccomp)
{
	unsigned long long mask = 0;
	int mode = 0;
	char line[256];
	FILE *status = fopen("/proc/self/status", "re");

	*seccomp = false;
	if (!status)
		return 0;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &mask) != 1 &&
		    sscanf(line, "Seccomp: %d", &mode) == 1)
			break;
	fclose(status);
	*seccomp = mode == 2;
	return mask;
}

static bool has(uint64_t mask, unsigned capability)
{
	return mask >> capability & 1;
}

/* CAP_SYS_ADMIN stands for both. */
static void name_missing(char *text, size_t size, uint64_t mask)
{
	bool bpf = has(mask, CAP_BPF) || has(mask, CAP_SYS_ADMIN),
	     perfmon = has(mask, CAP_PERFMON) || has(mask, CAP_SYS_ADMIN);

	snprintf(text, size, "%s%s%s", bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ",
		 perfmon ? "" : "CAP_PERFMON");
}

/* Is it the system call that is refused, and not what was asked of it? */
static bool is_refusal(int error)
{
	return error == EPERM || error == EACCES || error == ENOSYS;
}

/* bpf_get_attach_cookie() in a program of two calls: the verifier knows the helper or not */
static bool detect_cookies(int *refused)
{
	const struct bpf_insn code[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = 174 /* BPF_FUNC_get_attach_cookie */},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "cookie", "GPL", code, 3, NULL);

	if (fd < 0 && is_refusal(-fd))
		*refused = -fd;
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* An event that counts nothing, of this thread. return 0, or errno */
static int try_perf_event(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.size = sizeof(attr),
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 && is_refusal(errno) ? errno : 0;
}

/* "none integrity [confidentiality]": the one in brackets holds */
static bool read_lockdown(void)
{
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char line[128] = "";

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return strstr(line, "[confidentiality]") != NULL;
}

/* Can a file be opened? Where the kernel is locked down access(2) says yes and open(2) no. */
static bool opens(const char *path)
{
	FILE *file = fopen(path, "re");

	if (file)
		fclose(file);
	return file != NULL;
}

static bool is_namespace(const char *path, unsigned initial)
{
	struct stat ns;

	return stat(path, &ns) == 0 && ns.st_ino != initial;
}

bool features_jit(void)
{
	const char *list = getenv("PYLEAKTRACE_WITHOUT");
	FILE *file = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int value = 1;

	if (!file)
		return true; /* always on: no switch */
	if (fscanf(file, "%d", &value) != 1)
		value = 1;
	fclose(file);
	return value != 0 && !(list && strstr(list, "jit"));
}

/* Take away what the list names, so that the ways of older kernels can be tested on this one. */
static void pretend(struct features *features, const char *list)
{
	if (!list)
		return;
	if (strstr(list, "tracefs"))
		features->tracefs = false;
	if (strstr(list, "uprobe_multi"))
		features->uprobe_multi = false;
	if (strstr(list, "c_frames"))
		features->c_frames = false;
	if (strstr(list, "btf"))
		features->btf = false;
	if (strstr(list, "lockdown"))
		features->lockdown = true;
	if (strstr(list, "bpf"))
		features->bpf_error = EPERM;
	if (strstr(list, "perf_events"))
		features->perf_error = EACCES;
	if (strstr(list, "user_namespace")) {
		features->user_namespace = true;
		features->bpf_permitted = false;
	}
}

/*
 * Do probed functions return by a system call that seccomp filters see? With uprobe_multi a child
 * that was just forked does so too, until its breakpoints are out, and it may have a filter that
 * the target has not.
 */
static bool return_probe_hazard(const struct features *features)
{
	/* each round of watchpoints asks again, the kernel stays the same, and the test takes 0.1
	 * s */
	static int verdict = -1;
	const char *without = getenv("PYLEAKTRACE_WITHOUT");
	int known = __atomic_load_n(&verdict, __ATOMIC_RELAXED);

	if (known < 0) {
		known = (int)seccomp_test(without && strstr(without, "seccomp"));
		__atomic_store_n(&verdict, known, __ATOMIC_RELAXED);
	}
	switch (known) {
	case RETURN_SURVIVES:
		return false;
	case RETURN_KILLS:
		return true;
	default:
		/* the kernels among which some kill */
		return features->kernel >= KERNEL(6, 11) && features->kernel < KERNEL(6, 14);
	}
}

void features_detect(struct features *features)
{
	struct utsname names;
	uint64_t caps = capabilities(&features->seccomp);
	bool seccomp = features->seccomp;

	memset(features, 0, sizeof(*features));
	if (uname(&names) == 0) {
		snprintf(features->release, sizeof(features->release), "%s", names.release);
		features->kernel = parse_release(names.release);
	}
	features->seccomp = seccomp;
	features->user_namespace = is_namespace("/proc/self/ns/user", INITIAL_USER_NS);
	name_missing(features->missing, sizeof(features->missing), caps);
	features->bpf_permitted = !features->user_namespace && !features->missing[0];
	features->ptrace_permitted = has(caps, CAP_SYS_PTRACE);
	features->c_frames = ARCH_C_FRAMES;
	features->btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	features->jit = features_jit();
	features->lockdown = read_lockdown();
	features->tracefs = opens("/sys/kernel/tracing/events/syscalls/sys_enter_mmap/id") ||
			    opens("/sys/kernel/debug/tracing/events/syscalls/sys_enter_mmap/id");
	features->pid_namespace = is_namespace("/proc/self/ns/pid", INITIAL_PID_NS);
	if (features->bpf_permitted) {
		features->perf_error = try_perf_event();
		features->cookies = detect_cookies(&features->bpf_error);
		features->return_hazard = return_probe_hazard(features);
		features->uprobe_multi = !features->return_hazard && uprobe_multi_works();
	}
	pretend(features, getenv("PYLEAKTRACE_WITHOUT"));
}

/*
 * A system call is denied to a process that has the capabilities for it. By a seccomp filter, as
 * containers have one: nothing that a capability would mend, so that is no matter of permission.
 */
static int say_refused(const struct features *features, const char *call, const char *option,
		       int error, struct err *err)
{
	if (features->seccomp && error != EACCES)
		return err_set(err, ERR_KERNEL,
			       "the seccomp filter of this shell or container denies the system "
			       "call %s (%s): run pyleaktrace on the host, or in a container that "
			       "is started with --privileged or --security-opt seccomp=unconfined",
			       call, strerror(error));
	if (error == ENOSYS)
		return err_set(err, ERR_KERNEL, "kernel %s has no %s: %s is needed",
			       features->release, call, option);
	return err_set(err, ERR_PERMISSION,
		       "%s is denied (%s) although the capabilities are there: a security module "
		       "(SELinux, AppArmor) forbids it, and its log says which rule",
		       call, strerror(error));
}

static int require_bpf(const struct features *features, struct err *err)
{
	if (!features->bpf_permitted && features->user_namespace)
		return err_set(err, ERR_PERMISSION,
			       "this shell is in a user namespace of its own (a rootless "
			       "container), whose capabilities do not count for BPF: run "
			       "pyleaktrace as root on the host");
	if (!features->bpf_permitted)
		return err_set(err, ERR_PERMISSION,
			       "loading BPF programs is not permitted, %s missing: run as root, or "
			       "add what is missing",
			       features->missing);
	if (features->bpf_error)
		return say_refused(features, "bpf()", "CONFIG_BPF_SYSCALL", features->bpf_error,
				   err);
	if (features->perf_error)
		return say_refused(features, "perf_event_open()", "CONFIG_PERF_EVENTS",
				   features->perf_error, err);
	if (features->lockdown)
		return err_set(
			err, ERR_KERNEL,
			"the kernel is locked down (confidentiality), so that no BPF program "
			"may read memory of the kernel: boot it with lockdown=integrity, or "
			"without");
	return 0;
}

int features_require(const struct features *features, struct err *err)
{
	int result = require_bpf(features, err);

	if (result)
		return result;
	if (!features->ptrace_permitted)
		return err_set(err, ERR_PERMISSION,
			       "reading another process's memory is not permitted, CAP_SYS_PTRACE "
			       "missing: run as root, or add it");
	if (features->pid_namespace)
		return err_set(err, ERR_KERNEL,
			       "this shell is in a PID namespace of its own (a container): run "
			       "pyleaktrace on the host");
	if (!features->btf)
		return err_set(err, ERR_KERNEL,
			       "kernel %s has no BTF (/sys/kernel/btf/vmlinux): "
			       "CONFIG_DEBUG_INFO_BTF is needed",
			       features->release);
	if (!features->cookies)
		return err_set(err, ERR_KERNEL,
			       "kernel %s has no probe cookies: 5.15 or newer is needed",
			       features->release);
	return 0;
}

bool features_seccomp_hazard(const struct features *features, const struct process *process)
{
	return process->seccomp != 0 && features->return_hazard;
}

enum answer { NO, YES, NOT_KNOWN };

void features_print(FILE *out, const struct features *features)
{
	bool tried = features->bpf_permitted && !features->bpf_error;
	const char *denied = features->seccomp
				     ? "needed: a seccomp filter denies it, run on the host"
				     : "needed: the kernel denies it";
	char permission[sizeof(features->missing) + 32];
	const struct {
		enum answer answer;
		const char *name, *without;
	} rows[] = {
		{features->bpf_permitted, "permission to load BPF",
		 features->user_namespace
			 ? "needed: this is a user namespace, run as root on the host"
			 : permission},
		{features->bpf_permitted ? !features->bpf_error : NOT_KNOWN, "bpf() may be called",
		 denied},
		{features->bpf_permitted ? !features->perf_error : NOT_KNOWN,
		 "perf_event_open() may be called", denied},
		{!features->lockdown, "no lockdown of confidentiality",
		 "needed: boot with lockdown=integrity, or without"},
		{features->ptrace_permitted, "permission to read the target",
		 "needed: run as root, or give CAP_SYS_PTRACE"},
		{!features->pid_namespace, "initial PID namespace",
		 "needed: run on the host, not in a container"},
		{features->btf, "kernel BTF", "needed: a kernel with CONFIG_DEBUG_INFO_BTF"},
		{tried ? features->cookies : NOT_KNOWN, "probe cookies (5.15)",
		 "needed: a newer kernel"},
		{features->jit, "BPF JIT",
		 "slow without, if at all: sysctl -w net.core.bpf_jit_enable=1"},
		{tried ? features->uprobe_multi : NOT_KNOWN, "many probes in one link (6.10)",
		 "detaching takes seconds without"},
		{!features_must_preallocate(), "maps that grow as they fill (6.1)",
		 "room for fewer blocks (-X max-blocks), taken at the start"},
		{features->c_frames, "C frames (" ABI_UNWIND_MACHINE_NAME ")",
		 "stacks are Python only without"},
		{tried ? !features->return_hazard : NOT_KNOWN, "return probes with seccomp filters",
		 "targets with a seccomp filter are refused, they would be killed"},
		{features->tracefs, "system call tracepoints",
		 geteuid() ? "domain mmap is not traced without: tracefs is root's"
			   : "domain mmap is not traced without: mount -t tracefs tracefs "
			     "/sys/kernel/tracing"},
	};
	const char *const answers[] = {[NO] = "no: ",
				       [YES] = "yes",
				       [NOT_KNOWN] = features->bpf_error
							     ? "not known: bpf() is denied"
							     : "not known: bpf() was not tried"};

	snprintf(permission, sizeof(permission), "needed: run as root, or give %s",
		 features->missing);
	fprintf(out, "kernel %s\n", features->release);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(out, "  %-36s %s%s\n", rows[i].name, answers[rows[i].answer],
			rows[i].answer == NO ? rows[i].without : "");
}
