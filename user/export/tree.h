/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tree: the stacks of a profile -> one tree of calls with the outstanding bytes below each call.
 *
 * Place      layer 5, private to export; used by svg.
 * Shapes     nodes[0] is the root (frame NULL, everything below it). A parent comes before its
 *            children; the children of one node follow each other, largest first, equal ones in the
 *            order of frame_compare(). Stacks without outstanding bytes are left out; domains are
 *            not distinguished.
 * Units      start_bytes is where a node begins on the line from 0 to nodes[0].bytes: its children
 *            lie inside.
 * Ownership  tree_fini() frees; frames are the profile's.
 * Bounds     one node for each different call path; paths are followed to TREE_DEPTH_MAX frames,
 *            and what is deeper counts as the last one's own.
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_EXPORT_TREE_H
#define PYLEAKTRACE_EXPORT_TREE_H

#include "model/profile.h"

#define TREE_DEPTH_MAX 1024

struct tree_node {
	const struct frame *frame;
	size_t parent;         /* index; the root's is 0 */
	unsigned depth;        /* the root's is 0 */
	uint64_t bytes, count; /* outstanding, of this call and everything below it */
	uint64_t start_bytes;
};

struct tree {
	struct tree_node *nodes;
	size_t n_nodes;
	unsigned depth; /* of the deepest node */
};

/* Build the tree; 0, or -ERR_FAILED when memory is out (then there is nothing to free). */
int tree_init(struct tree *tree, const struct profile *profile);
void tree_fini(struct tree *tree);

#endif
