/* SPDX-License-Identifier: BSD-2-Clause
 *
 * records: keys and values of the maps, and the cookies of the probes. See bpf/README.md for who
 * writes what.
 */
#ifndef PYLEAKTRACE_ABI_RECORDS_H
#define PYLEAKTRACE_ABI_RECORDS_H

#include "abi/frame.h"
#include "abi/limits.h"
#include "abi/unwind.h"

enum abi_domain {
	ABI_MALLOC = 0,
	ABI_OBJECT = 1,
	ABI_MMAP = 2,
	ABI_DOMAINS = 3,
};

/*
 * What is recorded or not at one time. Where the two are split (facts.split) each has its own calls
 * in flight and its own blocks, and neither knows of the other; else there is ABI_PART_NATIVE
 * alone, which has all domains.
 */
enum abi_part {
	ABI_PART_NATIVE = 0, /* domains malloc and mmap */
	ABI_PART_OBJECT =
		1, /* domain object: blocks of pymalloc's pools, at most facts.small_max bytes */
	ABI_PARTS = 2,
};

/* What a probed function does; where its arguments are. CPython's functions take a context
 * first. */
enum abi_call_kind {
	ABI_CALL_MALLOC = 1,     /* (size); also valloc */
	ABI_CALL_CALLOC,         /* (count, size) */
	ABI_CALL_REALLOC,        /* (old, size) */
	ABI_CALL_REALLOCARRAY,   /* (old, count, size) */
	ABI_CALL_FREE,           /* (old) */
	ABI_CALL_POSIX_MEMALIGN, /* (&result, alignment, size) */
	ABI_CALL_ALIGNED,        /* (alignment, size): aligned_alloc, memalign */
	ABI_CALL_PVALLOC,        /* (size), which it may round up before it jumps on */
	ABI_CALL_NEW,            /* (size); may throw, so that its end is seen at ABI_CALL_END */
	ABI_CALL_DELETE,         /* (old); may go on to ABI_CALL_FREE, or to one of its own kind */
	ABI_CALL_PY_MALLOC,      /* (ctx, size) */
	ABI_CALL_PY_CALLOC,      /* (ctx, count, size) */
	ABI_CALL_PY_REALLOC,     /* (ctx, old, size) */
	ABI_CALL_PY_FREE,        /* (ctx, old) */
	ABI_CALL_ARENA,          /* pymalloc gets an arena; recorded only where objects are not */
	ABI_CALL_END,   /* no function: an instruction `ret` at which an ABI_CALL_NEW ends */
	ABI_CALL_THROW, /* an exception is thrown, which leaves an ABI_CALL_NEW */
	ABI_CALL_MMAP,  /* system calls from here on */
	ABI_CALL_MREMAP,
	ABI_CALL_MUNMAP,
};

/*
 * Cookie of an entry probe: kind in bits 0-7, domain in 8-15, bytes pushed before the place in
 * 16-31, cost class of the place (0 emulated, 1 single-stepped) in 32-39.
 */
#define ABI_COOKIE(kind, domain, pushed, cost) \
	((__u64)(kind) | ((__u64)(domain) << 8) | ((__u64)(pushed) << 16) | ((__u64)(cost) << 32))
#define ABI_COOKIE_KIND(cookie)   ((__u32)((cookie)&0xff))
#define ABI_COOKIE_DOMAIN(cookie) ((__u32)(((cookie) >> 8) & 0xff))
#define ABI_COOKIE_COST(cookie)   ((__u32)(((cookie) >> 32) & 0xff))
#define ABI_COOKIE_PUSHED(cookie) ((__u32)(((cookie) >> 16) & 0xffff))

/* Map `blocks`, key: address. Map `mappings` too. */
struct abi_block {
	__u64 size;    /* bytes asked for */
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 site;    /* index into `sites` */
	__u16 domain;
	__u16 flags; /* ABI_BLOCK_* */
};

/* Bits 8 to 12 of the flags: the shift with which it was sampled (bpf/sample.bpf.h); 0: it was
 * not. */
#define ABI_SAMPLE_SHIFT_MAX     31
#define ABI_BLOCK_SHIFT(flags)   ((flags) >> 8 & ABI_SAMPLE_SHIFT_MAX)
#define ABI_BLOCK_SAMPLED(shift) ((__u16)((shift) << 8))

/* Allocated by CPython's functions, which got it from libc's: its free will be seen at both. */
#define ABI_BLOCK_LIBC 1

