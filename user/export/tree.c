/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/tree.h"

#include <stdlib.h>

#include "base/err.h"

static int compare_paths(const void *a, const void *b)
{
	return stack_compare_frames(*(const struct stack *const *)a,
				    *(const struct stack *const *)b);
}

static size_t depth_of(const struct stack *stack)
{
	return stack->n_frames < TREE_DEPTH_MAX ? stack->n_frames : TREE_DEPTH_MAX;
}

/* The number of first frames that two stacks share. */
static size_t common(const struct stack *a, const struct stack *b)
{
	size_t n = 0;

	if (!a)
		return 0;
	while (n < depth_of(a) && n < depth_of(b) && !frame_compare(&a->frames[n], &b->frames[n]))
		n++;
	return n;
}

/*
 * Nodes in the order in which the sorted paths lead to them: parents first, siblings in no order of
 * size yet.
 */
static void add_paths(struct tree *tree, const struct stack *const *paths, size_t n_paths)
{
	size_t trail[TREE_DEPTH_MAX + 1] = {
		0}; /* the node at each depth of the path at hand; the root's is 0 */

	tree->nodes[0] = (struct tree_node){0};
	tree->n_nodes = 1;
	tree->depth = 0;
	for (size_t i = 0; i < n_paths; i++) {
		const struct stack *stack = paths[i];
		size_t depth = depth_of(stack);

		for (size_t at = common(i ? paths[i - 1] : NULL, stack); at < depth; at++) {
			tree->nodes[tree->n_nodes] = (struct tree_node){
				.frame = &stack->frames[at],
				.parent = trail[at],
				.depth = (unsigned)at + 1,
			};
			trail[at + 1] = tree->n_nodes++;
		}
		for (size_t at = 0; at <= depth; at++) {
			sum_add(&tree->nodes[trail[at]].bytes, stack->outstanding_bytes);
			sum_add(&tree->nodes[trail[at]].count, stack->outstanding_count);
		}
		if (depth > tree->depth)
			tree->depth = (unsigned)depth;
	}
}

/*
 * Families in the order of their parents, siblings largest first. The root is its own parent and
 * stays in front.
 */
static int compare_nodes(const void *a, const void *b, void *context)
{
	const struct tree_node *nodes = context;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;
	const struct tree_node *x = &nodes[i], *y = &nodes[j];

	if (!i || !j)
		return (i != 0) - (j != 0);
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return i == j ? 0 : frame_compare(x->frame, y->frame);
}

/* Put the nodes in their final order and lay siblings side by side. */
static int arrange(struct tree *tree)
{
	size_t n = tree->n_nodes;
	size_t *order = malloc(n * sizeof(*order)), *moved_to = malloc(n * sizeof(*moved_to));
	uint64_t *next_start = calloc(n, sizeof(*next_start));
	struct tree_node *sorted = malloc(n * sizeof(*sorted));
	int result = -(int)ERR_FAILED;

	if (order && moved_to && next_start && sorted) {
		for (size_t i = 0; i < n; i++)
			order[i] = i;
		qsort_r(order, n, sizeof(*order), compare_nodes, tree->nodes);
		for (size_t i = 0; i < n; i++)
			moved_to[order[i]] = i;
		for (size_t i = 0; i < n; i++) {
			struct tree_node *node = &sorted[i];

			*node = tree->nodes[order[i]];
			node->parent = moved_to[node->parent];
			if (i) {
				node->start_bytes = next_start[node->parent];
				sum_add(&next_start[node->parent], node->bytes);
			}
			next_start[i] = node->start_bytes;
		}
		free(tree->nodes);
		tree->nodes = sorted;
		sorted = NULL;
		result = 0;
	}
	free(order);
	free(moved_to);
	free(next_start);
	free(sorted);
	return result;
}

int tree_init(struct tree *tree, const struct profile *profile)
{
	const struct stack **paths = malloc((profile->n_stacks + 1) * sizeof(*paths));
	size_t n_paths = 0, n_nodes = 1;

	if (!paths)
		return -(int)ERR_FAILED;
	for (size_t i = 0; i < profile->n_stacks; i++)
		if (profile->stacks[i].outstanding_bytes)
			paths[n_paths++] = &profile->stacks[i];
	qsort(paths, n_paths, sizeof(*paths), compare_paths);
	for (size_t i = 0; i < n_paths; i++)
		n_nodes += depth_of(paths[i]) - common(i ? paths[i - 1] : NULL, paths[i]);
	tree->nodes = malloc(n_nodes * sizeof(*tree->nodes));
	if (!tree->nodes) {
		free(paths);
		return -(int)ERR_FAILED;
	}
	add_paths(tree, paths, n_paths);
	free(paths);
	if (arrange(tree)) {
		tree_fini(tree);
		return -(int)ERR_FAILED;
	}
	return 0;
}

void tree_fini(struct tree *tree)
{
	free(tree->nodes);
	tree->nodes = NULL;
	tree->n_nodes = 0;
}
