/* SPDX-License-Identifier: BSD-2-Clause
 *
 * classify_run: the blocks of a pool -> the objects in them, fast.
 *
 * Nearly every block is like one that was met before: of this size, with an object of this type in
 * this place. What was found out about that one is kept (struct run_known), and the block is judged
 * by comparing a few words. Whatever is not just as usual goes to classify_block(): the verdicts
 * are the same.
 *
 * Place      the census; called by scan.
 * Source     as classify.
 * Shapes     objects whose bytes are known from their type are added to it here; those with buffers
 *            are shown to the taker, who does that.
 * Bounds     RUN_KNOWN entries, each in the one place where it would be.
 */
#ifndef PYLEAKTRACE_CENSUS_CLASSIFY_RUN_H
#define PYLEAKTRACE_CENSUS_CLASSIFY_RUN_H

#include "census/buffers.h"
#include "census/classify.h"

#define RUN_KNOWN 512u

/* What lies in a block before the object. */
enum run_form { RUN_PLAIN, RUN_GC, RUN_PREHEADER };

#define RUN_FORMS 3

/* Objects of a type in blocks of a size. */
struct run_known {
	uint64_t address; /* of the type; 0: no entry */
	struct census_type *type;
	uint32_t size;
	uint8_t form;         /* enum run_form */
	bool fits;            /* whatever is in the object */
	bool counts;          /* it is only counted */
	bool may_have_values; /* attributes in an array of their own, of a known size */
};

struct run_classifier {
	const struct classifier *classifier;
	struct buffers *buffers;
	void (*take)(void *context, const struct found *found);
	void *context;
	bool show_all; /* to the taker */
	struct run_known known[RUN_KNOWN];
};

/* return how many objects were only counted */
uint32_t classify_run(struct run_classifier *classifier, const struct block_run *blocks);

#endif
