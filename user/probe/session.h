/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session: one traced process: BPF object, maps, probes, steering; their life from load to detach.
 *
 *      session_open()    load, with the facts of this target; maps sized
 *      session_attach()  all probes placed, target steered; nothing is recorded yet
 *      session_start()   recording begins, at one moment for all probes
 *      session_stop()    recording ends, at one moment; the maps stay readable
 *      session_detach()  steering undone, probes gone
 *      session_close()   maps gone
 *
 * With session_options.by_parts nothing is recorded before a part is switched on, as often as one
 * likes:
 *
 *      session_part_on()  ─▶ session_record(true) ─▶ session_record(false) ─▶ session_part_off()
 *      probes, steering      a moment: blocks from     a moment: who is          probes undone
 *                            here on count             alive now, is alive
 *
 * Place      layer 3; made by cli; snapshot reads its maps. The only room that knows the skeleton.
 * Ownership  the runtime, process and plan handed in must outlive the session.
 * Errors     -ERR_KERNEL: the kernel refuses the program (the sentence has the program and the
 *            verifier's last word) or lacks something; -ERR_PERMISSION; -ERR_FAILED. After a failed
 *            session_attach() nothing is left in the target.
 * Bounds     maps: session_options; shown by session_maps_bytes().
 */
#ifndef PYLEAKTRACE_PROBE_SESSION_H
#define PYLEAKTRACE_PROBE_SESSION_H

#include "abi/counters.h"
#include "abi/records.h"
#include "probe/code_tables.h"
#include "probe/plan.h"
#include "probe/watchpoint.h"

struct session;

/* time between two samples of a CPU; odd, so that it does not go in step with what the target
 * does */
#define SESSION_STRING_OP_NS 1999993
/* threads of a target that may change the containers with watchpoints at one time; 9 KiB of kernel
 * memory each */
#define SESSION_WATCH_THREADS 1024

struct session_options {
	uint32_t max_blocks; /* live blocks */
	uint32_t max_stacks; /* sites */
	uint64_t min_size, max_size;
	/*
	 * Unwind tables of the target's code, compiled; borrowed. NULL: C frames are not walked.
	 * Where the verifier rejects a program that walks them the session has none
	 * (session_no_native()), and does not use the tables.
	 */
	struct code_tables *code;
	bool by_parts;  /* parts are switched on and off by the caller; else all are on from attach
			   to detach */
	bool multi;     /* many places in one link, see attach.h */
	bool by_thread; /* stacks of different threads are different stacks */
	bool verbose;   /* libbpf's own words go to stderr, and the verifier's */
	FILE *refusals; /* the last lines of the verifier, where it refuses; NULL: dropped */
	/*
	 * Containers whose size fields get watchpoints, at most ABI_MAX_WATCHES; 0: none. With them
	 * nothing else is traced: the plan is empty.
	 */
	const struct watchpoint *watchpoints;
	unsigned n_watchpoints;
	/* right before they are set: the last moment to say where they go; NULL: they stay */
	void (*aim)(void *context);
	void *context;
	bool string_ops; /* count samples in which the target moves or fills many bytes
			  * (watch_cost.h)
			  */
};

int session_open(struct session **out, const struct process *process,
		 const struct py_runtime *runtime, const struct plan *plan,
		 const struct session_options *options, struct err *err);
int session_attach(struct session *session, struct err *err);
/* The probes that were appended to the plan while the session was attached: from `first` on. */
int session_attach_more(struct session *session, unsigned first, struct err *err);
void session_start(struct session *session);
void session_stop(struct session *session);

/* 0, or the error of putting the steered words back (the probes are gone in any case).
 * Idempotent. */
int session_detach(struct session *session, struct err *err);
void session_close(struct session *session); /* detaches if need be; accepts NULL */

/* Why C frames are not walked though session_options.code was given, in a few words; NULL: they
 * are. */
const char *session_no_native(const struct session *session);

/*
 * Has anyone else written to the allocator tables while they were steered: the target itself
 * (tracemalloc, a profiler), or another tool? Not all allocations of objects are seen since then.
 * Looked at by this call where all parts are on from attach to detach, else at the end of each
 * window.
 */
bool session_steering_lost(struct session *session);

/* Recording has begun and not ended; false also when the target replaced itself (exec). */
bool session_active(const struct session *session);
/* The target called exec() while it was traced. */
bool session_execed(const struct session *session);
/* How the target ended, as wait(2) states it (WIFEXITED() and so on); -1: it has not, or it is not
 * known. */
int session_wait_status(const struct session *session);

#endif
