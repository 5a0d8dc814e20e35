/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * loader: the dynamic loader says that it is about to load or unload something, or has
 * (user/target/loader.h). A probe there is hit by dlopen() and dlclose() alone; munmap()'s
 * tracepoints, which see more, would make every system call of every process slower for as long as
 * they are there.
 */
#ifndef PYLEAKTRACE_BPF_LOADER_H
#define PYLEAKTRACE_BPF_LOADER_H

#include "entries.bpf.h"

/* <link.h>; every other state: code goes */
#define LOADER_CONSISTENT 0
#define LOADER_ADD        1

/* What was heard last (code_loader); 0: nothing yet, or what is not known. */
#define HEARD_CONSISTENT 1
#define HEARD_ADD        2

/* There is news for user space, also of what it could not provide before. */
static __always_inline void code_has_changed(void)
{
	code_wanted = 0;
	want_code();
}

/*
 * Has the program loaded nothing by dlmopen()? The state of such a namespace is kept elsewhere:
 * what is read here stays consistent while code comes and goes there.
 */
static __always_inline bool has_one_namespace(void)
{
	__s32 version;

	return facts.loader_version &&
	       bpf_probe_read_user(&version, sizeof(version), (const void *)facts.loader_version) ==
		       0 &&
	       version == 1;
}

/*
 * From glibc 2.41 on dlopen() of what is loaded already says that all is consistent, as it was.
 *
 * Before an unloading and after it: what is read in between may still have what is about to go.
 * Only one thread loads or unloads at a time, for the loader has a lock.
 */
SEC("uprobe")
int on_loader(struct pt_regs *ctx)
{
	__s32 state;

	/* not is_target(): the mappings are read before anything is recorded */
	if (!is_target_process())
		return 0;
	if (bpf_probe_read_user(&state, sizeof(state), (const void *)facts.loader_state))
		state = -1;
	if (state == LOADER_ADD) {
		code_loader = HEARD_ADD;
		return 0;
	}
	if (state == LOADER_CONSISTENT && code_loader == HEARD_CONSISTENT && has_one_namespace())
		return 0;
	if (state != LOADER_CONSISTENT || code_loader != HEARD_ADD)
		__sync_fetch_and_add(&code_gone, 1);
	code_loader = state == LOADER_CONSISTENT ? HEARD_CONSISTENT : 0;
	code_has_changed();
	return 0;
}

#endif
