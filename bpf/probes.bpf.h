/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * probes: one program at the entry of every allocator function, one at the return of the ones that
 * allocate. The entry probe's cookie says which function it is and how far the stack pointer has
 * moved since its entry.
 *
 * Allocators call each other (calloc -> malloc, PyObject_Malloc(600) -> malloc, tracemalloc ->
 * everything). The outermost call owns the block; calls inside it are ignored:
 *
 *      sp at entry   0x7f..58  PyObject_Malloc(600)   <- thread->call
 *                    0x7f..10    malloc(600)          lower stack pointer: nested, ignored
 *                    0x7f..58    or, where the compiler made a jump of the last call: the same
 *                                stack pointer
 *
 * A return belongs to the outermost call when the stack pointer is back where that call began. A
 * remembered call that is not above a new entry's has been left without a return (longjmp): it is
 * dropped and counted.
 *
 * Where the parts are split (enum abi_part) CPython's functions and libc's do not see each other:
 *
 *      PyObject_Malloc(40)                  part object: a block of 40 bytes of a pool
 *      PyObject_Malloc(600) -> malloc(600)  part native: libc's block; larger than facts.small_max,
 *                                           so that CPython's function, which would be the
 *                                           outermost, is ignored
 */
#ifndef PYLEAKTRACE_BPF_PROBES_H
#define PYLEAKTRACE_BPF_PROBES_H

#include "abi/pool.h"
#include "account.bpf.h"
#include "own_stack.bpf.h"

struct arguments {
	__u64 size;
	__u64 old_address; /* or the place of posix_memalign's result */
};

/* count * size, or ~0 when it does not fit (the call will fail) */
static __always_inline __u64 product(__u64 n, __u64 size)
{
	__u64 most;

	if ((n | size) >> 32 && n) {
		most = ~0ull / n;
		/* keep the compiler from making a 128-bit multiplication of it, which BPF has
		 * not */
		barrier_var(most);
		if (size > most)
			return ~0ull;
	}
	return n * size;
}

