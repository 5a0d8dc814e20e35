/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/heap_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void heap_chain_fini(struct heap_chain *chain)
{
	for (size_t i = 0; i < chain->n_links; i++) {
		free(chain->links[i].type);
		free(chain->links[i].via);
	}
	free(chain->links);
	free(chain->root);
	free(chain->path);
	*chain = (struct heap_chain){0};
}

static void graph_fini(struct heap_graph *graph)
{
	for (size_t i = 0; i < graph->n_nodes; i++) {
		free(graph->nodes[i].type);
		free(graph->nodes[i].root);
	}
	for (size_t i = 0; i < graph->n_edges; i++)
		free(graph->edges[i].via);
	free(graph->nodes);
	free(graph->edges);
}

void heap_held_fini(struct heap_held *held)
{
	for (size_t i = 0; i < held->n_chains; i++)
		heap_chain_fini(&held->chains[i]);
	for (size_t i = 0; i < held->n_holders; i++) {
		free(held->holders[i].path);
		free(held->holders[i].type);
	}
	for (size_t i = 0; i < held->n_unreached; i++)
		free(held->unreached[i].type);
	graph_fini(&held->graph);
	heap_objects_fini(&held->objects);
	free(held->chains);
	free(held->holders);
	free(held->unreached);
	free(held->type);
	*held = (struct heap_held){0};
}

/* How many links from this one on are called the same, and (out) the next that is not; parts that
 * are called nothing are between them. */
static size_t count_run(const struct heap_chain *chain, size_t from, size_t *next)
{
	size_t n = 0, i = from;

	for (; i < chain->n_links; i++) {
		if (!chain->links[i].via[0])
			continue;
		if (strcmp(chain->links[i].via, chain->links[from].via) != 0)
			break;
		n++;
	}
	*next = i;
	return n;
}

bool heap_chain_set_path(struct heap_chain *chain, const char *start)
{
	size_t length = strlen(start) + 1, next;
	char *end;

	/* a run is longer than the words for it */
	for (size_t i = 0; i < chain->n_links; i++)
		length += strlen(chain->links[i].via);
	free(chain->path);
	chain->path = malloc(length);
	if (!chain->path)
		return false;
	end = stpcpy(chain->path, start);
	chain->path_start = strlen(start);
	for (size_t i = 0; i < chain->n_links; i = next) {
		size_t run = chain->links[i].via[0] ? count_run(chain, i, &next) : 0;

		end = stpcpy(end, chain->links[i].via);
		if (run >= HEAP_PATH_RUN)
			end += sprintf(end, " (%zu times)", run);
		else
			next = i + 1;
	}
	return true;
}
