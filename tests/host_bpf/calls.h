/* SPDX-License-Identifier: BSD-2-Clause
 *
 * calls: a target that allocates: probes and system calls fired one by one, and checks of the
 * account.
 *
 * Place      tests/host_bpf; included behind shim.h and pyleaktrace.bpf.c.
 * Shapes     a thread's Python stack is set with set_stack(depth, line): frames with first line
 *            `line`, of a CPython that exists in this file only (python_facts); depth 0: the thread
 *            runs no Python code. Each thread has its own stack memory; a call is named by the
 *            stack pointer at its entry.
 * Invariant  check_account() holds for every site: allocated - freed = what `blocks`, `mappings`
 *            and the calls in flight hold of it. Tests call it after every step.
 */
#ifndef PYLEAKTRACE_TESTS_HOST_BPF_CALLS_H
#define PYLEAKTRACE_TESTS_HOST_BPF_CALLS_H

#include "facts_of_test.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TGID 4242

/* ---- a small CPython of our own ------------------------------------------------------------- */

static const struct abi_python python_facts = {
	.ways = {{.kind = ABI_WAY_TLS, .a = -64}},
	.tstate = {.start = 8, .size = 16},
	.tstate_thread_id = 0,
	.tstate_frame = 8,
	.frame = {.start = 0, .size = 24},
	.frame_previous = 0,
	.frame_code = 8,
	.code_mask = ~0ull,
	.frame_position = 16,
	.code_bytecode = 64,
	.code = {.start = 16, .size = 24},
	.code_first_line = 0,
	.code_filename = 8,
	.code_name = 16,
};

#define CALLS_THREADS   8
#define CALLS_MAX_DEPTH 16

/* Where things of thread number t lie. */
static __u64 thread_base(unsigned t)
{
	return 0x7f0000000000ull + t * 0x1000000ull;
}

/* Run as thread t from here on. */
static void run_thread(unsigned t)
{
	shim.tid = TGID + t;
	shim.thread_pointer = thread_base(t) + 0x1000;
}

/* The Python stack of the running thread from here on. */
static void set_stack(unsigned depth, unsigned line)
{
	__u64 base = shim.thread_pointer - 0x1000;

	for (unsigned i = 0; i < depth; i++) {
		__u64 frame = base + 0x2000 + i * 0x100, code = base + 0x4000 + i * 0x100;

		image_put_u64(&shim.memory, frame, i + 1 < depth ? frame + 0x100 : 0);
		image_put_u64(&shim.memory, frame + 8, code);
		image_put_u64(&shim.memory, frame + 16, code + 64 + 2 * i);
		image_put(&shim.memory, code + 16, line, 4);
		image_put_u64(&shim.memory, code + 24, 0x5000);
		image_put_u64(&shim.memory, code + 32, 0x6000);
	}
	image_put_u64(&shim.memory, base + 0x3000 + 16, depth ? base + 0x2000 : 0);
}

/* A target with CALLS_THREADS threads, as at session_start(); thread 0 runs. */
static void calls_begin(void)
{
	struct abi_facts *f = facts_of_test();

	shim_reset();
	memset(f, 0, sizeof(*f));
	f->tgid = TGID;
	f->domains = 7;
	f->max_size = ~0ull;
	f->max_sites = 1 << 12;
	f->max_chunks = 1 << 14;
	f->python = python_facts;
	shim.tgid = TGID;
	for (unsigned t = CALLS_THREADS; t-- > 0;) {
		run_thread(t);
		image_map(&shim.memory, thread_base(t), 0x6000);
		/* the thread state, and the thread-local word that points to it */
		image_put_u64(&shim.memory, thread_base(t) + 0x3000 + 8, shim.thread_pointer);
		image_put_u64(&shim.memory, shim.thread_pointer - 64, thread_base(t) + 0x3000);
		set_stack(2, 100 + t);
	}
	next_site = ABI_FIRST_SITE;
	next_chunk = 0;
	memset(free_rings, 0, sizeof(free_rings));
	code_epoch = 0;
	active = 1;
	recording = (1u << ABI_PARTS) - 1;
	memset(turns, 0, sizeof(turns));
	memset(began_ns, 0, sizeof(began_ns));
	memset(sample_shift, 0, sizeof(sample_shift));
}

