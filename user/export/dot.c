/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/formats.h"

#include <inttypes.h>

#include "base/escape.h"
#include "model/heap_graph.h"

/* in a quoted string: what ends it, and what escapes */
static void put_text(FILE *out, const char *text)
{
	char copy[3 * EXPORT_DOT_TEXT];
	size_t n = 0;

	escape_copy(copy, sizeof(copy), text);
	for (const char *at = copy; *at; at++) {
		if (n++ >= EXPORT_DOT_TEXT &&
		    ((unsigned char)*at & 0xc0) != 0x80) { /* not in a character */
			fputs("...", out);
			break;
		}
		if (*at == '"' || *at == '\\')
			fputc('\\', out);
		fputc(*at, out);
	}
}

static void put_object(FILE *out, uint64_t address, const char *type, bool have_items,
		       uint64_t items, const char *style)
{
	fprintf(out, "\t\"0x%" PRIx64 "\" [label=\"", address);
	put_text(out, type);
	if (have_items)
		fprintf(out, "\\n%" PRIu64 " item%s", items, items == 1 ? "" : "s");
	fprintf(out, "\", tooltip=\"0x%" PRIx64 "\"%s];\n", address, style);
}

static void put_root(FILE *out, const char *root)
{
	fputs("\t\"root: ", out);
	put_text(out, root);
	fputs("\" [label=\"", out);
	put_text(out, root);
	fputs("\", shape=box, fillcolor=\"#fff0c0\"];\n", out);
}

static void put_arrow(FILE *out, const char *root, uint64_t from, uint64_t to, const char *via,
		      bool changed)
{
	if (root) {
		fputs("\t\"root: ", out);
		put_text(out, root);
		fputc('"', out);
	} else {
		fprintf(out, "\t\"0x%" PRIx64 "\"", from);
	}
	fprintf(out, " -> \"0x%" PRIx64 "\" [label=\"", to);
	put_text(out, via[0] == ' ' ? via + 1 : via);
	fprintf(out, "\"%s];\n", changed ? ", style=dashed" : "");
}

static void put_chain(FILE *out, const struct heap_chain *chain)
{
	const struct heap_link *before = NULL;

	put_root(out, chain->root);
	for (size_t i = 0; i < chain->n_links; i++) {
		const struct heap_link *link = &chain->links[i];
		bool last = i + 1 == chain->n_links;

		if (link->hidden)
			continue;
		put_object(out, link->address, link->type, link->have_items, link->items,
			   last ? ", fillcolor=\"#ffc0c0\"" : "");
		put_arrow(out, before ? NULL : chain->root, before ? before->address : 0,
			  link->address, link->via, link->changed);
		before = link;
	}
}

static void put_graph(FILE *out, const struct heap_graph *graph)
{
	for (size_t i = 0; i < graph->n_nodes; i++) {
		const struct heap_graph_node *node = &graph->nodes[i];

		put_object(out, node->address, node->type, node->have_items, node->items,
			   node->depth ? "" : ", fillcolor=\"#ffc0c0\"");
		if (node->root) {
			put_root(out, node->root);
			put_arrow(out, node->root, 0, node->address, "", false);
		}
		if (!node->more)
			continue;
		fprintf(out,
			"\t\"more: 0x%" PRIx64 "\" [label=\"%" PRIu64
			" more\", shape=plaintext, fillcolor=none];\n"
			"\t\"more: 0x%" PRIx64 "\" -> \"0x%" PRIx64 "\" [style=dotted];\n",
			node->address, node->more, node->address, node->address);
	}
	for (size_t i = 0; i < graph->n_edges; i++)
		put_arrow(out, NULL, graph->nodes[graph->edges[i].from].address,
			  graph->nodes[graph->edges[i].to].address, graph->edges[i].via, false);
}

int export_dot(FILE *out, const struct document *document, struct err *err)
{
	const struct heap_held *held = document->heap->held;

	(void)err;
	fputs("digraph pyleaktrace {\n"
	      "\tnode [shape=ellipse, style=filled, fillcolor=white, fontname=\"sans-serif\", "
	      "fontsize=11];\n"
	      "\tedge [fontname=\"sans-serif\", fontsize=9];\n",
	      out);
	for (size_t i = 0; i < held->n_chains; i++)
		put_chain(out, &held->chains[i]);
	if (held->have_graph)
		put_graph(out, &held->graph);
	fputs("}\n", out);
	return 0;
}