/*
 * Map `sites`, index: site id. Ids below ABI_FIRST_SITE take what found no room, one per domain.
 *
 * Of a watchpoint (watchpoint.bpf.h) the domain is the number of the container, allocated_* are
 * items and hits by which it grew, freed_* those by which it became smaller.
 */
struct abi_site {
	/* sums since the attach, changed by atomic additions */
	__u64 allocated_bytes, allocated_count;
	__u64 freed_bytes, freed_count;
	__u64 hash;        /* of the frames and the domain; 0: this id is not (yet) in use */
	__u32 first_chunk; /* index into `frames`, of the first of n_chunks that are this site's for
			      ever */
	__u32 n_chunks;    /* at least ABI_CHUNKS(n_frames) */
	__u32 n_frames;
	__u32 domain;
};

/*
 * Free sites of one class (ABI_CHUNKS of their stacks to come), in `free_sites` from class *
 * ABI_FREE_ROOM on, each place modulo ABI_FREE_ROOM. User space puts, BPF takes. All numbers only
 * grow, and wrap.
 */
struct abi_free_ring {
	__u32 put, taken;
	__u32 missed; /* stacks that found neither a free site of this class nor a new one */
};

/* containers that are watched at one time: a processor has four debug registers */
#define ABI_MAX_WATCHES 4

/* domains, or containers */
#define ABI_FIRST_SITE 4
_Static_assert(ABI_FIRST_SITE >= ABI_DOMAINS && ABI_FIRST_SITE >= ABI_MAX_WATCHES,
	       "each has a site for what finds no room");

/*
 * A container whose size field has a watchpoint; in `watches`, .bss. User space writes the first
 * three before the watchpoints are set, and `last` while it is ABI_NOT_SEEN; BPF the rest. All hits
 * of one container come one after the other: who writes the field holds the GIL.
 */
struct abi_watch {
	__u64 field;      /* address of the size field; 0: none */
	__u64 type_field; /* address of the ob_type of the container */
	__u64 type;       /* what it must have there */
	__s64 last;       /* the field after the last hit, also before `active` and after it */
	__s64 first;   /* the field before the first hit that was counted; ABI_NOT_SEEN: none was */
	__u64 hits;    /* of all, ... */
	__u64 counted; /* ... of those while active, ... */
	__u64 same;    /* ... that left the field as it was, ... */
	__u64 foreign; /* ... where the object was not of its type (any more), ... */
	__u64 unread;  /* ... where it could not be read */
	__u64 ns;      /* time in the program, of all */
	__u64 refs; /* the field is a reference count in its low 32 bits: the object dies with 0 */
	__u64 dead; /* it has; hits from then on are foreign */
	__u64 each; /* the object is a class: each change is an abi_class_hit too */
};

/*
 * One change of a class's reference count; map `class_hits`, in the order of the changes. Which are
 * instances that came or went is for user space to say: one of the registers points to them.
 */
struct abi_class_hit {
	__u64 time_ns;                            /* CLOCK_MONOTONIC */
	__u64 ip;                                 /* behind the instruction that wrote */
	__u32 site;                               /* index into `sites` */
	__s32 step;                               /* references more, or less */
	__u64 registers[ABI_CLASS_HIT_REGISTERS]; /* those that may hold an object */
};

/*
 * Samples in which a CPU ran the target, at a fixed interval on each CPU, while there are
 * watchpoints; .bss. See string_op.bpf.h. User space writes `allowed`.
 */
struct abi_string_op_samples {
	__u64 seen;
	__u64 at_string; /* of those, at an instruction that moves or fills many bytes */
	__u64 allowed;   /* at this many of them counting ends, until user space allows more */
};

#define ABI_NOT_SEEN (-0x7fffffffffffffffll - 1)

/* The outermost allocator call or mapping call a thread is in. */
struct abi_call {
	__u64 sp; /* address of the return address; 0: no call */
	__u64 size;
	__u64 old_address; /* realloc, mremap; or where posix_memalign puts its result */
	/* taken out of the map until the call returns; time_ns 0: was not known */
	struct abi_block old;
	__u32 kind;
	__u16 domain;
	__u16 flags; /* ABI_BLOCK_* of the block to come */
	__u32 turn;  /* turns[] of its part when it began: what is of an earlier turn is over */
	__u32 pad;
};

/*
 * A code object whose signature is known, and where one of its copies begins; good as long as no
 * code object and no copy has been freed since (`code_epoch`).
 */
