/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Long runs of random calls in eight threads, with everything that can go wrong in them, against a
 * model that knows which block is on the account and which stack allocated it. Compared after every
 * step.
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x10000ull

static __u64 address_of(unsigned i)
{
	return A + i * 0x1000ull;
}

#define SLOTS     160
#define RUN_STEPS 30000
#define NO_SLOT   SLOTS

enum slot_state { SLOT_FREE, SLOT_LIVE, SLOT_IN_REALLOC };

struct slot {
	enum slot_state state;
	bool known; /* on the account */
	__u64 size;
	unsigned domain;
	unsigned depth, line; /* the stack that allocated it */
};

struct running_call {
	bool active;
	enum abi_call_kind kind;
	unsigned domain;
	__u64 size, sp;
	unsigned old; /* slot */
};

struct model {
	struct slot slots[SLOTS];
	struct running_call calls[CALLS_THREADS];
	unsigned depth[CALLS_THREADS], line[CALLS_THREADS];
	unsigned thread;   /* that runs */
	unsigned capacity; /* of the map of blocks */
	__u64 missed, full, abandoned, failed, filtered;
	__u64 random;
};

static unsigned pick(struct model *m, unsigned n)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (unsigned)((m->random >> 11) % n);
}

/* A random slot in this state, or NO_SLOT. */
static unsigned pick_slot(struct model *m, enum slot_state wanted)
{
	unsigned first = pick(m, SLOTS);

	for (unsigned i = 0; i < SLOTS; i++)
		if (m->slots[(first + i) % SLOTS].state == wanted)
			return (first + i) % SLOTS;
	return NO_SLOT;
}

static __u64 slot_address(unsigned slot)
{
	return slot == NO_SLOT ? 0 : address_of(slot);
}

static bool is_in_map(const struct slot *slot)
{
	return slot->known && slot->state != SLOT_IN_REALLOC;
}

/* The account takes the slot, if it has room. */
static void model_know(struct model *m, struct slot *slot)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		n += is_in_map(&m->slots[i]);
	slot->known = n < m->capacity;
	m->full += !slot->known;
}

static void model_freed(struct slot *slot)
{
	slot->known = false;
	slot->state = SLOT_FREE;
}

/* A realloc of this slot has failed. */
static void model_put_back(struct model *m, struct slot *slot)
{
	bool known = slot->known;

	model_freed(slot);
	if (known)
		model_know(m, slot);
	slot->state = SLOT_LIVE;
}

/* A call that is over has returned this slot. */
static void model_allocated(struct model *m, unsigned slot, const struct running_call *call)
{
	struct slot *s = &m->slots[slot];

	s->state = SLOT_LIVE;
	if (call->size < facts.min_size || call->size > facts.max_size) {
		m->filtered++; /* and what is still known at this address stays */
		return;
	}
	m->missed += s->known;
	s->known = false;
	s->size = call->size;
	s->domain = call->domain;
	s->depth = m->depth[m->thread];
	s->line = m->line[m->thread];
	model_know(m, s);
}

static bool is_object(enum abi_call_kind kind)
{
	return kind >= ABI_CALL_PY_MALLOC;
}

static void fire(const struct running_call *call, __u64 sp)
{
	__u64 old = slot_address(call->old);

	switch (call->kind) {
	case ABI_CALL_REALLOC:
		enter_call(call->kind, call->domain, sp, old, call->size, 0);
		break;
	case ABI_CALL_REALLOCARRAY:
		enter_call(call->kind, call->domain, sp, old, 1, call->size);
		break;
	case ABI_CALL_PY_REALLOC:
		enter_call(call->kind, call->domain, sp, 0, old, call->size);
		break;
	case ABI_CALL_CALLOC:
		enter_call(call->kind, call->domain, sp, call->size, 1, 0);
		break;
	case ABI_CALL_PY_CALLOC:
		enter_call(call->kind, call->domain, sp, 0, call->size, 1);
		break;
	case ABI_CALL_ALIGNED:
	case ABI_CALL_PY_MALLOC:
		enter_call(call->kind, call->domain, sp, 0, call->size, 0);
		break;
	default:
		enter_call(ABI_CALL_MALLOC, call->domain, sp, call->size, 0, 0);
	}
}

static void step_begin(struct model *m)
{
	static const enum abi_call_kind kinds[] = {
		ABI_CALL_MALLOC,  ABI_CALL_CALLOC,    ABI_CALL_REALLOC,   ABI_CALL_REALLOCARRAY,
		ABI_CALL_ALIGNED, ABI_CALL_PY_MALLOC, ABI_CALL_PY_CALLOC, ABI_CALL_PY_REALLOC,
	};
	struct running_call *call = &m->calls[m->thread];

	call->kind = kinds[pick(m, 8)];
	call->domain = is_object(call->kind) ? ABI_OBJECT : ABI_MALLOC;
	call->size = pick(m, 8) ? 1 + pick(m, 2000) : 0;
	call->sp = SP + 64 * pick(m, 4);
	call->old = is_realloc(call->kind) && pick(m, 4) ? pick_slot(m, SLOT_LIVE) : NO_SLOT;
	fire(call, call->sp);
	call->active = true;
	/* out of the map, still on the account */
	if (call->old != NO_SLOT)
		m->slots[call->old].state = SLOT_IN_REALLOC;
}

