/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The account: sites and their totals, maps that are full, hashes that collide, updates that fail, and a long
 * run against a model. (What call owns a block: test_probes.c. Mappings: test_mappings.c.)
 */
#include "shim.h"
#include "pyleaktrace.bpf.c"

#include "calls.h"

#define A 0x10000ull

static __u64 address_of(unsigned i)
{
	return A + i * 0x1000ull;
}

/* The hash under which the running thread's stack is looked up first. */
static __u64 hash_of_stack(unsigned domain)
{
	return hash_mix(walk_python(thread_get()), domain + 1);
}

static void occupy_hash(__u64 hash, __u32 id)
{
	assert_int_equal(bpf_map_update_elem(&stacks, &hash, &id, BPF_NOEXIST), 0);
}

/* A frame of the pool; beyond the site's own, what fills up its last chunk. */
static const struct abi_frame *frame_of(const struct abi_site *site, unsigned i)
{
	__u32 index = site->first_chunk + i / ABI_CHUNK;
	const struct abi_chunk *chunk = bpf_map_lookup_elem(&frames, &index);

	assert_non_null(chunk);
	return &chunk->frames[i % ABI_CHUNK];
}

static void test_one_site_per_stack_and_domain(void **state)
{
	__u32 first;

	do_malloc(address_of(0), 10);
	first = block_at(address_of(0))->site;
	do_malloc(address_of(1), 20);
	assert_int_equal(block_at(address_of(1))->site, first);
	do_py_malloc(address_of(2), 30);
	assert_int_not_equal(block_at(address_of(2))->site, first);
	assert_int_equal(site_at(block_at(address_of(2))->site)->domain, ABI_OBJECT);
	set_stack(3, 100);
	do_malloc(address_of(3), 40);
	assert_int_not_equal(block_at(address_of(3))->site, first);
	/* the same stack again, also in another thread */
	set_stack(2, 100);
	do_malloc(address_of(4), 50);
	assert_int_equal(block_at(address_of(4))->site, first);

	assert_int_equal(site_at(first)->allocated_bytes, 80);
	assert_int_equal(site_at(first)->allocated_count, 3);
	assert_int_equal(next_site, ABI_FIRST_SITE + 3);
	assert_int_equal(next_chunk, 3);
	check_outstanding(150, 5);
	check_no_losses();
}

/* A new site is announced once, when its frames are there. */
static void test_sites_are_announced(void **state)
{
	const struct abi_site *site;

	do_malloc(address_of(0), 10);
	do_malloc(address_of(1), 10);
	assert_int_equal(shim.n_events, 1);
	assert_int_equal(event_at(0)->kind, ABI_EVENT_SITE);
	site = site_at(event_at(0)->value);
	assert_int_equal(event_at(0)->value, block_at(address_of(0))->site);
	assert_int_equal(site->n_frames, 2);
	assert_true(site->hash != 0);
	/* no room in the ring: the site is there all the same */
	shim.ring_full = true;
	set_stack(5, 1);
	do_malloc(address_of(2), 10);
	assert_int_equal(shim.n_events, 1);
	assert_int_equal(counted(ABI_COUNT_EVENTS_LOST), 1);
	assert_true(site_at(block_at(address_of(2))->site)->hash != 0);
	check_outstanding(30, 3);
}

/* The frames of a site, as they are kept in the pool. */
static void test_frames_of_a_site(void **state)
{
	const struct abi_site *site;

	do_malloc(address_of(9), 1);
	set_stack(4, 321);
	do_malloc(address_of(0), 10);
	site = site_at(block_at(address_of(0))->site);
	assert_int_equal(site->n_frames, 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct abi_frame *frame = frame_of(site, i);

		assert_int_equal(ABI_FRAME_KIND(frame->tag), ABI_FRAME_PYTHON);
		assert_int_equal(ABI_FRAME_SIGNATURE(frame->tag), abi_code_signature(321, 0x5000, 0x6000));
		assert_int_equal(frame->where, thread_base(0) + 0x4000 + i * 0x100);
		assert_int_equal(frame->unit, i);
	}
	/* the rest of its last chunk says nothing */
	for (unsigned i = 4; i < ABI_CHUNK; i++)
		assert_int_equal(frame_of(site, i)->tag, ABI_FRAME_NONE);
}

/* ---- collisions ------------------------------------------------------------------------------------------------ */

/* Other stacks sit under this stack's hash: it steps on, and finds its own place again. */
static void test_collisions(void **state)
{
	__u32 other, site;
	__u64 hash;

	do_malloc(address_of(0), 1);
	other = block_at(address_of(0))->site;
	set_stack(3, 200);
	hash = hash_of_stack(ABI_MALLOC);
	occupy_hash(hash, other);
	occupy_hash(hash + 1, facts.max_sites + 7); /* no such site */
	occupy_hash(hash + 2, 0);                   /* a reserved one */
	do_malloc(address_of(1), 10);
	site = block_at(address_of(1))->site;
	assert_int_not_equal(site, other);
	assert_true(site >= ABI_FIRST_SITE);
	assert_int_equal(site_at(site)->hash, hash + 3);
	assert_int_equal(counted(ABI_COUNT_COLLISIONS), 3);
	do_malloc(address_of(2), 20);
	assert_int_equal(block_at(address_of(2))->site, site);
	check_outstanding(31, 3);
	check_no_losses();
}

