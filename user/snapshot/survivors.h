/* SPDX-License-Identifier: BSD-2-Clause
 *
 * survivors: what windows leave: blocks that were born in a window's first half and alive at its
 * end.
 *
 *      window   |--------------+--------------|
 *                births count    others die or live        end: what is alive now has survived
 *
 * A block that is older at the end than half the window has outlived its own request, loop or
 * frame, if the window is long enough (policy.h). Survivors stay in the map of live blocks, so that
 * each later window of their domain follows them: one that is freed there, or whose place is given
 * out again, is gone. What work in progress has left goes so, window by window, and what nobody
 * frees stays: the more windows one has outlived (age) the less it can be work in progress.
 * Between windows no free is seen. But an address that holds an object of another type, or is a
 * free block of pymalloc's, has lost it for sure.
 *
 * Place      layer 4; filled by govern, read by snapshot and cli.
 * Shapes     one record a survivor, with the site that made it; sites are those of the session, for
 *            ever.
 * Units      bytes; weight: blocks that a record stands for (1, but for samples and thinned ones).
 * Errors     -ERR_FAILED: the maps cannot be read.
 * Bounds     SURVIVORS_MAX records: when they are full every second one of them, by chance, is
 *            dropped and the others stand for two. SURVIVORS_PER_WINDOW of one window, drawn by
 *            chance; of more than that each stands for several; that many are looked at before its
 *            end. SURVIVORS_TYPES names of types; what has others is "?".
 * Threads    one takes and checks, others sum up meanwhile.
 */
#ifndef PYLEAKTRACE_SNAPSHOT_SURVIVORS_H
#define PYLEAKTRACE_SNAPSHOT_SURVIVORS_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/session.h"
#include "probe/session_maps.h"
#include "python/runtime.h"

#define SURVIVORS_MAX          (1u << 14)
#define SURVIVORS_PER_WINDOW   4096
#define SURVIVORS_TYPES        4096
#define SURVIVORS_LOOK_MAX     32768

#define SURVIVORS_TYPE_UNKNOWN 1u

struct survivors;

/* runtime: of the caller's thread's own, borrowed. NULL: out of memory */
struct survivors *survivors_new(const struct process *process, const struct py_runtime *runtime,
				struct err *err);
void survivors_free(struct survivors *survivors);

/*
 * Shortly before a window ends, while it still records: what do the blocks hold that may survive
 * it? They hold what they were made for. After the end, when the target is fast again, other blocks
 * are in the places of the ones that died soon, and nothing says that.
 *
 * in     as survivors_take(), which comes next; now_ns: CLOCK_MONOTONIC
 */
void survivors_look(struct survivors *survivors, const struct session_view *view, unsigned domains,
		    uint64_t began_ns, uint64_t now_ns);

/*
 * How long that takes, by the last time; UINT64_MAX: it is not to be done this time, for it took
 * more than `most_ns`, or there were more than SURVIVORS_LOOK_MAX blocks in the map at the end of
 * the last window, or there was none yet.
 */
uint64_t survivors_look_ns(struct survivors *survivors, uint64_t most_ns);

/* What a window has left. */
struct survivors_taken {
	uint64_t alive;      /* blocks, whenever in the window they were born */
	uint64_t kept;       /* of those, born in its first half */
	uint64_t quarter[4]; /* of those alive, by when they were born */
};

/*
 * Take the blocks of these domains out of the maps, and keep the survivors. Nothing is recorded in
 * these domains any more.
 *
 * in     domains: bits of enum abi_domain; began_ns, ended_ns: of the recording
 */
int survivors_take(struct survivors *survivors, const struct session_view *view, unsigned domains,
		   uint64_t began_ns, uint64_t ended_ns, struct survivors_taken *taken,
		   struct err *err);

/* Look after some of them, the longest not looked at first: which hold something else by now? */
void survivors_check(struct survivors *survivors, unsigned most);

/*
 * Every second record, by chance, is dropped, and the others stand for two;
 * not when there are fewer than `least`. return how many there are now
 */
uint32_t survivors_halve(struct survivors *survivors, uint32_t least);

/*
 * What survived in these domains (bits) is not followed any longer: nothing of it is in the map, as
 * before all is recorded. What is not gone by then stays.
 */
void survivors_unfollow(struct survivors *survivors, unsigned domains);

/* USR2: none of what was seen counts. */
void survivors_forget(struct survivors *survivors);

/* One survivor, for summing up; gone ones included. */
struct survivor {
	uint64_t address, size;
	uint64_t born_ns;
	double weight;
	uint32_t site;
	unsigned domain;
	unsigned type_index; /* below SURVIVORS_TYPES; 0: not an object; SURVIVORS_TYPE_UNKNOWN */
	const char *
		type; /* "[buffer]" for what is not an object; valid as long as the survivors are */
	bool gone;
	uint32_t age; /* windows of its domain that it was seen to outlive, while it was followed */
};

void survivors_each(struct survivors *survivors,
		    void (*see)(void *context, const struct survivor *survivor), void *context);

#endif
