/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The walk along C frames: every kind of rule, every way to end, the search in full and sparse
 * pages, ranges that change meanwhile. The target is made of a stack, registers, and tables that a
 * test writes row by row.
 */
#include "python_target.h"

#define AT_STACK   0x7ffe00000000ull
#define STACK_SIZE 0x4000ull
#define AT_TEXT    0x400000ull
#define PAGES      4u
#define MODULE     7u

enum {
	RULE_NONE,
	RULE_FRAME_8,
	RULE_FRAME_24,
	RULE_RBP,
	RULE_END,
	RULE_ODD,
	RULE_DEREF,
	RULE_PLT,
	RULE_SIGNAL,
	RULE_DRAP,
	RULE_LOST,
	RULE_DOWN,
	N_RULES
};

static const struct abi_unwind_rule rules[N_RULES] = {
	[RULE_FRAME_8] = {.kind = ABI_RULE_CFA, .reg = ABI_REG_SP, .offset = 8, .ra = -1},
	/* rbx and rbp pushed */
	[RULE_FRAME_24] = {.kind = ABI_RULE_CFA,
			   .reg = ABI_REG_SP,
			   .offset = 24,
			   .ra = -1,
			   .saved = ABI_SAVED_CFA | ABI_SAVED_CFA << 2,
			   .at = {-2, -3}},
	[RULE_RBP] = {.kind = ABI_RULE_CFA,
		      .reg = ABI_REG_BP,
		      .offset = 16,
		      .ra = -1,
		      .saved = ABI_SAVED_CFA,
		      .at = {-2}},
	[RULE_END] = {.kind = ABI_RULE_END},
	[RULE_ODD] = {.kind = ABI_RULE_UNSUPPORTED},
	[RULE_DEREF] =
		{.kind = ABI_RULE_DEREF, .reg = ABI_REG_BP, .offset = -8, .add = 16, .ra = -1},
	[RULE_PLT] = {.kind = ABI_RULE_PLT, .offset = 8, .add = 11, .ra = -1},
	[RULE_SIGNAL] = {.kind = ABI_RULE_SIGNAL},
	[RULE_DRAP] = {.kind = ABI_RULE_CFA,
		       .reg = ABI_REG_SP,
		       .offset = 8,
		       .ra = -1,
		       .saved = ABI_SAVED_BP << 2 * (ABI_REG_R15 - 1),
		       .at = {[ABI_REG_R15 - 1] = -4}},
	[RULE_LOST] = {.kind = ABI_RULE_CFA,
		       .reg = ABI_REG_SP,
		       .offset = 8,
		       .ra = -1,
		       .saved = ABI_SAVED_LOST},
	[RULE_DOWN] = {.kind = ABI_RULE_CFA, .reg = ABI_REG_SP, .offset = 0, .ra = -1},
};

static __u32 n_rows;

static void put_elements(void *map, __u32 index, const void *value)
{
	assert_int_equal(shim_update(map, &index, value, BPF_ANY), 0);
}

#define PUT(map, index, value) put_elements(SHIM_MAP(&map), index, value)

/* The next row of this page; pages in order. */
static void put_row(__u32 page, __u32 offset, __u32 rule)
{
	__u32 block = n_rows / ABI_ROW_BLOCK;
	struct abi_row_block *rows = bpf_map_lookup_elem(&code_rows, &block);
	struct abi_unwind_page *to = bpf_map_lookup_elem(&code_pages, &page);

	assert_true(rows && to);
	if (to->n_rows == 0)
		to->first_row = n_rows;
	rows->rows[n_rows++ % ABI_ROW_BLOCK] = ABI_ROW(offset, rule);
	to->n_rows++;
}

static void put_range(__u32 side, __u32 index, __u64 start, __u64 end, __u32 first_page,
		      __u32 module)
{
	const struct abi_code_range range = {start, end, first_page, module};

	PUT(code_ranges, side * ABI_MAX_RANGES + index, &range);
}

