/* SPDX-License-Identifier: BSD-2-Clause
 *
 * judge_run: the blocks of a pool -> the objects in them, fast.
 *
 * Nearly every block is like one that was met before: of this size, with an object of this type in this
 * place. What was found out about that one is kept (struct run_known), and the block is judged by
 * comparing a few words. Whatever is not just as usual goes to judge_block(): the verdicts are the
 * same.
 *
 * Place      the census; called by scan.
 * Source     as judge.
 * Shapes     objects that have no memory besides their block are added to their types here; the
 *            others are shown to the taker, who does that.
 * Bounds     RUN_KNOWN entries, each in the one place where it would be.
 */
#ifndef PYLEAKTRACE_CENSUS_JUDGE_RUN_H
#define PYLEAKTRACE_CENSUS_JUDGE_RUN_H

#include "census/judge.h"

#define RUN_KNOWN 512u

/* Objects of a type in blocks of a size. */
struct run_known {
	uint64_t address; /* of the type; 0: no entry */
	struct census_type *type;
	uint32_t size;
	uint16_t offset; /* of the object in the block */
	bool fits;       /* whatever is in the object */
	bool has_all;    /* no memory besides the block */
};

struct run_judge {
	const struct judge *judge;
	struct run_known known[RUN_KNOWN];
};

struct run_taker {
	void (*take)(void *context, const struct found *found);
	void *context;
	bool all; /* show all objects */
};

/* return how many objects were not shown */
uint32_t judge_run(struct run_judge *judge, const struct block_run *blocks,
		   const struct run_taker *taker);

#endif
