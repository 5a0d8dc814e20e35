/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shim: the BPF side compiled as plain C, so that it runs in a test under the sanitizers.
 *
 *     #include "shim.h"
 *     #include "pyleaktrace.bpf.c"
 *
 * Place      tests/host_bpf. Stands where vmlinux.h and libbpf's headers stand in the BPF build.
 * Source     kernel/bpf/hashtab.c, arraymap.c, ringbuf.c, helpers.c: what the helpers return and
 *            when.
 * Shapes     a map is known by the address of its definition; kind, capacity and sizes come from
 *            the types of the definition's members, as libbpf reads them from BTF. `shim` is the
 *            machine: who runs, what the clock says, what the probe's cookie is, and the target's
 *            memory.
 * Stricter   than the kernel: a hash element that is deleted or replaced is freed at once, so that
 *            the sanitizer sees every use of it afterwards. (In the kernel it may be reused at
 *            once.)
 * Failure    shim_set_capacity() makes a map small; shim.fail_updates lets the next updates fail
 *            with -ENOMEM, as they do when the kernel's allocator is exhausted.
 * Threads    one at a time: interleaving is what the test does by changing shim.tid between hits.
 */
#ifndef PYLEAKTRACE_TESTS_HOST_BPF_SHIM_H
#define PYLEAKTRACE_TESTS_HOST_BPF_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/types.h>
#include <uthash.h>

#include "memory_image.c"

/* "#pragma unroll" is clang's */
#pragma GCC diagnostic ignored "-Wunknown-pragmas"

#define SEC(name)
#define __uint(name, val) int(*name)[val]
#define __type(name, val) __typeof__(val) *name
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#define barrier()        __asm__ volatile("" : : : "memory")
#define barrier_var(var) __asm__ volatile("" : "+r"(var))

/* ---- the machine ---------------------------------------------------------------------------- */

#define SHIM_CPUS   4
#define SHIM_EVENTS 4096

struct pt_regs {
	__u64 arguments[6];
	__u64 ip, sp, ax, bx, cx, dx, si, di, bp, r8, r9, r10, r11, r12, r13, r14, r15;
	__u64 result;
};

struct shim {
	struct pt_regs registers; /* of the thread that runs, in a system call */
	__u32 tgid, tid;
	__u32 cpu;
	__u64 thread_pointer;
	bool shares_memory; /* what the kernel knows of the task that is made */
	bool last_thread;   /* what the kernel knows of the thread that ends */
	__u32 exit_status;
	__u64 random;
	__u64 time_ns; /* one more at each look */
	__u64 cookie;
	bool ring_full;
	unsigned fail_updates; /* this many updates of hash maps fail from now on */
	struct memory_image memory;
	void *events[SHIM_EVENTS]; /* as they were submitted */
	unsigned n_events;
	void *event_in_work; /* reserved and not submitted */
};

static struct shim shim;

/* ---- maps ----------------------------------------------------------------------------------- */

struct shim_element {
	UT_hash_handle hh;
	__u64 key; /* keys are of 4 or 8 bytes */
	__u64 value[];
};

struct shim_map {
	const void *definition;
	__u32 type, max_entries, key_size, value_size;
	struct shim_element *elements; /* hash */
	__u32 n_elements;
	__u8 *array; /* array, made when first touched */
};

#define SHIM_MAPS 24

static struct shim_map shim_maps[SHIM_MAPS];

static struct shim_map *shim_map(const void *definition, __u32 type, __u32 max_entries,
				 __u32 key_size, __u32 value_size)
{
	struct shim_map *map = shim_maps;

	while (map < shim_maps + SHIM_MAPS && map->definition && map->definition != definition)
		map++;
	if (map == shim_maps + SHIM_MAPS)
		abort();
	if (!map->definition)
		*map = (struct shim_map){definition, type, max_entries, key_size,
					 value_size, NULL, 0,           NULL};
	return map;
}

#define SHIM_MAP(map)                                                            \
	shim_map((map), sizeof(*(map)->type) / sizeof(int),                      \
		 sizeof(*(map)->max_entries) / sizeof(int), sizeof(*(map)->key), \
		 sizeof(*(map)->value))