/* A target with no table but the rules, at a stack of zeroes. */
static void begin_native(void)
{
	begin(layout_find(12, false));
	shim_set_capacity(&code_pages, 64);
	shim_set_capacity(&code_rows, 4096);
	shim_set_capacity(&code_rules, N_RULES);
	for (__u32 i = 0; i < N_RULES; i++)
		PUT(code_rules, i, &rules[i]);
	n_rows = 0;
	put_range(0, 0, AT_TEXT, AT_TEXT + PAGES * ABI_TEXT_PAGE, 0, MODULE);
	code_state = ABI_CODE_STATE(0, 1);
	code_wanted = code_gone = code_known = 0;
	facts_of_test()->native = 1;
	image_map(&shim.memory, AT_STACK, STACK_SIZE);
	image_put_u64(&shim.memory, AT_GLOBAL, 0); /* no Python here */
	assert_non_null(thread_get());
	thread_get()->regs[ABI_REG_SP] = AT_STACK + 0x100;
}

static const struct abi_thread *walk_from(__u64 pc, bool exact)
{
	struct abi_thread *thread = thread_get();

	thread->pc = pc;
	thread->exact = exact;
	walk_native(thread);
	return thread;
}

static void put_word(__u64 at, __u64 value)
{
	image_put_u64(&shim.memory, AT_STACK + at, value);
}

static void check_native(const struct abi_thread *thread, unsigned i, __u64 pc, bool exact)
{
	const struct abi_frame *entry = entry_of(thread, i);

	assert_int_equal(ABI_FRAME_KIND(entry->tag), ABI_FRAME_NATIVE);
	assert_int_equal(entry->where, pc);
	assert_int_equal(entry->unit, MODULE);
	assert_int_equal(!!(entry->tag & ABI_FRAME_EXACT), exact);
}

#define PC(page, offset) (AT_TEXT + (page)*ABI_TEXT_PAGE + (offset))

/* leaf -> rbx, rbp saved -> rbp as a frame pointer -> the end */
static void registers_are_restored(void **state)
{
	const struct abi_thread *thread;

	begin_native();
	put_row(0, 0, RULE_FRAME_8);
	put_row(0, 0x100, RULE_FRAME_24);
	put_row(1, 0, RULE_RBP);
	put_row(2, 0, RULE_END);
	put_word(0x100, PC(0, 0x180));     /* leaf's return address; its cfa is 0x108 */
	put_word(0x108, 0xbb);             /* rbx */
	put_word(0x110, AT_STACK + 0x800); /* rbp */
	put_word(0x118, PC(1, 0x20));
	put_word(0x800, 0xb9);
	put_word(0x808, PC(2, 1));
	thread = walk_from(PC(0, 0x10), false);
	assert_int_equal(thread->n_entries, 4);
	check_native(thread, 0, PC(0, 0x10), false);
	check_native(thread, 1, PC(0, 0x180), false);
	check_native(thread, 2, PC(1, 0x20), false);
	check_native(thread, 3, PC(2, 1), false);
	assert_int_equal(thread->regs[ABI_REG_BP], 0xb9);
	assert_int_equal(thread->regs[ABI_REG_SP], AT_STACK + 0x810);
	shim_reset();
}

/* A return address is looked up at the call before it, an exact one where it is. */
static void a_return_address_is_looked_up_at_its_call(void **state)
{
	const struct abi_thread *thread;

	begin_native();
	put_row(0, 0, RULE_END);
	put_row(0, 0x100, RULE_ODD);
	thread = walk_from(PC(0, 0x100), false);
	assert_int_equal(thread->n_entries, 1);
	thread = walk_from(PC(0, 0x100), true);
	assert_int_equal(thread->n_entries, 2);
	check_native(thread, 0, PC(0, 0x100), true);
	check_gap(entry_of(thread, 1), ABI_GAP_UNSUPPORTED);
	shim_reset();
}

