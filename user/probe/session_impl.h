/* SPDX-License-Identifier: BSD-2-Clause
 *
 * session_impl: what the files of session share: its state.
 *
 * Place      layer 3; session.c (life), session_load.c (sizes, facts, load), session_parts.c
 *            (attach, steer, record), session_syscalls.c, session_watch.c, session_sites.c (sites
 *            that are used again), cost.c (which calibrates with its programs), no others.
 */
#ifndef PYLEAKTRACE_PROBE_SESSION_IMPL_H
#define PYLEAKTRACE_PROBE_SESSION_IMPL_H

#include "base/lock.h"
#include "probe/attach.h"
#include "probe/clocks.h"
#include "probe/session.h"
#include "probe/sweep.h"
#include "target/loader.h"

struct abi_python;
struct pyleaktrace_bpf; /* of the skeleton, which each of them includes */

/* Whether a part is recorded, and what of it is in the target. */
struct session_part {
	struct links links;  /* its probes */
	bool attached;       /* they are there */
	bool comes_and_goes; /* they must not stay when the part is off, whatever the plan says */
	bool steered;
};

/* Of one ring of free sites, as session_sites_taken() last saw it. */
struct free_class {
	uint32_t taken, missed;
	uint32_t wanted; /* stacks that have found no room since, and get some now */
};

/* The mean of n measurements. */
struct measured {
	double ns;
	unsigned n;
};

struct session {
	struct pyleaktrace_bpf *skel;
	const struct process *process;
	const struct plan *plan;
	uint32_t max_sites, max_chunks;
	struct links links; /* what is attached all the time: threads, exec(), the loader */
	struct session_part parts[ABI_PARTS];
	bool by_parts; /* parts are switched on and off one by one */
	bool split;
	bool multi; /* see attach.h; of the parts' links, which may be hit often */
	struct loader loader;
	bool have_loader; /* else what it loads and unloads is not noticed before the next report */
	struct lock sweeping;    /* while the sweeper looks at the links of the parts */
	struct sweeper *sweeper; /* NULL: children need none, or nothing is attached */
	struct ring_buffer *events;
	void (*on_site)(void *context, uint32_t site); /* during session_events() */
	void *on_site_context;
	bool execed;
	bool steering_lost;   /* see session_steering_lost() */
	int wait_status;      /* -1: not known */
	void *sites, *frames; /* mapped */
	void *class_hits;     /* the same */
	uint64_t *free_sites; /* mapped for writing */
	struct free_class free_classes[ABI_FREE_CLASSES];
	struct bpf_link *counting;      /* system calls; NULL: not counted */
	struct measured syscall, count; /* what a system call takes more; while they are counted, in
					   addition to that */
	struct code_tables *code;       /* NULL: C frames are not walked */
	char no_native[256]; /* why they are not, though tables were there; "": they are, or there
				were none */
	struct code_tables_maps code_maps; /* mapped for writing */
	bool wants_code;
	uint32_t code_gone; /* the BPF side's, when the mappings were begun to be read */
	const struct watchpoint *watched; /* n_watched containers */
	unsigned n_watched;               /* 0: functions and system calls are probed */
	void (*aim)(void *context);       /* may be NULL */
	void *context;                    /* of aim */
	struct watchpoints *watchpoints;  /* NULL: there are none (any more) */
	struct clocks *clocks;            /* NULL: none */
	bool string_ops;
	bool watch_over, watch_slow;
};

/*
 * Open the BPF object and load it for this target. Walking C frames is most of what the verifier
 * goes through: where it refuses a program with them, without, and session->code is NULL then.
 */
int session_load(struct session *session, const struct session_options *options,
		 const struct abi_python *python, struct err *err);

/*
 * Have the tracepoints of system calls that map memory, when these are traced. As long as anybody
 * in the whole system has one of any system call, all system calls of all processes take the
 * kernel's slow way.
 */
int session_syscalls_attach(struct session *session, struct links *links, struct err *err);

/* Links of this session's programs also serve the calibration of probe costs; see cost.h. */
struct bpf_program;
struct bpf_program *session_program(const struct session *session, bool returns);
bool session_multi(const struct session *session); /* for links.multi */

#endif