/* Capacity of a map, set before it is used as session.c does before the load. */
#define shim_set_capacity(map, n) (SHIM_MAP(map)->max_entries = (n))
#define shim_count(map)           (SHIM_MAP(map)->n_elements)

static size_t shim_array_bytes(const struct shim_map *map)
{
	return (size_t)map->max_entries * map->value_size *
	       (map->type == BPF_MAP_TYPE_PERCPU_ARRAY ? SHIM_CPUS : 1);
}

static void *shim_array_at(struct shim_map *map, __u32 index, __u32 cpu)
{
	if (index >= map->max_entries)
		return NULL;
	if (!map->array)
		map->array = calloc(1, shim_array_bytes(map));
	if (map->type == BPF_MAP_TYPE_PERCPU_ARRAY)
		index = index * SHIM_CPUS + cpu;
	return map->array + (size_t)index * map->value_size;
}

static __u64 shim_key(const struct shim_map *map, const void *key)
{
	__u64 word = 0;

	memcpy(&word, key, map->key_size);
	return word;
}

static struct shim_element *shim_find(struct shim_map *map, __u64 key)
{
	struct shim_element *element;

	HASH_FIND(hh, map->elements, &key, sizeof(key), element);
	return element;
}

static void *shim_lookup(struct shim_map *map, const void *key)
{
	struct shim_element *element;

	if (map->type != BPF_MAP_TYPE_HASH)
		return shim_array_at(map, (__u32)shim_key(map, key), shim.cpu);
	element = shim_find(map, shim_key(map, key));
	return element ? element->value : NULL;
}

static long shim_delete(struct shim_map *map, const void *key)
{
	struct shim_element *element = shim_find(map, shim_key(map, key));

	if (map->type != BPF_MAP_TYPE_HASH)
		return -EINVAL;
	if (!element)
		return -ENOENT;
	HASH_DELETE(hh, map->elements, element);
	map->n_elements--;
	free(element);
	return 0;
}

static long shim_update(struct shim_map *map, const void *key, const void *value, __u64 flags)
{
	struct shim_element *old, *new;

	if (map->type != BPF_MAP_TYPE_HASH) {
		void *at = shim_array_at(map, (__u32)shim_key(map, key), shim.cpu);

		if (at && !(flags & BPF_NOEXIST))
			memcpy(at, value, map->value_size);
		return flags & BPF_NOEXIST ? -EEXIST : at ? 0 : -E2BIG;
	}
	old = shim_find(map, shim_key(map, key));
	if (old && flags == BPF_NOEXIST)
		return -EEXIST;
	if (!old && flags == BPF_EXIST)
		return -ENOENT;
	if (!old && map->n_elements >= map->max_entries)
		return -E2BIG;
	if (shim.fail_updates) {
		shim.fail_updates--;
		return -ENOMEM;
	}
	new = calloc(1, sizeof(*new) + ((map->value_size + 7) & ~7u));
	new->key = shim_key(map, key);
	memcpy(new->value, value, map->value_size);
	if (old)
		shim_delete(map, key);
	HASH_ADD(hh, map->elements, key, sizeof(new->key), new);
	map->n_elements++;
	return 0;
}

#define bpf_map_lookup_elem(map, key) shim_lookup(SHIM_MAP(map), (key))
#define bpf_map_update_elem(map, key, value, flags) \
	shim_update(SHIM_MAP(map), (key), (value), (flags))
#define bpf_map_delete_elem(map, key) shim_delete(SHIM_MAP(map), (key))

/* never made: facts.zero is 0 */
#define bpf_tail_call(ctx, map, index) ((void)(ctx), (void)(map))

/* The callback may delete the element that it was given; what it adds may or may not be visited. */
#define bpf_for_each_map_elem(map, callback, context, flags)                                 \
	do {                                                                                 \
		struct shim_element *each_, *next_;                                          \
                                                                                             \
		HASH_ITER (hh, SHIM_MAP(map)->elements, each_, next_) {                      \
			__u64 key_ = each_->key;                                             \
                                                                                             \
			if (callback((void *)(map), &key_, (void *)each_->value, (context))) \
				break;                                                       \
		}                                                                            \
	} while (0)