static void a_loaded_cfa_and_a_plt_are_followed(void **state)
{
	struct abi_thread *thread;

	begin_native();
	put_row(0, 0, RULE_DEREF);
	put_row(1, 0, RULE_PLT);
	put_row(2, 0, RULE_DRAP);
	put_row(3, 0, RULE_END);
	/* cfa = *(rbp - 8) + 16 */
	thread_get()->regs[ABI_REG_BP] = AT_STACK + 0x400;
	put_word(0x3f8, AT_STACK + 0x500);
	put_word(0x508, PC(3, 1));
	assert_int_equal(walk_from(PC(0, 5), true)->n_entries, 2);
	/* PLT: what is pushed from the 11th byte on */
	for (unsigned at = 0; at < 16; at++) {
		thread = thread_get();
		thread->regs[ABI_REG_SP] = AT_STACK + 0x100;
		put_word(0x100, at >= 11 ? 0xdead : PC(3, 2));
		put_word(0x108, at >= 11 ? PC(3, 2) : 0xdead);
		assert_int_equal(walk_from(PC(1, 0x40 + at), true)->n_entries, 2);
		check_native(thread, 1, PC(3, 2), false);
	}
	/* a register that is saved below rbp */
	thread->regs[ABI_REG_SP] = AT_STACK + 0x100;
	thread->regs[ABI_REG_BP] = AT_STACK + 0x400;
	put_word(0x100, PC(3, 2));
	put_word(0x3e0, 0x15);
	walk_from(PC(2, 5), true);
	assert_int_equal(thread->regs[ABI_REG_R15], 0x15);
	assert_int_equal(thread->regs[ABI_REG_BP], AT_STACK + 0x400);
	shim_reset();
}

static void a_signal_frame_leads_to_what_was_interrupted(void **state)
{
	const struct abi_thread *thread;

	begin_native();
	put_row(0, 0, RULE_SIGNAL);
	put_row(1, 0, RULE_RBP);
	put_row(2, 0, RULE_END);
	/* the ucontext lies at the stack pointer; the interrupted stack is elsewhere, below */
	put_word(0x100 + 168, PC(1, 0));
	put_word(0x100 + 160, AT_STACK + 0x40);
	put_word(0x100 + 120, AT_STACK + 0x60);
	put_word(0x100 + 72, 0x12);
	put_word(0x60, 0);
	put_word(0x68, PC(2, 9));
	thread = walk_from(PC(0, 1), false);
	assert_int_equal(thread->n_entries, 3);
	check_native(thread, 0, PC(0, 1), true);
	check_native(thread, 1, PC(1, 0), true);
	check_native(thread, 2, PC(2, 9), false);
	assert_int_equal(thread->regs[ABI_REG_R12], 0x12);
	shim_reset();
}

static void check_ends(__u64 pc, enum abi_gap why, unsigned frames)
{
	const struct abi_thread *thread = walk_from(pc, true);

	if (thread->n_entries != frames + 1)
		fail_msg("0x%llx: %u entries", pc, thread->n_entries);
	check_gap(entry_of(thread, frames), why);
}

static void every_end_that_is_not_the_last_is_a_gap(void **state)
{
	begin_native();
	put_row(0, 0, RULE_NONE);
	put_row(0, 0x10, RULE_ODD);
	put_row(0, 0x20, RULE_DOWN);
	put_row(0, 0x30, RULE_FRAME_8);
	put_row(0, 0x40, RULE_LOST);
	put_row(0, 0x50, RULE_RBP);
	put_range(0, 1, 0x800000, 0x801000, ABI_NO_PAGES, MODULE);
	code_state = ABI_CODE_STATE(0, 2);
	check_ends(PC(0, 0), ABI_GAP_NO_RULE, 1);
	check_ends(PC(1, 0), ABI_GAP_NO_RULE, 1); /* a page without rows */
	check_ends(PC(0, 0x10), ABI_GAP_UNSUPPORTED, 1);
	check_ends(PC(0, 0x20), ABI_GAP_NOT_ABOVE, 1);
	check_ends(0x800010, ABI_GAP_NO_TABLE, 1);
	assert_int_equal(shim.n_events, 0);
	check_ends(0x801000, ABI_GAP_UNKNOWN_CODE, 0);
	check_ends(0x7ffffffff000, ABI_GAP_UNKNOWN_CODE, 0);
	/* asked for once */
	assert_int_equal(shim.n_events, 1);
	/* the stack is not there, or not where a word can be */
	thread_get()->regs[ABI_REG_SP] = AT_STACK - 0x1000;
	check_ends(PC(0, 0x30), ABI_GAP_STACK, 1);
	thread_get()->regs[ABI_REG_SP] = AT_STACK + 0x101;
	check_ends(PC(0, 0x30), ABI_GAP_STACK, 1);
	/* a frame needs a register that its callee has lost */
	thread_get()->regs[ABI_REG_SP] = AT_STACK + 0x100;
	thread_get()->regs[ABI_REG_BP] = AT_STACK + 0x200;
	put_word(0x100, PC(0, 0x55));
	check_ends(PC(0, 0x40), ABI_GAP_NOT_ABOVE, 2);
	/* no return address: the beginning of a thread */
	thread_get()->regs[ABI_REG_SP] = AT_STACK + 0x100;
	put_word(0x100, 0);
	assert_int_equal(walk_from(PC(0, 0x30), true)->n_entries, 1);
	shim_reset();
}

