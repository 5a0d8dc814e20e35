/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 *
 * unwind_native: registers -> the C frames below them, leaf first, by the tables of
 * bpf/abi/unwind.h.
 *
 *      pc ─▶ code_ranges ─▶ code_pages ─▶ code_rows ─▶ code_rules
 *         ─▶ the caller's pc, sp, rbp, rbx, r12..r15 ─▶ pc ...
 *
 * Nothing is guessed: no frame pointers, no looking for what may be a return address. Where the
 * tables do not know how to go on, the walk ends in a gap frame that says why.
 *
 * The address that is looked up is that of the call: a return address may be the first of the next
 * function, or of another row. Only the first frame of a system call and one that a signal
 * interrupted are at their instruction.
 *
 * What makes it fast: the stack is read 1 KiB at a time, so that most frames need no read of their
 * own; each thread remembers the rules of addresses it has met, so that most frames need no search;
 * consecutive frames often lie in the same range; the searches have no branches that the verifier
 * would have to follow twice.
 *
 * User space changes the ranges while we read them: there are two sides of them, and code_state
 * says which counts. A walk that was overtaken twice drops what it has found. When code has been
 * unmapped, other code may be in its place: until user space has read the mappings again
 * (code_gone, code_known) there are no C frames.
 */
#ifndef PYLEAKTRACE_BPF_UNWIND_NATIVE_H
#define PYLEAKTRACE_BPF_UNWIND_NATIVE_H

#include "arch.bpf.h"
#include "thread.bpf.h"
#include "entries.bpf.h"

/* ---- memory of the stack -------------------------------------------------------------------- */

/* words below the one that is asked for that are read with it: saved registers lie below the return
 * address */
#define STACK_BEFORE 8

static __always_inline bool stack_fetch(struct abi_thread *thread, __u64 from, __u32 size)
{
	/* the register that is checked must be the one that is used */
	barrier_var(size);
	if (size > sizeof(thread->stack))
		return false;
	thread->stack_words = 0;
	if (bpf_probe_read_user(thread->stack, size, (const void *)from))
		return false;
	thread->stack_from = from;
	thread->stack_words = size / 8;
	return true;
}

/* A word of the target's stack. */
static __noinline int stack_word(struct abi_thread *thread, __u64 address, __u64 *value)
{
	__u64 index, from;
	__u32 rest;

	if (!thread || !value || address & 7)
		return -1;
	index = (address - thread->stack_from) >> 3;
	if (address < thread->stack_from || index >= thread->stack_words) {
		rest = (__u32)(TARGET_PAGE - (address & (TARGET_PAGE - 1)));
		if (rest > sizeof(thread->stack))
			rest = sizeof(thread->stack);
		from = address - 8 * STACK_BEFORE;
		/* the stack may end within the window, and the page below may not be there */
		if (!stack_fetch(thread, from, sizeof(thread->stack)) &&
		    !stack_fetch(thread, address, rest))
			return -1;
		index = (address - thread->stack_from) >> 3;
	}
	barrier_var(index);
	if (index >= ABI_STACK_WORDS)
		return -1;
	*value = thread->stack[index];
	return 0;
}

/* ---- tables --------------------------------------------------------------------------------- */

/*
 * 1 when a < b, else 0; for numbers below 2^63, without a branch. To be multiplied by, not to be
 * made a mask: from 6.19 on the verifier follows both outcomes of a sign that is spread over a
 * word, so that a search doubles its paths at each step. The barriers keep the compiler from making
 * a comparison with a branch of the one half, and the mask of the other.
 */
static __always_inline __u64 is_less(__u64 a, __u64 b)
{
	__u64 less = a - b;

	barrier_var(less);
	less >>= 63;
	barrier_var(less);
	return less;
}

/* Have the last range that does not begin above the address, or the first one, in thread->range;
 * false: there is none. */
