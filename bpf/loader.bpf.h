/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * loader: the dynamic loader says that it is about to load or unload something, or has (user/target/loader.h). A probe
 * there is hit by dlopen() and dlclose() alone; munmap()'s tracepoints, which see more, would make every system call of
 * every process slower for as long as they are there.
 */
#ifndef PYLEAKTRACE_BPF_LOADER_H
#define PYLEAKTRACE_BPF_LOADER_H

#include "entries.bpf.h"

/* <link.h>; every other state: code goes */
#define LOADER_CONSISTENT 0
#define LOADER_ADD        1

/* There is news for user space, also of what it was asked for in vain before. */
static __always_inline void code_has_changed(void)
{
	code_wanted = 0;
	want_code();
}

/*
 * Before an unloading and after it: what is read in between may still have what is about to go. Only one thread loads or
 * unloads at a time, for the loader has a lock.
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
		code_added = 1;
		return 0;
	}
	if (state != LOADER_CONSISTENT || !code_added)
		__sync_fetch_and_add(&code_gone, 1);
	code_added = 0;
	code_has_changed();
	return 0;
}

#endif