static void native_frames_end_at_their_bound_with_a_gap(void **state)
{
	begin_native();
	put_row(0, 0, RULE_FRAME_8);
	for (unsigned i = 0; i < 2 * ABI_MAX_NATIVE; i++)
		put_word(0x100 + 8 * i, PC(0, 0x10));
	check_ends(PC(0, 0x10), ABI_GAP_NATIVE_DEPTH, ABI_MAX_NATIVE);
	/* a stack of this many frames is whole */
	put_word(0x100 + 8 * (ABI_MAX_NATIVE - 1), 0);
	thread_get()->regs[ABI_REG_SP] = AT_STACK + 0x100;
	assert_int_equal(walk_from(PC(0, 0x10), true)->n_entries, ABI_MAX_NATIVE);
	shim_reset();
}

/* Frames of one page of the stack need one read; the end of the stack does not hinder. */
static void frames_of_one_page_need_one_read(void **state)
{
	begin_native();
	put_row(0, 0, RULE_FRAME_8);
	for (unsigned i = 0; i < 100; i++)
		put_word(0x100 + 8 * i, i < 99 ? PC(0, 0x10) : 0);
	assert_int_equal(walk_from(PC(0, 0x10), true)->n_entries, 100);
	assert_int_equal(shim.memory.n_reads, 1);
	thread_get()->regs[ABI_REG_SP] = AT_STACK + STACK_SIZE - 24;
	put_word(STACK_SIZE - 24, PC(0, 0x10));
	put_word(STACK_SIZE - 16, PC(0, 0x10));
	put_word(STACK_SIZE - 8, 0);
	assert_int_equal(walk_from(PC(0, 0x10), true)->n_entries, 3);
	shim_reset();
}

/* The search finds what a search from the front finds, in pages of any number of rows. */
static void the_search_finds_the_row_of_every_address(void **state)
{
	static const unsigned sizes[] = {1, 2, 3, 15, 16, 17, 255, 256, 257, 1000, 4096};

	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		unsigned n = sizes[s], step = 4096 / n;
		struct abi_thread *thread;

		begin_native();
		put_row(0, 0, RULE_END); /* rows of the page before */
		for (unsigned i = 0; i < n; i++)
			put_row(1, i * step, i % 2 ? RULE_FRAME_8 : RULE_ODD);
		put_row(2, 0, RULE_END);
		thread = thread_get();
		thread->range = (struct abi_code_range){AT_TEXT, AT_TEXT + PAGES * ABI_TEXT_PAGE, 0,
							MODULE};
		for (unsigned offset = 0; offset < 4096; offset++) {
			unsigned row = offset / step < n ? offset / step : n - 1;
			enum abi_gap gap;

			assert_int_equal(find_rule(thread, PC(1, offset), &gap),
					 row % 2 ? RULE_FRAME_8 : RULE_ODD);
		}
		assert_int_equal(find_rule(thread, PC(2, 4095), &(enum abi_gap){0}), RULE_END);
		shim_reset();
	}
}