static __noinline int last_range(struct abi_thread *thread, __u64 address)
{
	__u32 side, n, at = 0, step, index;
	struct abi_code_range *range;

	if (!thread)
		return 0;
	side = ABI_CODE_SIDE(thread->code_state) * ABI_MAX_RANGES;
	n = ABI_CODE_RANGES(thread->code_state);
	if (!n)
		return 0;
	for (step = ABI_MAX_RANGES / 2; step; step >>= 1) {
		index = side + ((at + step) & (ABI_MAX_RANGES - 1));
		range = bpf_map_lookup_elem(&code_ranges, &index);
		if (!range)
			return 0;
		at += step * is_less(at + step, n) * is_less(range->start, address + 1);
	}
	index = side + (at & (ABI_MAX_RANGES - 1));
	range = bpf_map_lookup_elem(&code_ranges, &index);
	if (!range)
		return 0;
	thread->range = *range;
	return 1;
}

static __always_inline bool is_in_range(const struct abi_thread *thread, __u64 address)
{
	return address - thread->range.start < thread->range.end - thread->range.start;
}

/* Is the address in thread->range, or is there a range that it is in? Then that one is in
 * thread->range. */
static __always_inline bool find_code(struct abi_thread *thread, __u64 address)
{
	return is_in_range(thread, address) ||
	       (last_range(thread, address) && is_in_range(thread, address));
}

static __always_inline __u32 row_at(__u32 index)
{
	__u32 block = index / ABI_ROW_BLOCK;
	struct abi_row_block *rows = bpf_map_lookup_elem(&code_rows, &block);

	/* what is not there is above every offset: it will not be taken */
	return rows ? rows->rows[index % ABI_ROW_BLOCK] : ~0u;
}

/* One step of the search among the rows of a page. */
#define SEARCH_ROWS(step)                                                                \
	at += (step)*is_less(at + (step), page->n_rows) *                                \
	      is_less(ABI_ROW_OFFSET(row_at(page->first_row +                            \
					    ((at + (step)) & (ABI_MAX_PAGE_ROWS - 1)))), \
		      offset + 1)

/* The rule for an address in thread->range; NULL, with the reason in *gap, when there is none. */
static __noinline __u32 find_rule(struct abi_thread *thread, __u64 address, enum abi_gap *gap)
{
	struct abi_unwind_page *page;
	__u64 at = 0, offset = address & (ABI_TEXT_PAGE - 1);
	__u32 index;

	if (!thread || !gap)
		return 0;
	*gap = ABI_GAP_NO_TABLE;
	if (thread->range.first_page == ABI_NO_PAGES)
		return 0;
	index = thread->range.first_page +
		(__u32)(address / ABI_TEXT_PAGE - thread->range.start / ABI_TEXT_PAGE);
	page = bpf_map_lookup_elem(&code_pages, &index);
	*gap = ABI_GAP_NO_RULE;
	if (!page || !page->n_rows)
		return 0;
	if (page->n_rows > 256) {
		SEARCH_ROWS(2048);
		SEARCH_ROWS(1024);
		SEARCH_ROWS(512);
		SEARCH_ROWS(256);
	}
	SEARCH_ROWS(128);
	SEARCH_ROWS(64);
	SEARCH_ROWS(32);
	SEARCH_ROWS(16);
	SEARCH_ROWS(8);
	SEARCH_ROWS(4);
	SEARCH_ROWS(2);
	SEARCH_ROWS(1);
	return ABI_ROW_RULE(row_at(page->first_row + (__u32)(at & (ABI_MAX_PAGE_ROWS - 1))));
}

/*
 * The rule for an address and the module that it is in; false, with the reason in *gap, when there
 * is no code known there. The address and the turn of code_state decide what the tables say, so
 * what is remembered of both is what the search would find.
 */