static void step_finish(struct model *m)
{
	struct running_call call = m->calls[m->thread];
	bool fails = pick(m, 4) == 0;
	unsigned result = fails ? NO_SLOT : pick_slot(m, SLOT_FREE);
	bool old_goes;

	if (result != NO_SLOT && call.old != NO_SLOT && pick(m, 2))
		result = call.old;
	old_goes = result != NO_SLOT || (call.size == 0 && call.kind != ABI_CALL_PY_REALLOC);
	leave_call(call.sp, slot_address(result));
	m->calls[m->thread].active = false;
	m->failed += result == NO_SLOT;
	if (call.old != NO_SLOT && old_goes)
		model_freed(&m->slots[call.old]);
	else if (call.old != NO_SLOT)
		model_put_back(m, &m->slots[call.old]);
	if (result != NO_SLOT)
		model_allocated(m, result, &call);
}

static void step_abandon(struct model *m)
{
	struct running_call *call = &m->calls[m->thread];

	if (call->old != NO_SLOT)
		model_put_back(m, &m->slots[call->old]);
	m->abandoned++;
	call->active = false;
	if (pick(m, 4) == 0) {
		on_thread_exit(NULL);
		return;
	}
	/* a call at the same height or above, for something else, and it returns nothing */
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP + 1024, 12345, 0, 0);
	leave_call(SP + 1024, 0);
	m->failed++;
}

/* What an allocator does inside: calls of its own, and jumps to others. */
static void step_nested(struct model *m)
{
	const struct running_call *call = &m->calls[m->thread];
	unsigned slot = pick_slot(m, SLOT_LIVE);
	__u64 sp = call->sp - 8 * (1 + pick(m, 100));

	switch (pick(m, 5)) {
	case 0:
		enter_call(ABI_CALL_MALLOC, ABI_MALLOC, sp, pick(m, 5000), 0, 0);
		leave_call(sp, address_of(pick(m, SLOTS)));
		break;
	case 1: /* frees a block that somebody else knows */
		if (slot == NO_SLOT)
			break;
		enter_call(ABI_CALL_FREE, ABI_MALLOC, sp, slot_address(slot), 0, 0);
		model_freed(&m->slots[slot]);
		break;
	case 2: /* or moves it */
		if (slot == NO_SLOT)
			break;
		enter_call(ABI_CALL_REALLOC, ABI_MALLOC, sp, slot_address(slot), 99, 0);
		leave_call(sp, slot_address(slot));
		model_freed(&m->slots[slot]);
		break;
	case 3: { /* jumps on with the same request */
		struct running_call on = *call;

		on.kind = is_realloc(call->kind) ? ABI_CALL_REALLOC : ABI_CALL_MALLOC;
		on.domain = ABI_MALLOC;
		on.size = on.size ? on.size : pick(m, 2);
		fire(&on, call->sp);
		break;
	}
	case 4: /* a return that is not this call's */
		leave_call(sp, address_of(pick(m, SLOTS)));
	}
}

static void step_free(struct model *m)
{
	unsigned slot = pick_slot(m, SLOT_LIVE);

	if (slot == NO_SLOT)
		return;
	if (m->slots[slot].domain == ABI_OBJECT) {
		do_py_free(slot_address(slot));
		if (pick(m, 2))
			enter_call(ABI_CALL_FREE, ABI_MALLOC, SP - 32, slot_address(slot), 0, 0);
	} else {
		do_free(slot_address(slot));
	}
	if (pick(m, 8) == 0)
		do_free(slot_address(slot)); /* twice */
	model_freed(&m->slots[slot]);
}

static void step(struct model *m)
{
	unsigned slot;

	m->thread = pick(m, CALLS_THREADS);
	run_thread(m->thread);
	shim.cpu = pick(m, SHIM_CPUS);
	if (m->calls[m->thread].active) {
		unsigned choice = pick(m, 20);

		if (choice == 0)
			step_abandon(m);
		else if (choice < 8)
			step_nested(m);
		else
			step_finish(m);
		return;
	}
	switch (pick(m, 8)) {
	case 0:
	case 1:
		step_free(m);
		break;
	case 2:
		do_free(0x900000 + 16 * pick(m, 1000)); /* from before the attach */
		break;
	case 3: /* this free is not seen: the slot is given out again while it is on the account */
		slot = pick_slot(m, SLOT_LIVE);
		if (slot != NO_SLOT)
			m->slots[slot].state = SLOT_FREE;
		break;
	case 4:
		m->depth[m->thread] = pick(m, 5);
		m->line[m->thread] = pick(m, 12);
		set_stack(m->depth[m->thread], m->line[m->thread]);
		break;
	default:
		step_begin(m);
	}
}

