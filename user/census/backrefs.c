/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/backrefs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH     4096
#define ROOT_TEXT 1024

struct backrefs {
	struct reach *reach;
	struct edges *edges;
	struct heap_graph *graph;
	uint32_t *object; /* of each node: index; BACKREFS_NODES */
	uint32_t *shown;  /* of each node: edges to it */
	size_t first;     /* nodes whose referrers are looked for: from here */
	size_t end;       /* up to here */
	size_t edges_room;
	unsigned depth;
	bool failed;
};

static bool is_marked(const struct backrefs *search, uint32_t object)
{
	return search->reach->marks[object / 64] >> (object % 64) & 1;
}

static size_t find_node(const struct backrefs *search, uint32_t object)
{
	size_t i = 0;

	while (i < search->graph->n_nodes && search->object[i] != object)
		i++;
	return i;
}

/* return its index; n_nodes: there is no room */
static size_t add_node(struct backrefs *search, uint32_t object)
{
	struct heap_graph *graph = search->graph;
	size_t i = find_node(search, object);
	struct heap_graph_node *node;

	if (i < graph->n_nodes || i == BACKREFS_NODES)
		return i;
	node = &graph->nodes[i];
	*node = (struct heap_graph_node){.address = search->reach->objects.address[object],
					 .depth = search->depth};
	node->type = strdup(edges_type(search->edges, object)->py->name);
	node->have_items = edges_items(search->edges, object, &node->items);
	if (!node->type) {
		search->failed = true;
		return graph->n_nodes;
	}
	search->object[i] = object;
	search->shown[i] = 0;
	graph->n_nodes++;
	return i;
}

static bool add_edge(struct backrefs *search, size_t from, size_t to, const char *via)
{
	struct heap_graph *graph = search->graph;
	struct heap_graph_edge *edges = graph->edges;

	if (graph->n_edges == search->edges_room) {
		search->edges_room = search->edges_room ? 2 * search->edges_room : 64;
		edges = realloc(edges, search->edges_room * sizeof(*edges));
		if (!edges)
			return false;
		graph->edges = edges;
	}
	edges[graph->n_edges] = (struct heap_graph_edge){from, to, strdup(via)};
	if (!edges[graph->n_edges].via)
		return false;
	graph->n_edges++;
	return true;
}

/* ---- references ----------------------------------------------------------------------------- */

static void say(const struct backrefs *search, const struct ref *ref, char *via)
{
	static const char *const parts[] = {
		[ROLE_ATTRIBUTES] = ".__dict__",   [ROLE_CLOSURE] = ".__closure__",
		[ROLE_DEFAULTS] = ".__defaults__", [ROLE_KWDEFAULTS] = ".__kwdefaults__",
		[ROLE_CACHE] = " cache",           [ROLE_FRAME] = ".gi_frame"};
	struct edge_part part = {.role = ROLE_ITSELF};

	if (edges_describe(search->edges, ref, &part, via))
		snprintf(via, EDGES_TEXT, "%s", parts[part.role] ? parts[part.role] : "");
}

static void see(void *context, const struct ref *ref)
{
	struct backrefs *search = context;
	size_t to, from;
	char via[EDGES_TEXT];

	if (!is_marked(search, ref->to) || search->failed)
		return;
	to = find_node(search, ref->to);
	if (ref->from & REACH_ROOT) {
		char text[ROOT_TEXT];

		/* words of the interpreter only where there is nothing better */
		if (search->graph->nodes[to].root ||
		    (search->shown[to] &&
		     search->reach->roots[ref->from & ~REACH_ROOT].kind >= ROOT_INTERPRETER))
			return;
		chain_root(search->edges, ref->from & ~REACH_ROOT, ref, text, sizeof(text));
		search->graph->nodes[to].root = strdup(text);
		return;
	}
	from = search->shown[to] < BACKREFS_EACH ? add_node(search, ref->from)
						 : search->graph->n_nodes;
	if (from >= search->graph->n_nodes) {
		search->graph->nodes[to].more++;
		return;
	}
	search->shown[to]++;
	say(search, ref, via);
	search->failed |= !add_edge(search, from, to, via);
}