/* One too many: the reserved site of the domain, counted. */
static void test_too_many_collisions(void **state)
{
	__u64 hash;

	do_malloc(address_of(0), 1);
	set_stack(3, 200);
	hash = hash_of_stack(ABI_OBJECT);
	for (unsigned i = 0; i < ABI_MAX_COLLISIONS; i++)
		occupy_hash(hash + i, block_at(address_of(0))->site);
	do_py_malloc(address_of(1), 10);
	assert_int_equal(block_at(address_of(1))->site, ABI_OBJECT);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 1);
	do_py_free(address_of(1));
	check_outstanding(1, 1);
}

/* Same hash, same length, one frame differs in one field: told apart. */
static void test_stacks_that_differ_in_one_field(void **state)
{
	const __u64 frame = thread_base(0) + 0x2000, code = thread_base(0) + 0x4000;
	static const struct {
		__u64 offset;
		bool in_code;
	} fields[] = {{16, false}, {16, true}, {24, true}, {32, true}};
	__u32 first;

	set_stack(3, 200);
	do_malloc(address_of(0), 1);
	first = block_at(address_of(0))->site;
	for (unsigned i = 0; i < 4; i++) {
		__u32 before = next_site;

		set_stack(3, 200);
		image_put(&shim.memory, (fields[i].in_code ? code : frame) + fields[i].offset,
			  fields[i].in_code ? 0x7000 : code + 64 + 20, fields[i].in_code && i == 1 ? 4 : 8);
		/* whatever its hash is, the first stack sits there */
		occupy_hash(hash_of_stack(ABI_MALLOC), first);
		do_malloc(address_of(1 + i), 1);
		assert_int_not_equal(block_at(address_of(1 + i))->site, first);
		assert_int_equal(next_site, before + 1);
	}
	assert_int_equal(counted(ABI_COUNT_COLLISIONS), 4);
	check_outstanding(5, 5);
}

/* ---- full maps --------------------------------------------------------------------------------------------------- */

static void test_full_blocks(void **state)
{
	shim_set_capacity(&blocks, 10);
	for (unsigned i = 0; i < 25; i++)
		do_malloc(address_of(i), 100);
	check_outstanding(1000, 10);
	assert_int_equal(counted(ABI_COUNT_BLOCKS_FULL), 15);
	/* a known address that is given out again needs no new place */
	do_malloc(address_of(3), 50);
	check_outstanding(950, 10);
	assert_int_equal(counted(ABI_COUNT_BLOCKS_FULL), 15);
	for (unsigned i = 0; i < 25; i++)
		do_free(address_of(i));
	check_outstanding(0, 0);
	/* there is room again */
	do_malloc(address_of(0), 100);
	check_outstanding(100, 1);
}

/* While realloc runs, its block's place is taken; it fails, and the block cannot be put back. */
static void test_full_blocks_and_a_failed_realloc(void **state)
{
	shim_set_capacity(&blocks, 2);
	do_malloc(address_of(0), 100);
	do_malloc(address_of(1), 100);
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP, address_of(0), 1ull << 60, 0);
	run_thread(1);
	do_malloc(address_of(2), 7);
	run_thread(0);
	leave_call(SP, 0);
	check_outstanding(107, 2);
	assert_int_equal(counted(ABI_COUNT_BLOCKS_FULL), 1);
	/* its free is one of an unknown block */
	do_free(address_of(0));
	check_outstanding(107, 2);
}

static void test_full_sites(void **state)
{
	facts_of_test()->max_sites = ABI_FIRST_SITE + 2;
	for (unsigned i = 0; i < 5; i++) {
		set_stack(2, 1000 + i);
		do_malloc(address_of(i), 10);
		do_py_malloc(address_of(100 + i), 20);
	}
	/* the first stack in both domains has a site; all others share two */
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 8);
	assert_int_equal(next_site, ABI_FIRST_SITE + 2);
	assert_int_equal(site_at(ABI_MALLOC)->allocated_bytes, 40);
	assert_int_equal(site_at(ABI_OBJECT)->allocated_bytes, 80);
	check_outstanding(150, 10);
	for (unsigned i = 0; i < 5; i++) {
		do_free(address_of(i));
		do_py_free(address_of(100 + i));
	}
	check_outstanding(0, 0);
}

static void test_full_frames(void **state)
{
	facts_of_test()->max_chunks = 7;
	for (unsigned i = 0; i < 5; i++) {
		set_stack(ABI_CHUNK + 1, 1000 + i); /* two chunks each */
		do_malloc(address_of(i), 10);
	}
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 2);
	assert_int_equal(site_at(ABI_MALLOC)->allocated_count, 2);
	assert_int_equal(next_chunk, 6);
	/* a shorter stack still fits, and then none; the counter never runs on */
	set_stack(1, 5000);
	do_malloc(address_of(8), 10);
	assert_true(block_at(address_of(8))->site >= ABI_FIRST_SITE);
	for (unsigned i = 0; i < 100; i++) {
		set_stack(1, 6000 + i);
		do_malloc(address_of(20 + i), 10);
	}
	assert_int_equal(next_chunk, 7);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 102);
	check_outstanding(1060, 106);
}