static __always_inline void read_arguments(struct pt_regs *ctx, __u32 kind, struct arguments *args)
{
	args->old_address = 0;
	args->size = 0;
	switch (kind) {
	case ABI_CALL_MALLOC:
	case ABI_CALL_PVALLOC:
	case ABI_CALL_NEW:
		args->size = PT_REGS_PARM1(ctx);
		break;
	case ABI_CALL_CALLOC:
		args->size = product(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
		break;
	case ABI_CALL_REALLOC:
		args->old_address = PT_REGS_PARM1(ctx);
		args->size = PT_REGS_PARM2(ctx);
		break;
	case ABI_CALL_REALLOCARRAY:
		args->old_address = PT_REGS_PARM1(ctx);
		args->size = product(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
		break;
	case ABI_CALL_FREE:
	case ABI_CALL_DELETE:
		args->old_address = PT_REGS_PARM1(ctx);
		break;
	case ABI_CALL_POSIX_MEMALIGN:
		args->old_address = PT_REGS_PARM1(ctx);
		args->size = PT_REGS_PARM3(ctx);
		break;
	case ABI_CALL_ALIGNED:
	case ABI_CALL_PY_MALLOC:
	case ABI_CALL_ARENA:
		args->size = PT_REGS_PARM2(ctx);
		break;
	case ABI_CALL_PY_CALLOC:
		args->size = product(PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
		break;
	case ABI_CALL_PY_REALLOC:
		args->old_address = PT_REGS_PARM2(ctx);
		args->size = PT_REGS_PARM3(ctx);
		break;
	case ABI_CALL_PY_FREE:
		args->old_address = PT_REGS_PARM2(ctx);
		break;
	}
}

static __always_inline bool is_realloc(__u32 kind)
{
	return kind == ABI_CALL_REALLOC || kind == ABI_CALL_REALLOCARRAY ||
	       kind == ABI_CALL_PY_REALLOC;
}

/* The call that this thread is in, of those of one part; what was remembered when it was switched
 * off is forgotten. */
static __always_inline struct abi_call *current_call(struct abi_thread *thread, __u32 part)
{
	struct abi_call *call = &thread->calls[part & (ABI_PARTS - 1)];

	if (call->turn != turns[part & (ABI_PARTS - 1)])
		call->sp = 0;
	return call;
}

/* The outermost call was left without returning: what it held goes back on the account. */
static __always_inline void abandon_call(struct abi_call *call)
{
	count(ABI_COUNT_CALLS_ABANDONED);
	if (call->old.time_ns)
		put_block_back(call->old_address, &call->old);
	call->sp = 0;
}

/* Is a call at this stack pointer inside the one that is remembered, or its last jump? */
static __always_inline bool is_nested(const struct abi_call *call, __u64 sp)
{
	return call->sp && sp <= call->sp;
}

/*
 * Did the remembered call jump here? Then the request is the same (_PyMem_RawMalloc(0) and its like
 * ask libc for one byte, pvalloc for whole pages); another request at the same height is a new
 * call, and the remembered one was left.
 */
static __always_inline bool is_continued(const struct abi_call *call, const struct arguments *args,
					 __u64 sp)
{
	return call->sp == sp && call->old_address == args->old_address &&
	       (call->size == args->size || (call->size == 0 && args->size == 1) ||
		call->kind == ABI_CALL_PVALLOC);
}

/* May a free of this kind go on to another one, with the same block? */
static __always_inline bool goes_on(__u32 kind)
{
	return kind == ABI_CALL_PY_FREE || kind == ABI_CALL_DELETE;
}

/* A free of a block that is not on the account: it is older, or was not in the sample. */
static __always_inline void count_unknown_free(void)
{
	if (!is_sampled(ABI_MALLOC) && !is_sampled(ABI_OBJECT))
		count(ABI_COUNT_UNKNOWN_FREES);
}

/* Is there a block of part object at this address? */
static __always_inline bool is_pool_block(__u64 address)
{
	struct abi_block *block = bpf_map_lookup_elem(&blocks, &address);

	return block && block->domain == ABI_OBJECT;
}

/* Split parts: what CPython frees is a pool's, or libc's, which will see it too. What is not known
 * is older. */
static __always_inline void free_of_pool(__u64 address)
{
	struct abi_block block;

	if (is_pool_block(address) && take_block(address, &block))
		site_freed(block.site, block.size, 1);
}

static __always_inline void enter_free(__u64 address, __u64 sp, __u32 kind, __u32 part)
{
	struct abi_thread *thread;
	struct abi_block block;
	bool known, on = goes_on(kind);

	if (!address)
		return;
	code_freed(address);
	if (part == ABI_PART_OBJECT) {
		free_of_pool(address);
		return;
	}
	known = take_block(address, &block);
	if (known) {
		site_freed(block.site, block.size, 1);
		/* what came from pymalloc's pools does not reach libc's free; see below for the
		 * others */
		if (!on || (kind == ABI_CALL_PY_FREE && !(block.flags & ABI_BLOCK_LIBC)))
			return;
	}
	thread = known || on ? thread_get() : thread_find();
	if (!thread)
		return;
	if (on) {
		bool again = kind == ABI_CALL_DELETE && thread->last_freed == address;

		if (!known && !again && !is_nested(current_call(thread, ABI_PART_NATIVE), sp))
			count_unknown_free();
		/* CPython's free may go on to libc's free with the same block (or with the debug
		 * allocator's 16 bytes before it), and so may operator delete: one event, not
		 * two */
		thread->last_freed = address;
		return;
	}
	if (thread->last_freed == address || thread->last_freed == address + 16)
		thread->last_freed = 0;
	else if (!is_nested(current_call(thread, ABI_PART_NATIVE), sp))
		count_unknown_free();
}

/*
 * An exception is thrown: out of operator new, if that is the remembered call. It has no return
 * probe, which would hide the return address from the unwinder that looks for the handler.
 */
static __always_inline void end_failed_new(void)
{
	struct abi_thread *thread = thread_find();
	struct abi_call *call;

	if (!thread)
		return;
	call = current_call(thread, ABI_PART_NATIVE);
	if (!call->sp || call->kind != ABI_CALL_NEW)
		return;
	count(ABI_COUNT_FAILED_CALLS);
	call->sp = 0;
}

/*
 * Split parts: may this call of CPython's make a block of a pool? Of a block that is not on the
 * account it cannot be known here whether it is one of them or libc's. Its realloc is ignored: its
 * allocation was not seen either. In a sample most are of that kind, and what becomes of them has
 * its chance to be recorded (is_of_pool()). A block of no bytes is libc's, which gives one byte.
 */
static __always_inline bool is_pool_call(__u32 kind, const struct arguments *args)
{
	bool is_small = args->size && args->size <= facts.small_max;

	if (kind != ABI_CALL_PY_REALLOC || !args->old_address)
		return is_small;
	return is_pool_block(args->old_address) || (is_small && is_sampled(ABI_OBJECT));
}

/*
 * Split parts: does this block of this many bytes lie in one of pymalloc's pools? Its pool's header
 * says so, of which all must agree (abi/pool.h). What is libc's has other bytes there.
 */
static __always_inline bool lies_in_pool(__u64 address, __u64 size)
{
	struct abi_pool_size header;
	__u64 pool = address & ~((__u64)facts.pool_size - 1), offset = address - pool;
	__u32 room;

	if (!facts.pool_size || offset < ABI_POOL_HEADER ||
	    bpf_probe_read_user(&header, sizeof(header),
				(const void *)(pool + ABI_POOL_HEADER - sizeof(header))))
		return false;
	room = ABI_POOL_BLOCK_SIZE(&header, facts.pool_size);
	if (!room || room > facts.small_max || size > room || !ABI_POOL_CLASS_AGREES(&header, room))
		return false;
	return (offset - ABI_POOL_HEADER) % room == 0;
}

/* Split parts: is the block that a call of CPython's has made a pool's? */
static __always_inline bool is_of_pool(const struct abi_call *call, __u64 address)
{
	/* it grew out of the pools, or was made nothing of: libc's now */
	if (!call->size || call->size > facts.small_max)
		return false;
	return call->kind != ABI_CALL_PY_REALLOC || !call->old_address || call->old.time_ns ||
	       lies_in_pool(address, call->size);
}

/*
 * The block that a realloc makes another of. Split parts: of those, part object has the pools'
 * only. One of libc's that CPython makes smaller goes on to libc's realloc, which has it on its own
 * account; its result is no pool's either.
 */
static __always_inline bool take_old(__u32 part, __u64 address, struct abi_block *out)
{
	if (part == ABI_PART_OBJECT && !is_pool_block(address))
		return false;
	return take_block(address, out);
}

static __always_inline void enter_allocation(struct abi_thread *thread, __u32 kind, __u32 domain,
					     const struct arguments *args, __u64 sp)
{
	__u32 part = part_of(domain);
	struct abi_call *call = current_call(thread, part);

	if (part == ABI_PART_OBJECT && !is_pool_call(kind, args))
		return;
	if (call->sp && (sp < call->sp || is_continued(call, args, sp))) {
		struct abi_block block;

		/* CPython's function goes on to libc's: the block will be freed through both */
		if (call->kind >= ABI_CALL_PY_MALLOC && kind < ABI_CALL_PY_MALLOC)
			call->flags |= ABI_BLOCK_LIBC;
		/* an allocator's own realloc of a block that was seen before */
		if (is_realloc(kind) && args->old_address &&
		    take_old(part, args->old_address, &block))
			site_freed(block.site, block.size, 1);
		return;
	}
	if (call->sp)
		abandon_call(call);
	call->sp = sp;
	call->turn = turns[part];
	call->kind = kind;
	call->domain = domain;
	call->flags = 0;
	call->size = args->size;
	call->old_address = args->old_address;
	/* taken out before the allocator may give the address to another thread */
	if (!is_realloc(kind) || !args->old_address ||
	    !take_old(part, args->old_address, &call->old))
		call->old.time_ns = 0;
}

static __always_inline void enter(struct pt_regs *ctx, __u64 cookie)
{
	__u32 kind = ABI_COOKIE_KIND(cookie);
	__u64 sp = PT_REGS_SP(ctx) + ABI_COOKIE_PUSHED(cookie);
	struct arguments args;
	struct abi_thread *thread;

	read_arguments(ctx, kind, &args);
	if (kind == ABI_CALL_FREE || goes_on(kind)) {
		enter_free(args.old_address, sp, kind, part_of(ABI_COOKIE_DOMAIN(cookie)));
		return;
	}
	if (kind == ABI_CALL_THROW) {
		end_failed_new();
		return;
	}
	thread = thread_get();
	if (thread)
		enter_allocation(thread, kind, ABI_COOKIE_DOMAIN(cookie), &args, sp);
}

/* The outermost call is over; `result` is what it returned. */
static __always_inline void finish_call(struct abi_thread *thread, struct abi_call *call,
					__u64 result)
{
	__u64 address = result;

	if (call->kind == ABI_CALL_POSIX_MEMALIGN) {
		address = 0;
		if ((__u32)result == 0 && !read_u64(call->old_address, &address))
			count(ABI_COUNT_RESULT_UNREADABLE);
	}
	if (is_realloc(call->kind) && call->old_address) {
		/* realloc(p, 0) of libc frees and returns NULL; CPython's never does */
		bool freed = address || (call->size == 0 && call->kind != ABI_CALL_PY_REALLOC);

		if (call->old.time_ns && freed)
			site_freed(call->old.site, call->old.size, 1);
		else if (call->old.time_ns)
			put_block_back(call->old_address, &call->old);
		else if (freed)
			count_unknown_free();
	}
	if (!address)
		count(ABI_COUNT_FAILED_CALLS);
	else if (facts.split && call->domain == ABI_OBJECT && !is_of_pool(call, address))
		; /* libc's, which part native sees */
	else if (call->domain < ABI_DOMAINS)
		record_block(thread, address, call->size, call->domain, call->flags);
	call->sp = 0;
}

SEC("uprobe")
int on_entry(struct pt_regs *ctx)
{
	__u64 start = 0, cookie;
	__u32 cost;

	KEEP_OWN_STACK(ctx, after_entry);
	if (!is_target())
		return 0;
	cookie = bpf_get_attach_cookie(ctx);
	cost = ABI_COOKIE_COST(cookie);
	if (cost > ABI_COUNT_HITS_STEPPED - ABI_COUNT_HITS_EMULATED)
		return 0;
	if (count_hit(ABI_COUNT_HITS_EMULATED + cost))
		start = bpf_ktime_get_ns();
	if (is_recorded(part_of(ABI_COOKIE_DOMAIN(cookie))))
		enter(ctx, cookie);
	if (start) {
		count(ABI_COUNT_TIMED_ENTRY);
		count_add(ABI_COUNT_TIMED_ENTRY_NS, bpf_ktime_get_ns() - start);
	}
	return 0;
}

/* Does the remembered call end here? */
static __always_inline bool ends_here(const struct abi_call *call, __u64 sp, bool at_ret)
{
	if (!call->sp)
		return false;
	return at_ret ? call->kind == ABI_CALL_NEW && sp == call->sp
		      : sp == call->sp + RETURN_SP_STEP;
}

/* At the return of an allocator function; for an ABI_CALL_NEW at its instruction `ret`, before
 * it. */
SEC("uretprobe")
int on_return(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u32 part = part_of(ABI_COOKIE_DOMAIN(cookie));
	bool at_ret = ABI_COOKIE_KIND(cookie) == ABI_CALL_END;
	struct abi_thread *thread;
	struct abi_call *call;
	__u64 start = 0;

	KEEP_OWN_STACK(ctx, after_return);
	if (!is_target())
		return 0;
	if (count_hit(at_ret ? ABI_COUNT_HITS_STEPPED : ABI_COUNT_HITS_RETURN))
		start = bpf_ktime_get_ns();
	thread = is_recorded(part) ? thread_find() : NULL;
	call = thread ? current_call(thread, part) : NULL;
	if (call && ends_here(call, PT_REGS_SP(ctx), at_ret)) {
		if (facts.native)
			keep_registers(thread, ctx, false);
		if (facts.native && at_ret)
			step_over_ret(thread);
		finish_call(thread, call, PT_REGS_RC(ctx));
	}
	if (start) {
		count(ABI_COUNT_TIMED_RETURN);
		count_add(ABI_COUNT_TIMED_RETURN_NS, bpf_ktime_get_ns() - start);
	}
	return 0;
}

#endif