static bool is_followed(const struct backrefs *search, size_t i)
{
	return edges_type(search->edges, search->object[i])->kind != KIND_MODULE &&
	       !search->graph->nodes[i].root;
}

static void read_roots(struct reach *reach, enum root_kind from, enum root_kind to)
{
	for (size_t i = 0; i < reach->n_roots; i++)
		if (reach->roots[i].kind >= from && reach->roots[i].kind <= to)
			reach_read_root(reach, i, &reach->referents.spans);
}

/* One step back: who refers to the nodes of the last step? */
static void step(struct backrefs *search)
{
	struct reach *reach = search->reach;
	uint32_t batch[BATCH];
	size_t n = 0;

	memset(reach->marks, 0, (reach->objects.n / 64 + 1) * sizeof(*reach->marks));
	for (size_t i = search->first; i < search->end; i++)
		if (is_followed(search, i))
			reach->marks[search->object[i] / 64] |= 1ull << search->object[i] % 64;
	reach_refill(reach);
	read_roots(reach, ROOT_MODULES, ROOT_ATEXIT);
	for (size_t i = 0; i < reach->objects.n && !search->failed; i++) {
		batch[n++] = (uint32_t)i;
		if (n == BATCH) {
			referents_walk(&reach->referents, batch, n);
			n = 0;
		}
	}
	referents_walk(&reach->referents, batch, n);
	read_roots(reach, ROOT_INTERPRETER, ROOT_DATA);
}

/* ---- all ------------------------------------------------------------------------------------ */

static int begin(struct backrefs *search, const struct owners_wanted *wanted, uint64_t at,
		 struct err *err)
{
	const struct reach *reach = search->reach;
	uint32_t object = at ? objects_find(&reach->objects, at) : OBJECTS_NONE;

	if (at && object == OBJECTS_NONE)
		return err_set(err, ERR_TARGET, "pid %d has no object at 0x%llx",
			       (int)census_pid(reach->census), (unsigned long long)at);
	if (at)
		add_node(search, object);
	for (size_t i = 0; !at && i < reach->objects.n && search->graph->n_nodes < BACKREFS_STARTS;
	     i++)
		if (wanted->is(wanted->context, edges_type(search->edges, (uint32_t)i)->py->name))
			add_node(search, (uint32_t)i);
	return 0;
}

static int run(struct backrefs *search, unsigned depth, const struct owners_wanted *wanted,
	       uint64_t at, struct err *err)
{
	struct referents *referents = &search->reach->referents;
	int result = begin(search, wanted, at, err);

	if (result)
		return result;
	referents->spans.see = see;
	referents->spans.context = search;
	for (search->depth = 1; search->depth <= depth && !search->failed; search->depth++) {
		search->first = search->end;
		search->end = search->graph->n_nodes;
		if (search->first == search->end)
			break;
		step(search);
	}
	return search->failed ? err_set(err, ERR_FAILED, "no memory for a graph") : 0;
}

int backrefs_find(struct heap_held *held, struct reach *reach, struct edges *edges,
		  const struct owners_wanted *wanted, uint64_t at, unsigned depth, struct err *err)
{
	struct backrefs search = {
		.reach = reach,
		.edges = edges,
		.graph = &held->graph,
		.object = malloc(BACKREFS_NODES * sizeof(*search.object)),
		.shown = malloc(BACKREFS_NODES * sizeof(*search.shown)),
	};
	struct spans before = reach->referents.spans;
	int result = -1;

	held->have_graph = true;
	held->graph.nodes = calloc(BACKREFS_NODES, sizeof(*held->graph.nodes));
	if (search.object && search.shown && held->graph.nodes)
		result = run(&search, depth, wanted, at, err);
	else
		err_set(err, ERR_FAILED, "no memory for a graph");
	reach->referents.spans.see = before.see;
	reach->referents.spans.context = before.context;
	free(search.object);
	free(search.shown);
	return result;
}
