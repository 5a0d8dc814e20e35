/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session: one watched process: BPF object, maps, probes, steering; their life from load to detach.
 *
 *      session_open()    load, with the facts of this target; maps sized
 *      session_attach()  all probes placed, target steered; nothing is recorded yet
 *      session_start()   recording begins, at one moment for all probes
 *      session_stop()    recording ends, at one moment; the maps stay readable
 *      session_detach()  steering undone, probes gone
 *      session_close()   maps gone
 *
 * With session_options.by_parts nothing is recorded before a part is switched on, as often as one likes:
 *
 *      session_part_on()  ─▶ session_record(true) ─▶ session_record(false) ─▶ session_part_off()
 *      probes, steering      a moment: blocks from     a moment: who is          steering, probes undone
 *                            here on count             alive now, is alive
 *
 * Place      layer 3; made by cli; snapshot reads its maps. The only room that knows the skeleton.
 * Ownership  the runtime, process and plan handed in must outlive the session.
 * Errors     -ERR_KERNEL: the kernel refuses the program (the sentence has the program and the verifier's last word) or
 *            lacks something; -ERR_PERMISSION; -ERR_FAILED.
 *            After a failed session_attach() nothing is left in the target.
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

/* time between two moments that are looked at, on each CPU; odd, so that it does not go with what the target does */
#define SESSION_MOMENT_NS 1999993
/* threads of a target that may change the containers with watchpoints at one time; 9 KiB of kernel memory each */
#define SESSION_WATCH_THREADS 1024

struct session_options {
	uint32_t max_blocks; /* live blocks */
	uint32_t max_stacks; /* sites */
	uint64_t min_size, max_size;
	/*
	 * Unwind tables of the target's code, compiled; borrowed. NULL: C frames are not walked. Where the verifier
	 * refuses a program that walks them the session has none (session_no_native()), and does not use the tables.
	 */
	struct code_tables *code;
	bool by_parts; /* parts are switched on and off by the caller; else all are on from attach to detach */
	bool multi;     /* many places in one link, see attach.h */
	bool by_thread; /* stacks of different threads are different stacks */
	bool verbose; /* libbpf's own words go to stderr, and those of the verifier where it refuses */
	FILE *refusals; /* the last lines of the verifier, where it refuses; NULL: nobody reads them */
	/*
	 * Containers whose size fields get watchpoints, at most ABI_MAX_WATCHES; 0: none. With them nothing else is
	 * traced: the plan is empty.
	 */
	const struct watchpoint *watchpoints;
	unsigned n_watchpoints;
	bool moments; /* count those at which the target moves or fills bytes in bulk (watch_cost.h) */
};

int session_open(struct session **out, const struct process *process,
		 const struct py_runtime *runtime, const struct plan *plan,
		 const struct session_options *options, struct err *err);
int session_attach(struct session *session, struct err *err);
/* The probes that were appended to the plan while the session was attached: from `first` on. */
int session_attach_more(struct session *session, unsigned first, struct err *err);
void session_start(struct session *session);
void session_stop(struct session *session);

/* 0, or the error of putting the steered words back (the probes are gone in any case). Idempotent. */
int session_detach(struct session *session, struct err *err);
void session_close(struct session *session); /* detaches if need be; accepts NULL */

/* Why C frames are not walked though session_options.code was given, in a few words; NULL: they are. */
const char *session_no_native(const struct session *session);

/*
 * Has somebody else written to the allocator tables while they were steered: the target itself (tracemalloc, a profiler), or
 * another tool? Not all allocations of objects are seen since then. Looked at by this call where all parts are on from attach
 * to detach, else at the end of each window.
 */
bool session_steering_lost(struct session *session);

/* Recording has begun and not ended; false also when the target replaced itself (exec). */
bool session_active(const struct session *session);
/* The target called exec() while it was watched. */
bool session_execed(const struct session *session);
/* How the target ended, as wait(2) states it (WIFEXITED() and so on); -1: it has not, or it is not known. */
int session_wait_status(const struct session *session);

/* ---- parts (session_options.by_parts) ---------------------------------------------------------------------- */

/* Are malloc and objects two parts (enum abi_part)? Else there is ABI_PART_NATIVE alone, which has everything. */
bool session_split(const struct session *session);

/*
 * Have the probes of a part in place, and the target steered. Nothing is recorded by that. With plan.switchable part
 * object costs the steering alone: its probes are there from session_attach() on, and nobody comes by them.
 *
 * After an error the part is off.
 */
int session_part_on(struct session *session, enum abi_part part, struct err *err);

/* Recording ends, if it has not; then the same backwards. 0, or the error of the steering; the part is off. */
int session_part_off(struct session *session, enum abi_part part, struct err *err);

/*
 * The target comes by the probes of a part that is off, and pays for it: they are taken out, and from now on they are there
 * only while the part is on.
 */
void session_part_leave(struct session *session, enum abi_part part);

/*
 * Recording begins or ends, at one moment for all threads. With a begin all blocks and calls of the part that are
 * still known become void.
 *
 * return the moment, CLOCK_MONOTONIC: of the begin, no block is older; of the end, no block is younger than by what a
 *        hit takes that had begun
 */
uint64_t session_record(struct session *session, enum abi_part part, bool on);

/*
 * From here on only a sample of the blocks of a domain is recorded, by bytes: a point every 2^shift bytes on the average
 * (bpf/sample.bpf.h). shift: 0: all are; at most ABI_SAMPLE_SHIFT_MAX. Blocks that are known stay so.
 */
void session_set_sampling(struct session *session, unsigned domain, unsigned shift);

/* ---- system calls ------------------------------------------------------------------------------------------- */

/*
 * While mappings are traced (ABI_PART_NATIVE is on) each system call of every process of the system takes so many ns more:
 * measured on a call that is not traced itself, whenever the tracepoints are attached. 0: not known, or there are none.
 */
double session_syscall_ns(const struct session *session);

/* The same, with the tracepoints there for a moment: before anything is attached. */
double session_measure_syscall(struct session *session);

/*
 * Count the target's system calls, and those of others (ABI_COUNT_SYSCALLS, ABI_COUNT_OTHER_SYSCALLS), for a moment: each of them
 * takes session_count_ns() more meanwhile. return false: they are not counted
 */
bool session_count_syscalls(struct session *session, bool on);
double session_count_ns(const struct session *session);

/* ---- watchpoints ------------------------------------------------------------------------------------------- */

/* What BPF knows of watchpoint i: changes while one looks. */
const volatile struct abi_watch *session_watch(const struct session *session, unsigned i);

/*
 * The field had this value, read while its watchpoints were set: of use as long as no hit has been seen, which knows
 * better. return false: one has.
 */
bool session_watch_begin(struct session *session, unsigned i, int64_t value);

/* Hits and moments that may be counted from the start on; at that many recording ends (session_watch_over()). */
void session_allow(struct session *session, uint64_t hits, uint64_t moments);
bool session_watch_over(const struct session *session);
bool session_watch_slow(const struct session *session); /* it was the moments */

/* The watchpoints hit no more; what they counted stays readable until session_detach(). */
void session_watch_disarm(struct session *session);

/* What the processor's events counted, all threads together; false: it cannot be read. */
bool session_watch_events(const struct session *session, unsigned i, uint64_t *hits);

/* Moments at which the target moved or filled bytes in bulk, so far, ... */
uint64_t session_watch_moments(const struct session *session);
/* ... and how often its threads came or went; only while there are watchpoints. */
uint64_t session_watch_switches(const struct session *session);

/* The program of the watchpoints, for watch_cost_trap(). */
int session_watch_program(const struct session *session);

/* ---- for snapshot --------------------------------------------------------------------------------------- */

struct session_view {
	int blocks_fd, mappings_fd, threads_fd;
	const struct abi_site *sites; /* mapped: changes while one looks */
	const struct abi_chunk *frames;
	uint32_t n_sites; /* ids below this may be in use */
	uint32_t max_sites, max_chunks;
};

void session_look(const struct session *session, struct session_view *view);

/*
 * Sites that nothing refers to any more, so that their places may have other stacks (session_sites.c; which ones,
 * snapshot/reclaim.h decides):
 *
 *     in use ── hide ──▶ no stack finds it ── settle, look again ──▶ clear ──▶ free ──▶ taken: in use, of another stack
 *                                └───── show: it was used after all
 *
 * All from one thread; ids from ABI_FIRST_SITE to n_sites of a view.
 */

/* From now on only who has already found it by its stack goes on to use it. return false: it was not to be found */
bool session_site_hide(struct session *session, uint32_t site);

/* It can be found again, unless its stack has another site by now. */
void session_site_show(struct session *session, uint32_t site);

/*
 * All hits that were at work have ended. It takes some milliseconds. return false: this kernel cannot tell
 * (membarrier(2) where processors run without ticks)
 */
bool session_settle(void);

/* It has no stack and has counted nothing. Nobody finds it, so nobody counts meanwhile. */
void session_site_clear(struct session *session, uint32_t site);

/*
 * Free sites that have been taken since the last time. session_settle() comes before more are put, or a hit that is still
 * taking one could find another in its place.
 */
void session_sites_taken(struct session *session, void (*see)(void *context, uint32_t site),
			 void *context);

/* Have stacks found no room since session_sites_taken()? */
bool session_sites_missed(const struct session *session);

/* A cleared site waits for a stack. return false: ABI_FREE_ROOM of its kind do already */
bool session_site_free(struct session *session, uint32_t site);

/* Sums over all CPUs since session_start(); counts[ABI_COUNTERS]. */
int session_counters(const struct session *session, uint64_t *counts);

/* Kernel memory of all maps now, in bytes, see map_memory.h. */
uint64_t session_maps_bytes(const struct session *session);

/* One line per map: name, entries, memory. */
void session_print_maps(FILE *out, const struct session *session);

/* File descriptor for poll(): readable when there are events. */
int session_events_fd(const struct session *session);

/* To be called before the code map is updated: what is unmapped from here on the update may not know. */
void session_read_code(struct session *session);

/*
 * The mappings have been read: what has changed in the code map is brought into the maps (when C frames are walked).
 *
 * in     changed: ranges are not what they were, or the target shall ask again for what it asked for in vain
 */
void session_publish_code(struct session *session, bool changed);

/* Has the target executable memory that is in no range (since the last session_read_code())? */
bool session_wants_code(const struct session *session);

/*
 * Take the waiting events: on_site is called with the id of each new site.
 *
 * return the number of events
 */
int session_events(struct session *session, void (*on_site)(void *context, uint32_t site),
		   void *context);

/* Links of this session's programs also serve the calibration of probe costs; see cost.h. */
struct bpf_program;
struct bpf_program *session_program(const struct session *session, bool returns);
bool session_multi(const struct session *session); /* for links.multi */

#endif
