/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/features.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>

#include "probe/seccomp_test.h"
#include "probe/uprobe_multi.h"

/* inode of the initial PID namespace: PROC_PID_INIT_INO in include/linux/proc_ns.h */
#define INITIAL_PID_NS 0xEFFFFFFCu

static unsigned parse_release(const char *release)
{
	unsigned major = 0, minor = 0, patch = 0;

	sscanf(release, "%u.%u.%u", &major, &minor, &patch);
	return (major & 0xff) << 16 | (minor & 0xff) << 8 | (patch > 255 ? 255 : patch);
}

/* Effective capabilities of this process, as a bit mask. */
static uint64_t capabilities(void)
{
	unsigned long long mask = 0;
	char line[256];
	FILE *status = fopen("/proc/self/status", "re");

	if (!status)
		return 0;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &mask) == 1)
			break;
	fclose(status);
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

/* bpf_get_attach_cookie() in a program of two calls: the verifier knows the helper or not */
static bool detect_cookies(void)
{
	const struct bpf_insn code[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = 174 /* BPF_FUNC_get_attach_cookie */},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "cookie", "GPL", code, 3, NULL);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool read_jit(void)
{
	FILE *file = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int value = 1;

	if (!file)
		return true; /* always on: no switch */
	if (fscanf(file, "%d", &value) != 1)
		value = 1;
	fclose(file);
	return value != 0;
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
	if (strstr(list, "loops"))
		features->loops = false;
	if (strstr(list, "btf"))
		features->btf = false;
}

/*
 * Do probed functions return by a system call that seccomp filters see? With uprobe_multi a child that was just
 * forked does so too, until its breakpoints are out, and it may have a filter that the target has not.
 */
static bool return_probe_hazard(const struct features *features)
{
	const char *without = getenv("PYLEAKTRACE_WITHOUT");

	switch (seccomp_test(without && strstr(without, "seccomp"))) {
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
	struct stat ns;
	uint64_t caps = capabilities();

	memset(features, 0, sizeof(*features));
	if (uname(&names) == 0) {
		snprintf(features->release, sizeof(features->release), "%s", names.release);
		features->kernel = parse_release(names.release);
	}
	name_missing(features->missing, sizeof(features->missing), caps);
	features->bpf_permitted = !features->missing[0];
	features->ptrace_permitted = has(caps, CAP_SYS_PTRACE);
#ifdef __x86_64__
	features->loops = features->kernel >= KERNEL(5, 17);
#endif
	features->btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	features->jit = read_jit();
	features->tracefs =
		access("/sys/kernel/tracing/events/syscalls/sys_enter_mmap/id", R_OK) == 0 ||
		access("/sys/kernel/debug/tracing/events/syscalls/sys_enter_mmap/id", R_OK) == 0;
	features->pid_namespace =
		stat("/proc/self/ns/pid", &ns) == 0 && ns.st_ino != INITIAL_PID_NS;
	if (features->bpf_permitted) {
		features->cookies = detect_cookies();
		features->return_hazard = return_probe_hazard(features);
		features->uprobe_multi = !features->return_hazard && uprobe_multi_works();
	}
	pretend(features, getenv("PYLEAKTRACE_WITHOUT"));
}

int features_require(const struct features *features, struct err *err)
{
	if (!features->bpf_permitted)
		return err_set(
			err, ERR_PERMISSION,
			"loading BPF programs is not permitted, %s missing: run as root, or "
			"add what is missing; `pyleaktrace heap` and its views, but --watch and "
			"--watch-refs, go on without",
			features->missing);
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

void features_print(FILE *out, const struct features *features)
{
	const struct {
		bool have;
		const char *name, *without;
	} rows[] = {
		{features->bpf_permitted, "permission to load BPF",
		 "needed: run as root, or give CAP_BPF and CAP_PERFMON"},
		{features->ptrace_permitted, "permission to read the target",
		 "needed: run as root, or give CAP_SYS_PTRACE"},
		{!features->pid_namespace, "initial PID namespace",
		 "needed: run on the host, not in a container"},
		{features->btf, "kernel BTF", "needed: a kernel with CONFIG_DEBUG_INFO_BTF"},
		{features->cookies, "probe cookies (5.15)", "needed: a newer kernel"},
		{features->uprobe_multi, "many probes in one link (6.10)",
		 "detaching takes seconds without"},
		{features->loops, "C frames (5.17, x86-64)", "stacks are Python only without"},
		{!features->return_hazard, "return probes with seccomp filters",
		 "targets with a seccomp filter are refused, they would be killed"},
		{features->jit, "BPF JIT", "slower without: sysctl net.core.bpf_jit_enable=1"},
		{features->tracefs, "system call tracepoints",
		 "domain mmap is not traced without: mount -t tracefs tracefs /sys/kernel/tracing"},
	};

	fprintf(out, "kernel %s\n", features->release);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(out, "  %-36s %s%s\n", rows[i].name,
			rows[i].have ? "yes" : "no: ", rows[i].have ? "" : rows[i].without);
}
