/* SPDX-License-Identifier: BSD-2-Clause
 *
 * remote_mem: the only place where another process's memory is read.
 *
 * Place      layer 1; used by python, probe, symbol, census, snapshot, cli.
 * Source     proc(5) /proc/PID/mem, process_vm_readv(2). process_vm_readv() pins what it reads
 *            (FOLL_PIN), and from Linux 5.19 on the kernel first gives the target a copy of its own
 *            of each page that it shares with a forked parent or child (mm/gup.c,
 *            gup_must_unshare()). /proc/PID/mem takes a reference only, and copies nothing. So
 *            everything is read through the file, but for pages that no other process maps:
 *            remote_read_sole().
 * Units      remote addresses are uint64_t, never pointers; lengths in bytes.
 * Errors     0 or -EFAULT (not mapped there), -EPERM (refused, see Degrades), -ESRCH (gone, or
 *            replaced by exec()), -E2BIG (over REMOTE_READ_MAX; the buffer is left alone then),
 *            -ENOMEM (the kernel's). Else a read is all or nothing: on failure the buffer is
 *            zeroed, so that no caller computes with half a struct.
 * Effect     the target is not stopped, and what it shares stays shared. A page that is swapped out
 *            is brought in, and where nothing was ever written the kernel maps its page of zeros (8
 *            bytes of page table a page): where that may be, callers consult /proc/PID/pagemap
 *            first (pagemap.h). The file ignores the protection of a mapping (mm/gup.c,
 *            FOLL_FORCE): a pointer that leads into a PROT_NONE reservation or guard page is
 *            followed, with the same effect. Where the address is in a mapping of a device whose
 *            driver allows it (mm/memory.c, vm_ops->access), the read goes to the driver, and may
 *            reach the device's registers. The walk over the heap (census/memory.h) reads neither:
 *            it takes readable private mappings without a file only. A pointer that is followed
 *            from there is not looked up in the mappings, which would cost more than the read: a
 *            pointer that is damaged, or that changes while it is read, may lead anywhere.
 * Degrades   where /proc/PID/mem may not be opened (remote_handle.h) process_vm_readv() reads
 *            everything. process_open(), each walk over the heap and each report of a trace check
 *            before that nothing is shared (sharing.h), and while something is, all reads fail with
 *            -EPERM. What the target forks after a check is noticed by the next one; until then
 *            reads copy the shared pages that they touch. A process that was not opened is not read
 *            in this way: -EPERM.
 * Bounds     REMOTE_READ_MAX bytes a call.
 * Threads    any, also for the same process.
 */
#ifndef PYLEAKTRACE_TARGET_REMOTE_MEM_H
#define PYLEAKTRACE_TARGET_REMOTE_MEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REMOTE_READ_MAX (64UL << 20)

int remote_read(pid_t pid, uint64_t address, void *buffer, size_t length);

/* One little-endian word; *value is 0 on failure. */
int remote_read_u64(pid_t pid, uint64_t address, uint64_t *value);
int remote_read_u32(pid_t pid, uint64_t address, uint32_t *value);

/*
 * A NUL-terminated string, cut at size - 1 bytes; always terminated.
 *
 * return its length, or a negative errno (buffer empty then)
 */
long remote_read_string(pid_t pid, uint64_t address, char *buffer, size_t size);

struct remote_item {
	uint64_t address;
	void *buffer; /* `length` bytes; zeroed when the read failed */
	size_t length;
	int result; /* out: 0 or negative errno */
};

/* Many small reads in few system calls, those of one page in one; every item gets its own
 * result. */
void remote_read_many(pid_t pid, struct remote_item *items, size_t n_items);

/*
 * The same for pages that pagemap says are mapped by the target alone (PAGE_SOLE in pagemap.h,
 * which says what that does not mean): nearly twice as fast.
 *
 * note   a fork between the look at pagemap and this makes them shared; they are copied then, the
 *        items of this one call at most
 */
void remote_read_sole(pid_t pid, struct remote_item *items, size_t n_items);

#endif