/* The same, with malloc and objects as parts of their own. */
static inline void calls_begin_split(void)
{
	calls_begin();
	facts_of_test()->split = 1;
	facts_of_test()->small_max = 512;
}

static int calls_setup(void **state)
{
	calls_begin();
	return 0;
}

static int calls_teardown(void **state)
{
	shim_reset();
	return 0;
}

/* ---- hits ----------------------------------------------------------------------------------- */

/* Entry of a function with this stack pointer; the probe lies behind `pushed` bytes of pushes. */
static void enter_pushed(enum abi_call_kind kind, unsigned domain, __u64 sp, unsigned pushed,
			 __u64 a, __u64 b, __u64 c)
{
	struct pt_regs regs = {.arguments = {a, b, c}, .sp = sp - pushed};

	shim.cookie = ABI_COOKIE(kind, domain, pushed, 0);
	on_entry(&regs);
}

static void enter_call(enum abi_call_kind kind, unsigned domain, __u64 sp, __u64 a, __u64 b,
		       __u64 c)
{
	enter_pushed(kind, domain, sp, 0, a, b, c);
}

/* Return of the function that was entered with this stack pointer. */
static void leave_call(__u64 sp, __u64 result)
{
	struct pt_regs regs = {.sp = sp + RETURN_SP_STEP, .result = result};

	shim.cookie = ABI_COOKIE(ABI_CALL_MALLOC, ABI_MALLOC, 0, 0);
	on_return(&regs);
}

/* A system call of mappings returns. */
static inline void exit_mapping(enum abi_call_kind kind, long result)
{
	struct trace_event_raw_sys_exit context = {result};

	shim.cookie = kind;
	on_exit_mapping(&context);
}

#define SP 0x7ffe0000ull /* stack pointer of an outermost call */

static void do_malloc(__u64 address, __u64 size)
{
	enter_call(ABI_CALL_MALLOC, ABI_MALLOC, SP, size, 0, 0);
	leave_call(SP, address);
}

static void do_free(__u64 address)
{
	enter_call(ABI_CALL_FREE, ABI_MALLOC, SP, address, 0, 0);
}

static void do_realloc(__u64 old, __u64 size, __u64 result)
{
	enter_call(ABI_CALL_REALLOC, ABI_MALLOC, SP, old, size, 0);
	leave_call(SP, result);
}

static void do_py_malloc(__u64 address, __u64 size)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, size, 0);
	leave_call(SP, address);
}

static void do_py_free(__u64 address)
{
	enter_call(ABI_CALL_PY_FREE, ABI_OBJECT, SP, 0, address, 0);
}

/* Objects, where the parts are split (calls_begin_split()): as do_py_malloc() and its like, with
 * the part's own return probe. */
static inline void leave_object(__u64 sp, __u64 result)
{
	struct pt_regs regs = {.sp = sp + RETURN_SP_STEP, .result = result};

	shim.cookie = ABI_COOKIE(ABI_CALL_PY_MALLOC, ABI_OBJECT, 0, 0);
	on_return(&regs);
}

static inline void object(__u64 address, __u64 size)
{
	enter_call(ABI_CALL_PY_MALLOC, ABI_OBJECT, SP, 0, size, 0);
	leave_object(SP, address);
}

static inline void object_realloc(__u64 old, __u64 size, __u64 result)
{
	enter_call(ABI_CALL_PY_REALLOC, ABI_OBJECT, SP, 0, old, size);
	leave_object(SP, result);
}

/* ---- what the maps say ---------------------------------------------------------------------- */

static __u64 counted(enum abi_counter counter)
{
	__u64 sum = 0;

	for (__u32 cpu = 0; cpu < SHIM_CPUS; cpu++)
		sum += ((struct counters *)shim_array_at(SHIM_MAP(&counts), 0, cpu))
			       ->value[counter];
	return sum;
}

static const struct abi_block *block_at(__u64 address)
{
	return bpf_map_lookup_elem(&blocks, &address);
}

static const struct abi_block *mapping_at(__u64 address)
{
	return bpf_map_lookup_elem(&mappings, &address);
}

static const struct abi_site *site_at(__u32 id)
{
	return bpf_map_lookup_elem(&sites, &id);
}