static __always_inline bool look_up(struct abi_thread *thread, __u64 at, __u32 *rule, __u32 *module,
				    enum abi_gap *gap)
{
	struct abi_known_rule *known = &thread->rules[(at ^ at >> 7) & (ABI_KNOWN_RULES - 1)];
	__u32 turn = ABI_CODE_TURNS(thread->code_state);

	if (known->at == at && known->turns == turn && known->rule) {
		*rule = known->rule;
		*module = known->module;
		*gap = ABI_GAP_NO_RULE;
		return true;
	}
	if (!find_code(thread, at)) {
		*gap = ABI_GAP_UNKNOWN_CODE;
		return false;
	}
	*rule = find_rule(thread, at, gap);
	*module = thread->range.module;
	/* 0 may stand for a table that is missing: another reason */
	if (*rule) {
		known->at = at;
		known->rule = *rule;
		known->module = *module;
		known->turns = turn;
	}
	return true;
}

/* ---- one frame ------------------------------------------------------------------------------ */

static __always_inline __u64 register_of(const struct abi_thread *thread, __u32 reg)
{
	return thread->regs[reg & (ABI_REGS_ROOM - 1)];
}

/* Where the caller's frame begins; false when memory could not be read. */
static __always_inline bool find_cfa(struct abi_thread *thread, const struct abi_unwind_rule *rule,
				     __u64 at, __u64 *cfa)
{
	__u64 base = register_of(thread, rule->reg) + (__s64)rule->offset;

	switch (rule->kind) {
	case ABI_RULE_DEREF:
		if (stack_word(thread, base, &base))
			return false;
		base += (__s64)rule->add;
		break;
	case ABI_RULE_PLT:
		base = thread->regs[ABI_REG_SP] + (__s64)rule->offset;
		if ((at & 15) >= (__u32)rule->add)
			base += 8;
		break;
	}
	*cfa = base;
	return true;
}

/* The caller's value of one register: the word at this address. */
static __noinline int restore(struct abi_thread *thread, __u32 reg, __u64 address)
{
	__u64 value;

	if (!thread || stack_word(thread, address, &value))
		return -1;
	thread->regs[reg & (ABI_REGS_ROOM - 1)] = value;
	return 0;
}

/* Registers of the caller, by the rule; 0 or the reason why not. */
static __always_inline enum abi_gap step_by_rule(struct abi_thread *thread,
						 const struct abi_unwind_rule *rule, __u64 at)
{
	__u64 cfa, pc, bp = thread->regs[ABI_REG_BP];
	__u32 reg;

	if (!find_cfa(thread, rule, at, &cfa))
		return ABI_GAP_STACK;
	/* a stack grows down: a caller's frame lies above */
	if (cfa <= thread->regs[ABI_REG_SP])
		return ABI_GAP_NOT_ABOVE;
	if (stack_word(thread, cfa + 8 * (__s64)rule->ra, &pc))
		return ABI_GAP_STACK;
	if (rule->saved) {
#pragma unroll
		for (reg = ABI_REG_BP; reg < ABI_UNWIND_REGS; reg++) {
			__u32 saved = ABI_RULE_SAVED(rule, reg);
			__s64 offset = 8 * (__s64)rule->at[reg - 1];

			/* a value that is lost leads nowhere, should a frame need it */
			if (saved == ABI_SAVED_LOST)
				thread->regs[reg] = 0;
			else if (saved &&
				 restore(thread, reg, (saved == ABI_SAVED_CFA ? cfa : bp) + offset))
				return ABI_GAP_STACK;
		}
	}
	thread->regs[ABI_REG_SP] = cfa;
	thread->pc = pc;
	thread->exact = false;
	return 0;
}

/* Registers of the interrupted code, from the ucontext that the kernel has put on the stack for the
 * handler. */