struct abi_known_code {
	__u64 code;
	__u32 signature;
	__u32 epoch;
	__u64 bytecode;
	__u32 copy; /* index of the copy that begins at `bytecode`; 0: none is known */
	__u32 pad;
};

/* What the tables say of an address of code; good as long as code_state has the same number of
 * turns. */
struct abi_known_rule {
	__u64 at;
	__u32 rule; /* index in `code_rules`; 0: nothing is known */
	__u32 module;
	__u32 turns;
	__u32 pad;
};

/* Map `threads`, key: tid. */
struct abi_thread {
	struct abi_call calls[ABI_PARTS];
	struct abi_call syscall; /* sp: 1 while in one */
	__u64 syscall_flags;
	__u64 thread_pointer; /* 0: not known yet */
	__u64 slots[3]; /* where this thread's PyThreadState * is, per way; 0: not known yet */
	__u64 sample_left[ABI_DOMAINS];  /* bytes to the next point, and ... */
	__u32 sample_shift[ABI_DOMAINS]; /* ... for which shift that was drawn */
	__u32 sample_pad;
	__u64 last_freed; /* by CPython's free: the free of libc inside it is the same event */
	__u32 n_entries;
	__u32 fetched;      /* bytes in `memory`; 0: none */
	__u64 fetched_from; /* address of the first one */
	struct abi_known_code codes[ABI_KNOWN_CODES];
	struct abi_known_rule rules[ABI_KNOWN_RULES];
	__u64 hash; /* of the entries so far */
	/* scratch of the walk; of the thread and not of the CPU, since it may be preempted in the
	 * middle */
	struct abi_chunk entries[ABI_CHUNKS(ABI_MAX_ENTRIES)];
	/* the walk along the C frames: where it begins, then where it is */
	__u64 pc;
	__u64 exact;                 /* `pc` is an instruction, not a return address */
	__u64 code_state;            /* as it was when the walk began */
	struct abi_code_range range; /* of the last frame: the next one often lies there, too */
	__u64 regs[ABI_REGS_ROOM];   /* by enum abi_unwind_reg */
	__u64 stack_from;            /* address of stack[0] */
	__u64 stack_words;           /* of `stack` that are filled; 0: none */
	__u64 stack[ABI_STACK_WORDS];
	__u8 memory[ABI_FETCH + ABI_FRAME_WINDOW];
	/* the walk along the Python frames: where it is */
	__u64 frame;        /* to be read next; 0: the chain has ended */
	__u32 first_python; /* index of the first Python frame among the entries */
	__u32 is_cut;       /* there is a frame more than are kept */
	/* of the thread state, then of one code object after the other; too large for the BPF
	 * stack */
	__u8 window[ABI_TSTATE_WINDOW];
};

/*
 * code_state: which of the two sides of `code_ranges` counts and how many ranges it has; changed as
 * one word. The side is the lowest bit of a number that grows by one with each change.
 */
#define ABI_CODE_STATE(turns, n) ((__u64)(turns) << 32 | (n))
#define ABI_CODE_TURNS(state)    ((__u32)((state) >> 32))
#define ABI_CODE_SIDE(state)     (ABI_CODE_TURNS(state) & 1)
#define ABI_CODE_RANGES(state)   ((__u32)(state) & (2 * ABI_MAX_RANGES - 1))

_Static_assert((ABI_MAX_RANGES & (ABI_MAX_RANGES - 1)) == 0, "a mask is made of it");
_Static_assert(ABI_UNWIND_REGS <= ABI_REGS_ROOM, "every register has its place");

/* Ring buffer `events` */
enum abi_event_kind {
	ABI_EVENT_SITE = 1, /* a new site: read its names now; value: its id */
	ABI_EVENT_EXEC = 2, /* the target replaced itself; nothing is recorded from here on */
	ABI_EVENT_EXIT =
		3, /* the target's last thread ends; value: its status as wait(2) gives it */
	ABI_EVENT_CODE = 4, /* there is executable memory that is in no range: read the mappings */
	/* in ring buffer `forks`: a child has a copy of the target's memory, and of the breakpoints
	 * in it */
	ABI_EVENT_FORK = 5,
	/* watchpoints: as many hits as were allowed (value 0), or samples (1); nothing is counted
	 * from here on */
	ABI_EVENT_OVER = 6,
};

struct abi_event {
	__u32 kind;
	__u32 value;
};

#endif
