/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_graph: how objects of a heap are held, as plain data: chains from roots, holders, objects
 * that no root reaches, and the graph of what refers to what.
 *
 * Place      layer 1; filled by the census; read by view and export.
 * Shapes     a chain goes from its root to the object: links[0] is what the root holds. A link says
 *            how the one before it (or the root) holds it: ".SESSIONS", "['k1']", "[3]". A hidden
 *            link is a part of the one before it (an instance's dict, a module's dict) that a
 *            reader does not ask for; its via is "". Names are bytes of the target: not escaped,
 *            maybe not UTF-8.
 * Ownership  every struct has a function that frees what is in it.
 * Bounds     HEAP_LINKS_MAX links of a chain are kept, from its end; `cut` says how many are not.
 * In a path, HEAP_PATH_RUN equal steps or more are one: "app.HEAD.next (40 times)".
 */
#ifndef PYLEAKTRACE_MODEL_HEAP_GRAPH_H
#define PYLEAKTRACE_MODEL_HEAP_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/heap_objects.h"
#include "model/profile.h"

#define HEAP_LINKS_MAX 200
#define HEAP_PATH_RUN  32

struct heap_link {
	uint64_t address;
	char *type;
	char *via;
	bool have_items;
	uint64_t items; /* of a container: len() */
	bool hidden;
	bool changed; /* when it was looked up again the one before did not hold it any more */
};

struct heap_chain {
	char *root;        /* "module app.cache", "local `batch` of worker (jobs.py:88)", ... */
	char *path;        /* all in a line: "app.cache.SESSIONS['k1']" */
	size_t path_start; /* bytes of it before the first link's */
	struct heap_link *links;
	size_t n_links;
	uint64_t cut;
	bool part;      /* the last link is a hidden part of the one before it */
	bool changed;   /* one of the links is */
	uint64_t count; /* objects of the type that are held through the same first link; 0: one */
};

/* A container that is large or grows. */
struct heap_holder {
	char *path; /* "app.cache.SESSIONS" */
	char *type;
	uint64_t address;
	uint64_t items;
	bool have_growth;
	int64_t items_delta; /* over the scans that have it */
	double items_per_s;  /* slope of the straight line that fits best */
	double least_per_s;  /* lower end of its 90 % interval */
	bool by_chance;      /* it went down in between, and so may have grown by chance */
};

/* Objects of a type that no root reaches. */
struct heap_unreached {
	char *type;
	uint64_t held;    /* from C or by a lost reference */
	uint64_t through; /* held by such a one */
	uint64_t garbage; /* waits for a collection */
	bool has_del;     /* they have __del__, which runs then */
};

struct heap_graph_node {
	uint64_t address;
	char *type;
	bool have_items;
	uint64_t items;
	char *root;     /* what root holds it directly; NULL: none */
	unsigned depth; /* 0: one of those asked for */
	uint64_t more;  /* who refer to it beyond those shown */
};

struct heap_graph_edge {
	size_t from, to; /* indices of nodes; from refers to to */
	char *via;
};

struct heap_graph {
	struct heap_graph_node *nodes;
	size_t n_nodes;
	struct heap_graph_edge *edges;
	size_t n_edges;
};

/* What was asked for; parts not asked for are empty. */
struct heap_held {
	double search_s; /* in addition to the scan */
	uint64_t unread; /* objects and buffers that could not be read */

	char *type; /* of chains, graph, objects: the one asked for */
	uint64_t type_count, type_reached, type_held, type_garbage;
	struct heap_chain *chains; /* most objects first */
	size_t n_chains;

	bool have_holders;
	double span_s; /* of the growth of the holders; 0: one scan */
	size_t n_scans;
	struct heap_holder *holders;
	size_t n_holders;

	bool have_unreached;
	struct heap_unreached *unreached; /* most objects first */
	size_t n_unreached;

	bool have_graph;
	struct heap_graph graph;

	bool have_objects;
	struct heap_objects objects;
};

void heap_chain_fini(struct heap_chain *chain);
void heap_held_fini(struct heap_held *held);

/* Write the chain's path from its root and links; false: memory is out. */
bool heap_chain_set_path(struct heap_chain *chain, const char *start);

#endif