static const struct abi_event *event_at(unsigned i)
{
	assert_true(i < shim.n_events);
	return shim.events[i];
}

/* A frame of the pool; beyond the site's own, what fills up its last chunk. */
static const struct abi_frame *frame_of(const struct abi_site *site, unsigned i)
{
	__u32 index = site->first_chunk + i / ABI_CHUNK;
	const struct abi_chunk *chunk = bpf_map_lookup_elem(&frames, &index);

	assert_non_null(chunk);
	return &chunk->frames[i % ABI_CHUNK];
}

struct holding {
	__u64 bytes, count;
};

static void hold_block(struct holding *holdings, const struct abi_block *block)
{
	assert_true(block->site < facts.max_sites);
	assert_true(block->domain < ABI_DOMAINS);
	holdings[block->site].bytes += block->size;
	holdings[block->site].count++;
}

static void hold_calls(struct holding *holdings)
{
	struct shim_element *element, *next;

	HASH_ITER (hh, SHIM_MAP(&threads)->elements, element, next) {
		const struct abi_thread *thread = (const void *)element->value;

		for (unsigned part = 0; part < ABI_PARTS; part++)
			if (thread->calls[part].sp && thread->calls[part].old.time_ns)
				hold_block(holdings, &thread->calls[part].old);
		if (thread->syscall.sp && thread->syscall.kind == ABI_CALL_MREMAP &&
		    thread->syscall.old.time_ns)
			hold_block(holdings, &thread->syscall.old);
	}
}

/* What refers to each site now; to be freed. */
static struct holding *hold_all(void)
{
	struct holding *holdings = calloc(facts.max_sites, sizeof(*holdings));
	struct shim_element *element, *next;

	HASH_ITER (hh, SHIM_MAP(&blocks)->elements, element, next)
		hold_block(holdings, (const void *)element->value);
	HASH_ITER (hh, SHIM_MAP(&mappings)->elements, element, next)
		hold_block(holdings, (const void *)element->value);
	hold_calls(holdings);
	return holdings;
}

/* The invariant, for every site; sums over all sites are returned. */
static struct holding check_account(void)
{
	__u32 n = next_site < facts.max_sites ? next_site : facts.max_sites;
	struct holding *holdings = hold_all(), sum = {0, 0};

	for (__u32 id = 0; id < n; id++) {
		const struct abi_site *site = site_at(id);

		assert_true(site->freed_count <= site->allocated_count);
		assert_true(site->freed_bytes <= site->allocated_bytes);
		assert_int_equal(site->allocated_bytes - site->freed_bytes, holdings[id].bytes);
		assert_int_equal(site->allocated_count - site->freed_count, holdings[id].count);
		sum.bytes += holdings[id].bytes;
		sum.count += holdings[id].count;
	}
	free(holdings);
	return sum;
}

/* As user space does (user/probe/session_sites.c): its stack finds it no more, it has counted
 * nothing, and waits for another. */
static inline void free_site(__u32 id, __u32 class)
{
	struct abi_site *site = bpf_map_lookup_elem(&sites, &id);
	struct abi_free_ring *ring = &free_rings[class];
	__u32 index = class * ABI_FREE_ROOM + ring->put % ABI_FREE_ROOM, *listed;
	__u64 hash = site->hash, free = id;

	listed = hash ? bpf_map_lookup_elem(&stacks, &hash) : NULL;
	if (listed && *listed == id)
		bpf_map_delete_elem(&stacks, &hash);
	*site = (struct abi_site){.first_chunk = site->first_chunk, .n_chunks = site->n_chunks};
	bpf_map_update_elem(&free_sites, &index, &free, BPF_ANY);
	ring->put++;
}

/* The account holds this many bytes in this many blocks and mappings, and the invariant holds. */
static void check_outstanding(__u64 bytes, __u64 count)
{
	struct holding sum = check_account();

	assert_int_equal(sum.bytes, bytes);
	assert_int_equal(sum.count, count);
}

static void check_no_losses(void)
{
	for (unsigned i = ABI_FIRST_LOSS; i < ABI_COUNTERS; i++)
		if (counted(i))
			fail_msg("loss %u was counted %llu times", i,
				 (unsigned long long)counted(i));
}

#endif
