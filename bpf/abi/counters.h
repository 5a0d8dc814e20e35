/* SPDX-License-Identifier: BSD-2-Clause
 *
 * counters: one list of all that is counted in the kernel: measures first, then losses. A loss has
 * a name and a sentence that user space shows whenever the count is not zero
 * (user/snapshot/losses.c).
 *
 * X(id, name, sentence)
 */
#ifndef PYLEAKTRACE_ABI_COUNTERS_H
#define PYLEAKTRACE_ABI_COUNTERS_H

#define ABI_MEASURES(X)                                                                            \
	X(HITS_EMULATED, "hits_emulated", "entry probe hits on emulated instructions")             \
	X(HITS_STEPPED, "hits_stepped", "entry probe hits on single-stepped instructions")         \
	X(HITS_RETURN, "hits_return", "return probe hits")                                         \
	X(HITS_SYSCALL, "hits_syscall", "system calls seen")                                       \
	X(SYSCALLS, "syscalls", "system calls of any kind, in moments at which they were counted") \
	X(OTHER_SYSCALLS, "other_syscalls", "those of other processes meanwhile")                  \
	X(TIMED_ENTRY, "timed_entry", "entry hits that were timed")                                \
	X(TIMED_ENTRY_NS, "timed_entry_ns", "their time")                                          \
	X(TIMED_RETURN, "timed_return", "return hits that were timed")                             \
	X(TIMED_RETURN_NS, "timed_return_ns", "their time")                                        \
	X(UNKNOWN_FREES, "unknown_frees", "frees of blocks from before the attach")                \
	X(UNKNOWN_UNMAPS, "unknown_unmaps", "unmapped ranges that were not known")                 \
	X(FAILED_CALLS, "failed_calls", "allocator calls that returned no memory")                 \
	X(FILTERED, "filtered", "blocks kept out by -z, -Z")                                       \
	X(COLLISIONS, "collisions", "stacks distinguished by their frames, not their hash")        \
	X(MISSED_FREES, "missed_frees",                                                            \
	  "blocks were still outstanding when their address was given out again: a free was not "  \
	  "seen")

#define ABI_LOSSES(X)                                                                              \
	X(BLOCKS_FULL, "blocks_full",                                                              \
	  "allocations were not recorded because the map of live blocks is full (-X max-blocks)")  \
	X(MAPPINGS_FULL, "mappings_full",                                                          \
	  "mappings were not recorded because the map of mappings is full")                        \
	X(STACKS_FULL, "stacks_full",                                                              \
	  "allocations share one entry without a stack because the stack maps are full "           \
	  "(-X max-stacks)")                                                                       \
	X(THREADS_FULL, "threads_full",                                                            \
	  "allocator calls were not seen because too many threads are known at one time")          \
	X(CALLS_ABANDONED, "calls_abandoned",                                                      \
	  "allocator calls never returned to their caller (longjmp, thread cancelled); their "     \
	  "result is unknown")                                                                     \
	X(RESULT_UNREADABLE, "result_unreadable", "results of posix_memalign could not be read")   \
	X(TSTATE_UNREADABLE, "tstate_unreadable",                                                  \
	  "stacks are empty because the thread's Python state could not be read")                  \
	X(FRAME_UNREADABLE, "frame_unreadable",                                                    \
	  "stacks end early because a frame could not be read")                                    \
	X(STACKS_CUT, "stacks_cut", "allocations had stacks deeper than the frames that are kept") \
	X(UNMAP_UNDONE, "unmap_undone",                                                            \
	  "munmap calls failed after their range had been taken off the account")                  \
	X(EVENTS_LOST, "events_lost",                                                              \
	  "new stacks were not announced at once; a name may have been read late")

enum abi_counter {
#define X(id, name, sentence) ABI_COUNT_##id,
	ABI_MEASURES(X) ABI_LOSSES(X)
#undef X
		ABI_COUNTERS
};

#define ABI_FIRST_LOSS ABI_COUNT_BLOCKS_FULL

#endif
