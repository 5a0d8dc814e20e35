/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/held_text.h"

#include <inttypes.h>
#include <math.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "view/objects_text.h"

#define INDENT    8
#define TREE_MAX  20 /* levels */
#define TYPE_GOES 24 /* column at which the types of a chain begin, behind the indent */
#define VIA_MAX   512

static size_t shown(size_t n, unsigned top)
{
	return top && n > top ? top : n;
}

static void put_more(const struct pen *pen, size_t n, size_t all)
{
	if (n < all)
		fprintf(pen->out, "%*sand %s more (-T 0 shows all)\n", INDENT, "",
			fmt_count(all - n).text);
}

/* ---- holders -------------------------------------------------------------------------------- */

static void put_holder(const struct pen *pen, const struct heap_holder *holder)
{
	double rate = holder->items_per_s * 60;
	bool small = fabs(rate) < 9.95 && fabs(rate - round(rate)) > 0.005;

	fprintf(pen->out, "%*s", INDENT, "");
	pen_put(pen, INK_PLAIN, holder->path);
	fputc(' ', pen->out);
	pen_put(pen, INK_PLAIN, holder->type);
	fprintf(pen->out, " %" PRIu64 " item%s", holder->items, holder->items == 1 ? "" : "s");
	if (holder->have_growth && holder->items_delta) {
		pen_ink(pen, holder->least_per_s > 0   ? INK_GROWS
			     : holder->items_per_s < 0 ? INK_SHRINKS
						       : INK_PLAIN);
		fprintf(pen->out, " %+.*f/min", small ? 1 : 0, rate);
		pen_ink(pen, INK_PLAIN);
	}
	fputc('\n', pen->out);
}

static void put_holders(const struct pen *pen, const struct heap_held *held, unsigned top)
{
	size_t n = shown(held->n_holders, top);

	pen_ink(pen, INK_HEAD);
	if (held->n_scans > 1)
		fprintf(pen->out, "Containers that grew in %s, steadiest first, and large ones:",
			fmt_duration(held->span_s).text);
	else
		fputs("Large containers:", pen->out);
	pen_ink(pen, INK_PLAIN);
	fputc('\n', pen->out);
	for (size_t i = 0; i < n; i++)
		put_holder(pen, &held->holders[i]);
	if (!n)
		fprintf(pen->out, "%*snone\n", INDENT, "");
	put_more(pen, n, held->n_holders);
}

/* ---- what no root reaches ------------------------------------------------------------------- */

static void put_unreached(const struct pen *pen, const struct heap_held *held, unsigned top)
{
	size_t n = shown(held->n_unreached, top);

	pen_ink(pen, INK_HEAD);
	fputs("Objects that no root reaches:\n", pen->out);
	fprintf(pen->out, "%12s %12s %12s  %s", "held", "through it", "garbage", "type");
	pen_ink(pen, INK_PLAIN);
	fputc('\n', pen->out);
	for (size_t i = 0; i < n; i++) {
		const struct heap_unreached *row = &held->unreached[i];

		fprintf(pen->out, "%12" PRIu64 " %12" PRIu64 " %12" PRIu64 "  ", row->held,
			row->through, row->garbage);
		pen_put(pen, INK_PLAIN, row->type);
		fputs(row->has_del ? " (has __del__)\n" : "\n", pen->out);
	}
	if (!n)
		fprintf(pen->out, "%*snone\n", INDENT, "");
	put_more(pen, n, held->n_unreached);
	fprintf(pen->out,
		"%*sheld: from C or by a lost reference (more references than were found); a few "
		"may be in use just now;\n%*sthrough it: by such an object; garbage: cyclic, "
		"awaiting collection\n",
		INDENT, "", INDENT, "");
}

/* ---- chains --------------------------------------------------------------------------------- */

static void put_link(const struct pen *pen, const struct heap_link *link)
{
	char via[VIA_MAX];

	escape_copy(via, sizeof(via), link->via[0] == ' ' ? link->via + 1 : link->via);
	fprintf(pen->out, "%*s%-*s  ", INDENT + 2, "", TYPE_GOES, via);
	pen_put(pen, INK_SIZE, link->type);
	if (link->have_items)
		fprintf(pen->out, ", %" PRIu64 " item%s", link->items, link->items == 1 ? "" : "s");
	fprintf(pen->out, " at 0x%" PRIx64, link->address);
	if (link->changed)
		pen_put(pen, INK_WARNING, "  (changed during the scan)");
	fputc('\n', pen->out);
}