/* The map of stacks has no room, or cannot take the new one: the site stays unused, the block is counted. */
static void test_full_stacks(void **state)
{
	__u32 first_unused;

	do_malloc(address_of(0), 10);
	shim_set_capacity(&stacks, 1);
	first_unused = next_site;
	set_stack(4, 444);
	do_malloc(address_of(1), 10);
	assert_int_equal(block_at(address_of(1))->site, ABI_MALLOC);
	assert_int_equal(site_at(first_unused)->hash, 0);
	assert_int_equal(site_at(first_unused)->allocated_count, 0);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 1);
	check_outstanding(20, 2);
}

static void test_full_threads(void **state)
{
	shim_set_capacity(&threads, 2);
	for (unsigned t = 0; t < 4; t++) {
		run_thread(t);
		do_malloc(address_of(t), 10);
	}
	check_outstanding(20, 2);
	assert_int_equal(counted(ABI_COUNT_THREADS_FULL), 2);
	/* frees need no entry: a thread without one frees what others allocated */
	do_free(address_of(0));
	check_outstanding(10, 1);
	run_thread(1);
	on_thread_exit(NULL);
	run_thread(3);
	do_malloc(address_of(3), 10);
	check_outstanding(20, 2);
}

/* Every update of a map fails once, wherever it stands: what is on the account is in the maps. */
static void test_updates_that_fail(void **state)
{
	for (unsigned ordinal = 0; ordinal < 8; ordinal++) {
		unsigned step = 0;

		calls_begin();
#define FAILING(call)                                                                                              \
	do {                                                                                                       \
		shim.fail_updates = step++ == ordinal;                                                             \
		call;                                                                                              \
		shim.fail_updates = 0;                                                                             \
		check_account();                                                                                   \
	} while (0)
		FAILING(enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, 10, 0, 0));
		FAILING(leave_call(SP, address_of(0)));
		do_malloc(address_of(1), 1);
		/* of a known stack: the update that fails is the block's */
		FAILING(do_malloc(address_of(2), 20));
		/* an address that is given out again */
		FAILING(do_malloc(address_of(1), 30));
		FAILING(do_realloc(address_of(1), 1ull << 60, 0));
		FAILING(do_realloc(address_of(2), 50, address_of(3)));
#undef FAILING
		for (unsigned i = 0; i < 4; i++)
			do_free(address_of(i));
		check_outstanding(0, 0);
	}
}

/* ---- a long run against a model ----------------------------------------------------------------------------------- */

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
		ABI_CALL_MALLOC, ABI_CALL_CALLOC, ABI_CALL_REALLOC, ABI_CALL_REALLOCARRAY, ABI_CALL_ALIGNED,
		ABI_CALL_PY_MALLOC, ABI_CALL_PY_CALLOC, ABI_CALL_PY_REALLOC,
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

static void long_run(__u64 seed, unsigned capacity)
{
	struct model *m = calloc(1, sizeof(*m));

	m->random = seed;
	m->capacity = capacity;
	shim_set_capacity(&blocks, capacity);
	for (unsigned t = 0; t < CALLS_THREADS; t++) {
		m->depth[t] = 2;
		m->line[t] = 100 + t;
	}
	for (unsigned i = 0; i < RUN_STEPS; i++) {
		step(m);
		check_model(m);
	}
	/* it did happen what the run is for */
	assert_true(m->missed > 100 && m->abandoned > 100 && m->failed > 100);
	assert_true(capacity >= SLOTS || m->full > 100);
	free(m);
}

static void test_long_run(void **state)
{
	long_run(0x1234567, SLOTS);
	assert_int_equal(counted(ABI_COUNT_STACKS_FULL), 0);
}

static void test_long_run_with_little_room(void **state)
{
	facts_of_test()->max_sites = 20;
	facts_of_test()->max_chunks = 12;
	long_run(0x7654321, 30);
	assert_true(counted(ABI_COUNT_STACKS_FULL) > 100);
}

static void test_long_run_with_filters(void **state)
{
	facts_of_test()->min_size = 200;
	facts_of_test()->max_size = 1500;
	long_run(0x2468ace, SLOTS);
	assert_true(counted(ABI_COUNT_FILTERED) > 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_site_per_stack_and_domain),
		TEST(test_sites_are_announced),
		TEST(test_frames_of_a_site),
		TEST(test_collisions),
		TEST(test_too_many_collisions),
		TEST(test_stacks_that_differ_in_one_field),
		TEST(test_full_blocks),
		TEST(test_full_blocks_and_a_failed_realloc),
		TEST(test_full_sites),
		TEST(test_full_frames),
		TEST(test_full_stacks),
		TEST(test_full_threads),
		TEST(test_updates_that_fail),
		TEST(test_long_run),
		TEST(test_long_run_with_little_room),
		TEST(test_long_run_with_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
