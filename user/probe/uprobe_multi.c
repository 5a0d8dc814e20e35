/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/uprobe_multi.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define FLAG_RETURN 1u /* BPF_F_UPROBE_MULTI_RETURN */

struct link_create_uprobe_multi {
	uint32_t program_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t n, multi_flags, pid, pad;
};

/* A program of two instructions, `return 0`; its descriptor, or -1 when the kernel knows no such
 * type. */
static int load_tiny(void)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = UPROBE_MULTI_ATTACH_TYPE);
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "tiny", "GPL", code, 2, &opts);

	return fd < 0 ? -1 : fd;
}

/* errno of an attempt that cannot succeed; 0: it did */
static int attempt(int program_fd, const char *path, pid_t pid)
{
	const uint64_t offset = 0;
	int link = uprobe_multi_attach(program_fd, path, &offset, NULL, 1, false, pid);

	if (link < 0)
		return errno;
	close(link);
	return 0;
}

bool uprobe_multi_works(void)
{
	int program_fd = load_tiny();
	bool works;

	if (program_fd < 0)
		return false;
	/* a folder is no file to probe: a kernel that knows the request gets as far as that */
	works = attempt(program_fd, "/", 0) == EBADF &&
		attempt(program_fd, "/proc/self/exe", -1) == EINVAL;
	close(program_fd);
	return works;
}

int uprobe_multi_attach(int program_fd, const char *path, const uint64_t *offsets,
			const uint64_t *cookies, unsigned n, bool returns, pid_t pid)
{
	struct link_create_uprobe_multi attr;

	memset(&attr, 0, sizeof(attr));
	attr.program_fd = (uint32_t)program_fd;
	attr.attach_type = UPROBE_MULTI_ATTACH_TYPE;
	attr.path = (uintptr_t)path;
	attr.offsets = (uintptr_t)offsets;
	attr.cookies = (uintptr_t)cookies;
	attr.n = n;
	attr.multi_flags = returns ? FLAG_RETURN : 0;
	attr.pid = (uint32_t)pid;
	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
}