static void put_chain(const struct pen *pen, const struct heap_chain *chain)
{
	fprintf(pen->out, "%12" PRIu64 "  ", chain->count);
	pen_put(pen, INK_HEAD, chain->path);
	fputc('\n', pen->out);
	fprintf(pen->out, "%*s", INDENT, "");
	pen_put(pen, INK_PLAIN, chain->root);
	fputc('\n', pen->out);
	if (chain->cut)
		fprintf(pen->out, "%*s... %s more\n", INDENT + 2, "", fmt_count(chain->cut).text);
	for (size_t i = 0; i < chain->n_links; i++)
		if (!chain->links[i].hidden)
			put_link(pen, &chain->links[i]);
}

static void put_chains(const struct pen *pen, const struct heap_held *held)
{
	pen_ink(pen, INK_HEAD);
	fprintf(pen->out, "%s object%s of ", fmt_count(held->type_count).text,
		held->type_count == 1 ? "" : "s");
	pen_put(pen, INK_HEAD, held->type);
	pen_ink(pen, INK_PLAIN);
	fprintf(pen->out,
		": %" PRIu64 " reached from roots, %" PRIu64
		" held from C or by a lost reference, %" PRIu64 " garbage awaiting collection\n",
		held->type_reached, held->type_held, held->type_garbage);
	for (size_t i = 0; i < held->n_chains; i++)
		put_chain(pen, &held->chains[i]);
}

/* ---- the graph ------------------------------------------------------------------------------ */

static void put_node(const struct pen *pen, const struct heap_graph *graph, size_t i,
		     const char *via, unsigned level)
{
	const struct heap_graph_node *node = &graph->nodes[i];

	fprintf(pen->out, "%*s", INDENT + 4 * (int)level, "");
	if (level)
		fputs("<- ", pen->out);
	pen_put(pen, INK_SIZE, node->type);
	if (node->have_items)
		fprintf(pen->out, ", %" PRIu64 " item%s", node->items, node->items == 1 ? "" : "s");
	fprintf(pen->out, " at 0x%" PRIx64, node->address);
	if (via[0]) {
		fputs("  ", pen->out);
		pen_put(pen, INK_PLAIN, via);
	}
	if (node->root) {
		fputs("  root: ", pen->out);
		pen_put(pen, INK_PLAIN, node->root);
	}
	fputc('\n', pen->out);
}

/*
 * Who refers to a node is written in one place, behind its first edge that leads nearer to the
 * objects asked for: as many ways as there are would be twice as many with each step.
 */
static bool is_first(const struct heap_graph *graph, size_t e)
{
	const struct heap_graph_node *nodes = graph->nodes;
	size_t from = graph->edges[e].from, first = 0;

	while (graph->edges[first].from != from ||
	       nodes[graph->edges[first].to].depth >= nodes[from].depth)
		if (++first > e)
			return false;
	return first == e;
}

static void put_tree(const struct pen *pen, const struct heap_graph *graph, size_t i,
		     unsigned level)
{
	for (size_t e = 0; e < graph->n_edges && level < TREE_MAX; e++) {
		const struct heap_graph_edge *edge = &graph->edges[e];

		if (edge->to != i)
			continue;
		put_node(pen, graph, edge->from, edge->via, level + 1);
		/* farther from the objects asked for: so it ends */
		if (is_first(graph, e))
			put_tree(pen, graph, edge->from, level + 1);
	}
	if (graph->nodes[i].more)
		fprintf(pen->out, "%*s<- and %s more\n", INDENT + 4 * ((int)level + 1), "",
			fmt_count(graph->nodes[i].more).text);
}

static void put_graph(const struct pen *pen, const struct heap_held *held)
{
	const struct heap_graph *graph = &held->graph;

	pen_ink(pen, INK_HEAD);
	fputs("Who refers to ", pen->out);
	pen_put(pen, INK_HEAD, held->type);
	fputs(":\n", pen->out);
	pen_ink(pen, INK_PLAIN);
	for (size_t i = 0; i < graph->n_nodes && !graph->nodes[i].depth; i++) {
		put_node(pen, graph, i, "", 0);
		put_tree(pen, graph, i, 0);
	}
}

/* ---- all ------------------------------------------------------------------------------------ */

void held_text(const struct pen *pen, const struct heap_held *held, unsigned top, bool quiet)
{
	if (held->have_holders)
		put_holders(pen, held, top);
	if (held->have_unreached && !quiet)
		put_unreached(pen, held, top);
	if (held->have_objects)
		objects_text(pen, held);
	else if (held->have_graph)
		put_graph(pen, held);
	else if (held->type)
		put_chains(pen, held);
	if (quiet)
		return;
	if (held->search_s > 0)
		fprintf(pen->out, "References were followed in %s.\n",
			fmt_duration(held->search_s).text);
}