static void every_address_finds_its_range_and_no_other(void **state)
{
	static const unsigned numbers[] = {1, 2, 7, 64, 1000, ABI_MAX_RANGES};

	for (unsigned k = 0; k < 6; k++) {
		for (__u32 side = 0; side < 2; side++) {
			struct abi_thread *thread;

			begin_native();
			thread = thread_get();
			thread->code_state = ABI_CODE_STATE(side, numbers[k]);
			for (unsigned i = 0; i < numbers[k]; i++)
				put_range(side, i, 0x10000 + i * 0x3000ull,
					  0x10000 + i * 0x3000ull + 0x2000, 0, i);
			for (unsigned i = 0; i < numbers[k]; i += 1 + numbers[k] / 50) {
				__u64 start = 0x10000 + i * 0x3000ull;

				assert_int_equal(find_code(thread, start), 1);
				assert_int_equal(thread->range.module, i);
				assert_int_equal(find_code(thread, start + 0x1fff), 1);
				assert_int_equal(thread->range.module, i);
				assert_int_equal(find_code(thread, start + 0x2000), 0);
				assert_int_equal(find_code(thread, start - 1), 0);
			}
			shim_reset();
		}
	}
}

#define LOADER_DELETE 2

/* It is about to do that, or has done it. */
static void loader_says(__s32 state)
{
	image_put(&shim.memory, AT_STACK, (__u32)state, sizeof(state));
	on_loader(&(struct pt_regs){0});
}

/* Where code was unloaded other code may be: nothing is believed until user space has read the
 * mappings again. */
static void unloaded_code_is_not_believed_until_it_is_read_anew(void **state)
{
	unsigned n_events;

	(void)state;
	begin_native();
	put_row(0, 0, RULE_END);
	facts_of_test()->loader_state = AT_STACK;
	code_loader = 0;
	/* what is loaded takes nothing away; it is asked for, also where asking for others failed
	 */
	code_wanted = 1;
	loader_says(LOADER_ADD);
	assert_int_equal(shim.n_events, 0);
	loader_says(LOADER_CONSISTENT);
	assert_int_equal(shim.n_events, 1);
	assert_int_equal(code_gone, 0);
	assert_int_equal(walk_from(PC(0, 8), true)->n_entries, 1);
	check_native(thread_get(), 0, PC(0, 8), true);
	/* it is about to go, and it is gone; asked for each time */
	loader_says(LOADER_DELETE);
	assert_int_equal(code_gone, 1);
	assert_int_equal(shim.n_events, 2);
	check_ends(PC(0, 8), ABI_GAP_CODE_CHANGED, 0);
	loader_says(LOADER_CONSISTENT);
	assert_int_equal(code_gone, 2);
	assert_int_equal(shim.n_events, 3);
	/* read before the last one */
	code_known = 1;
	check_ends(PC(0, 8), ABI_GAP_CODE_CHANGED, 0);
	code_known = 2;
	assert_int_equal(walk_from(PC(0, 8), true)->n_entries, 1);
	check_native(thread_get(), 0, PC(0, 8), true);
	/* a loading that fails, and is undone */
	loader_says(LOADER_ADD);
	loader_says(LOADER_DELETE);
	loader_says(LOADER_CONSISTENT);
	assert_int_equal(code_gone, 4);
	/* in another namespace, whose state is not read; before glibc 2.35 nobody knows whether
	 * there is one */
	loader_says(LOADER_CONSISTENT);
	loader_says(LOADER_CONSISTENT);
	assert_int_equal(code_gone, 6);
	facts_of_test()->loader_version = AT_STACK + 8;
	image_put(&shim.memory, AT_STACK + 8, 2, 4);
	loader_says(LOADER_CONSISTENT);
	assert_int_equal(code_gone, 7);
	/* where there is none, that all is as it was changes nothing ... */
	image_put(&shim.memory, AT_STACK + 8, 1, 4);
	n_events = shim.n_events;
	loader_says(LOADER_CONSISTENT);
	assert_int_equal(code_gone, 7);
	assert_int_equal(shim.n_events, n_events);
	/* ... but for the first time, when an unloading may have begun before we were there */
	code_loader = 0;
	loader_says(LOADER_CONSISTENT);
	assert_int_equal(code_gone, 8);
	loader_says(LOADER_DELETE);
	loader_says(LOADER_CONSISTENT);
	assert_int_equal(code_gone, 10);
	code_gone = 6;
	/* what cannot be read may be anything */
	loader_says(LOADER_ADD);
	facts_of_test()->loader_state = 0x10;
	on_loader(&(struct pt_regs){0});
	assert_int_equal(code_gone, 7);
	/* another process */
	facts_of_test()->loader_state = AT_STACK;
	shim.tgid++;
	loader_says(LOADER_DELETE);
	shim.tgid--;
	assert_int_equal(code_gone, 7);
	shim_reset();
}

