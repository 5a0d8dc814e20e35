/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/heap_graph.h"

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

bool heap_chain_set_path(struct heap_chain *chain, const char *start)
{
	size_t length = strlen(start) + 1;
	char *end;

	for (size_t i = 0; i < chain->n_links; i++)
		length += strlen(chain->links[i].via);
	free(chain->path);
	chain->path = malloc(length);
	if (!chain->path)
		return false;
	end = stpcpy(chain->path, start);
	for (size_t i = 0; i < chain->n_links; i++)
		end = stpcpy(end, chain->links[i].via);
	return true;
}