static __always_inline enum abi_gap step_by_signal(struct abi_thread *thread,
						   const struct abi_unwind_rule *rule)
{
	static const __u16 places[ABI_UNWIND_REGS] = {ABI_UCONTEXT_PLACES};
	__u64 context = thread->regs[ABI_REG_SP] + (__s64)rule->offset;
	__u32 reg;

	if (stack_word(thread, context + ABI_UCONTEXT_ADDRESS, &thread->pc))
		return ABI_GAP_STACK;
#pragma unroll
	for (reg = 0; reg < ABI_UNWIND_REGS; reg++)
		if (restore(thread, reg, context + places[reg]))
			return ABI_GAP_STACK;
	thread->exact = true;
	return 0;
}

static __always_inline void native_gap(struct abi_thread *thread, enum abi_gap why)
{
	put_gap(thread, why);
	thread->hash = hash_mix(thread->hash, why);
}

/*
 * One frame: keep it, and go to its caller. Not static, as python_step() is not, and for the same
 * reason.
 *
 * return 1 to stop, 0 to go on
 */
int native_step(struct abi_thread *thread);

__noinline int native_step(struct abi_thread *thread)
{
	const struct abi_unwind_rule *rule;
	__u32 n, id = 0, module = 0;
	enum abi_gap gap = 0;
	struct abi_frame *entry;
	__u64 at;

	/* a thread may begin with no caller at all */
	if (!thread || !thread->pc)
		return 1;
	n = thread->n_entries;
	at = thread->exact ? thread->pc : thread->pc - 1;
	if (n >= ABI_MAX_NATIVE) {
		native_gap(thread, ABI_GAP_NATIVE_DEPTH);
		return 1;
	}
	if (!look_up(thread, at, &id, &module, &gap)) {
		want_code();
		native_gap(thread, gap);
		return 1;
	}
	rule = bpf_map_lookup_elem(&code_rules, &id);
	entry = entry_at(thread, n);
	entry->where = thread->pc;
	entry->unit = module;
	entry->tag = ABI_FRAME_NATIVE;
	if (thread->exact || (rule && rule->kind == ABI_RULE_SIGNAL))
		entry->tag |= ABI_FRAME_EXACT;
	thread->hash = hash_mix(thread->hash, thread->pc);
	thread->n_entries = n + 1;
	if (!rule)
		goto stop;
	switch (rule->kind) {
	case ABI_RULE_CFA:
	case ABI_RULE_DEREF:
	case ABI_RULE_PLT:
		gap = step_by_rule(thread, rule, at);
		break;
	case ABI_RULE_SIGNAL:
		gap = step_by_signal(thread, rule);
		break;
	case ABI_RULE_END:
		return 1;
	case ABI_RULE_UNSUPPORTED:
		gap = ABI_GAP_UNSUPPORTED;
		break;
	}
	if (!gap)
		return 0;
stop:
	native_gap(thread, gap);
	return 1;
}

/*
 * Write the C frames of the current thread into thread->entries, from thread->pc and thread->regs
 * on; return their hash.
 */
static __noinline __u64 walk_native(struct abi_thread *thread)
{
	__u32 known = code_known, step;

	if (!thread)
		return 0;
	thread->n_entries = 0;
	thread->hash = HASH_SEED;
	if (!facts.native)
		return HASH_SEED;
	/* read after code_known, which user space sets last */
	barrier();
	thread->code_state = code_state;
	if (code_gone != known) {
		want_code();
		native_gap(thread, ABI_GAP_CODE_CHANGED);
		return thread->hash;
	}
	thread->range.start = 0;
	thread->range.end = 0;
	thread->stack_words = 0;
	for (step = 0; step < ABI_MAX_NATIVE + 1; step++)
		if (native_step(thread))
			break;
	if (ABI_CODE_TURNS(code_state) - ABI_CODE_TURNS(thread->code_state) > 1) {
		thread->n_entries = 0;
		thread->hash = HASH_SEED;
		native_gap(thread, ABI_GAP_CODE_CHANGED);
	}
	return thread->hash;
}

#endif