/* ---- other helpers -------------------------------------------------------------------------- */

static inline __u64 bpf_get_current_pid_tgid(void)
{
	return (__u64)shim.tgid << 32 | shim.tid;
}

static inline __u64 bpf_ktime_get_ns(void)
{
	return ++shim.time_ns;
}

/* xorshift; a test sets the seed, which must not be 0 */
static inline __u32 bpf_get_prandom_u32(void)
{
	shim.random ^= shim.random << 13;
	shim.random ^= shim.random >> 7;
	shim.random ^= shim.random << 17;
	return (__u32)(shim.random >> 32);
}

static inline __u64 bpf_get_attach_cookie(void *ctx)
{
	return shim.cookie;
}

static inline long bpf_probe_read_user(void *to, __u32 size, const void *address)
{
	return image_read(&shim.memory, to, size, (__u64)address);
}

static inline __u64 thread_pointer(void)
{
	return shim.thread_pointer;
}

static inline long bpf_probe_read_kernel(void *to, __u32 size, const void *address)
{
	return image_read(&shim.memory, to, size, (__u64)address);
}

static inline const struct pt_regs *user_registers(void)
{
	return &shim.registers;
}

static inline bool shares_memory(__u64 task)
{
	return shim.shares_memory;
}

static inline bool last_thread(void)
{
	return shim.last_thread;
}

static inline __u32 exit_status(void)
{
	return shim.exit_status;
}

static inline void *bpf_ringbuf_reserve(const void *map, __u64 size, __u64 flags)
{
	if (shim.event_in_work)
		abort();
	if (shim.ring_full || shim.n_events == SHIM_EVENTS)
		return NULL;
	shim.event_in_work = malloc(size); /* not zeroed in the kernel either */
	return shim.event_in_work;
}

static inline void bpf_ringbuf_submit(void *event, __u64 flags)
{
	if (!event || event != shim.event_in_work)
		abort();
	shim.events[shim.n_events++] = event;
	shim.event_in_work = NULL;
}

/* ---- contexts of the programs --------------------------------------------------------------- */

#define PT_REGS_PARM1(ctx) ((ctx)->arguments[0])
#define PT_REGS_PARM2(ctx) ((ctx)->arguments[1])
#define PT_REGS_PARM3(ctx) ((ctx)->arguments[2])
#define PT_REGS_SP(ctx)    ((ctx)->sp)
#define PT_REGS_RC(ctx)    ((ctx)->result)

struct trace_event_raw_sys_enter {
	unsigned long args[6];
};

struct trace_event_raw_sys_exit {
	long ret;
};

struct bpf_perf_event_data {
	struct pt_regs regs;
	__u64 addr;
};

int on_entry(struct pt_regs *ctx);
int on_return(struct pt_regs *ctx);
int on_enter_mmap(struct trace_event_raw_sys_enter *ctx);
int on_enter_munmap(struct trace_event_raw_sys_enter *ctx);
int on_enter_mremap(struct trace_event_raw_sys_enter *ctx);
int on_exit_mapping(struct trace_event_raw_sys_exit *ctx);
int on_syscall(void *ctx);
int on_loader(struct pt_regs *ctx);
int on_thread_exit(void *ctx);
int on_exec(void *ctx);
int on_fork(__u64 *ctx);
int on_nothing(struct pt_regs *ctx);
int on_watchpoint(struct bpf_perf_event_data *ctx);
int on_string_op(struct bpf_perf_event_data *ctx);

/* Everything empty, as after a load; capacities as in the definitions again. */
static void shim_reset(void)
{
	for (unsigned i = 0; i < SHIM_MAPS; i++) {
		struct shim_element *element, *next;

		HASH_ITER (hh, shim_maps[i].elements, element, next) {
			HASH_DELETE(hh, shim_maps[i].elements, element);
			free(element);
		}
		free(shim_maps[i].array);
	}
	while (shim.n_events > 0)
		free(shim.events[--shim.n_events]);
	memset(shim_maps, 0, sizeof(shim_maps));
	image_reset(&shim.memory);
	memset(&shim, 0, sizeof(shim));
}

#endif