/* The stack of the block's site is the one that allocated it, or the site is the reserved one. */
static void check_site(const struct slot *slot, const struct abi_block *block)
{
	const struct abi_site *site = site_at(block->site);
	const struct abi_frame *leaf = frame_of(site, 0);

	if (block->site < ABI_FIRST_SITE) {
		assert_int_equal(block->site, slot->domain);
		assert_true(counted(ABI_COUNT_STACKS_FULL) > 0);
		return;
	}
	assert_int_equal(site->domain, slot->domain);
	assert_int_equal(site->n_frames, slot->depth ? slot->depth : 1);
	if (slot->depth)
		assert_int_equal(ABI_FRAME_SIGNATURE(leaf->tag),
				 abi_code_signature(slot->line, 0x5000, 0x6000));
	else
		assert_int_equal(leaf->unit, ABI_GAP_NO_THREAD);
}

static void check_model(struct model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		const struct slot *slot = &m->slots[i];
		const struct abi_block *block = block_at(address_of(i));

		if (!is_in_map(slot)) {
			assert_null(block);
			continue;
		}
		assert_non_null(block);
		assert_int_equal(block->size, slot->size);
		assert_int_equal(block->domain, slot->domain);
		check_site(slot, block);
		n++;
	}
	assert_int_equal(shim_count(&blocks), n);
	assert_int_equal(counted(ABI_COUNT_MISSED_FREES), m->missed);
	assert_int_equal(counted(ABI_COUNT_BLOCKS_FULL), m->full);
	assert_int_equal(counted(ABI_COUNT_CALLS_ABANDONED), m->abandoned);
	assert_int_equal(counted(ABI_COUNT_FAILED_CALLS), m->failed);
	assert_int_equal(counted(ABI_COUNT_FILTERED), m->filtered);
	check_account();
}

/* All sites that nothing refers to are free for other stacks; return how many. */
static unsigned free_unused(void)
{
	struct holding *holdings = hold_all();
	unsigned n = 0;

	for (__u32 id = ABI_FIRST_SITE; id < next_site && id < facts.max_sites; id++) {
		if (!site_at(id)->hash || holdings[id].count)
			continue;
		free_site(id, site_at(id)->n_chunks);
		n++;
	}
	free(holdings);
	return n;
}

/* in: free_each: this many steps lie between two times at which unused sites are given up; 0: they
 * are not */
static unsigned long_run(__u64 seed, unsigned capacity, unsigned free_each)
{
	struct model *m = calloc(1, sizeof(*m));
	unsigned n_freed = 0;

	m->random = seed;
	m->capacity = capacity;
	shim_set_capacity(&blocks, capacity);
	for (unsigned t = 0; t < CALLS_THREADS; t++) {
		m->depth[t] = 2;
		m->line[t] = 100 + t;
	}
	for (unsigned i = 0; i < RUN_STEPS; i++) {
		if (free_each && i % free_each == 0)
			n_freed += free_unused();
		step(m);
		check_model(m);
	}
	/* it did happen what the run is for */
	assert_true(m->missed > 100 && m->abandoned > 100 && m->failed > 100);
	assert_true(capacity >= SLOTS || m->full > 100);
	free(m);
	return n_freed;
}

static void a_long_run_is_what_the_model_says(void **state)
{
	long_run(0x1234567, SLOTS, 0);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 0);
}

static void a_long_run_with_little_room_is_what_the_model_says(void **state)
{
	facts_of_test()->max_sites = 20;
	facts_of_test()->max_chunks = 12;
	long_run(0x7654321, 30, 0);
	assert_true(counted(ABI_COUNT_STACKS_FULL) > 100);
}

static void a_long_run_with_filters_is_what_the_model_says(void **state)
{
	facts_of_test()->min_size = 200;
	facts_of_test()->max_size = 1500;
	long_run(0x2468ace, SLOTS, 0);
	assert_true(counted(ABI_COUNT_FILTERED) > 100);
}

/* 140 stacks in 120 places; by check_model() no block is ever at a site of another stack. */
static void sites_used_again_never_mix_stacks(void **state)
{
	unsigned n_freed;

	facts_of_test()->max_sites = 120;
	n_freed = long_run(0x7654321, SLOTS, 20);
	assert_true(n_freed > 2000);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 0);
	assert_true(next_site < facts.max_sites);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_long_run_is_what_the_model_says),
		TEST(a_long_run_with_little_room_is_what_the_model_says),
		TEST(a_long_run_with_filters_is_what_the_model_says),
		TEST(sites_used_again_never_mix_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