static __u32 remembered(const struct abi_thread *thread)
{
	__u32 n = 0;

	for (unsigned i = 0; i < ABI_KNOWN_RULES; i++)
		n += thread->rules[i].rule != 0;
	return n;
}

/* A rule is remembered until code_state turns; addresses that share a place do not get each
 * other's; nothing is remembered of code without a rule. */
static void rules_are_remembered_until_code_changes(void **state)
{
	const struct abi_thread *thread;
	__u64 shared = 0, place = (PC(0, 0x10) ^ PC(0, 0x10) >> 7) & (ABI_KNOWN_RULES - 1);

	(void)state;
	begin_native();
	put_row(0, 0, RULE_FRAME_8);
	put_row(0, 0x80, RULE_END);
	put_word(0x100, 0);
	assert_int_equal(remembered(thread_get()), 0);
	for (int again = 0; again < 2; again++) {
		thread_get()->regs[ABI_REG_SP] = AT_STACK + 0x100;
		thread = walk_from(PC(0, 0x10), true);
		assert_int_equal(thread->n_entries, 1);
		check_native(thread, 0, PC(0, 0x10), true);
		assert_int_equal(thread->regs[ABI_REG_SP], AT_STACK + 0x108);
		assert_int_equal(remembered(thread), 1);
	}
	/* another address in the same place of the memory, of another rule */
	for (__u64 offset = 0x80; offset < ABI_TEXT_PAGE && !shared; offset++)
		if (((PC(0, offset) ^ PC(0, offset) >> 7) & (ABI_KNOWN_RULES - 1)) == place)
			shared = PC(0, offset);
	assert_int_not_equal(shared, 0);
	thread_get()->regs[ABI_REG_SP] = AT_STACK + 0x100;
	assert_int_equal(walk_from(shared, true)->regs[ABI_REG_SP], AT_STACK + 0x100);
	assert_int_equal(remembered(thread_get()), 1);
	assert_int_equal(walk_from(PC(0, 0x10), true)->regs[ABI_REG_SP], AT_STACK + 0x108);
	/* other code is there now, of another module: a page without rows, then one with a rule */
	put_range(1, 0, AT_TEXT, AT_TEXT + ABI_TEXT_PAGE, 8, MODULE + 1);
	code_state = ABI_CODE_STATE(1, 1);
	check_ends(PC(0, 0x10), ABI_GAP_NO_RULE, 1);
	assert_int_equal(entry_of(thread_get(), 0)->unit, MODULE + 1);
	put_row(8, 0, RULE_ODD);
	check_ends(PC(0, 0x10), ABI_GAP_UNSUPPORTED, 1);
	check_ends(PC(0, 0x10), ABI_GAP_UNSUPPORTED, 1);
	assert_int_equal(entry_of(thread_get(), 0)->unit, MODULE + 1);
	/* the first code again */
	code_state = ABI_CODE_STATE(2, 1);
	thread_get()->regs[ABI_REG_SP] = AT_STACK + 0x100;
	assert_int_equal(walk_from(PC(0, 0x10), true)->regs[ABI_REG_SP], AT_STACK + 0x108);
	check_native(thread_get(), 0, PC(0, 0x10), true);
	/* an address of 0 is like no other one's place */
	check_ends(1, ABI_GAP_UNKNOWN_CODE, 0);
	shim_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_are_restored),
		cmocka_unit_test(a_return_address_is_looked_up_at_its_call),
		cmocka_unit_test(a_loaded_cfa_and_a_plt_are_followed),
		cmocka_unit_test(a_signal_frame_leads_to_what_was_interrupted),
		cmocka_unit_test(every_end_that_is_not_the_last_is_a_gap),
		cmocka_unit_test(native_frames_end_at_their_bound_with_a_gap),
		cmocka_unit_test(frames_of_one_page_need_one_read),
		cmocka_unit_test(the_search_finds_the_row_of_every_address),
		cmocka_unit_test(every_address_finds_its_range_and_no_other),
		cmocka_unit_test(unloaded_code_is_not_believed_until_it_is_read_anew),
		cmocka_unit_test(rules_are_remembered_until_code_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
