/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/held_json.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *address_part(uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	return json_part_text(text);
}

static json_t *holder_part(const struct heap_holder *holder)
{
	json_t *object = json_object();

	json_part_set(&object, "path", json_part_text(holder->path));
	json_part_set(&object, "type", json_part_text(holder->type));
	json_part_set(&object, "address", address_part(holder->address));
	json_part_set(&object, "items", json_part_count(holder->items));
	if (holder->have_growth) {
		json_part_set(&object, "items_delta", json_integer(holder->items_delta));
		json_part_set(&object, "items_per_s", json_part_real(holder->items_per_s));
		json_part_set(&object, "least_items_per_s", json_part_real(holder->least_per_s));
	}
	return object;
}

static json_t *unreached_part(const struct heap_unreached *row)
{
	json_t *object = json_object();

	json_part_set(&object, "name", json_part_text(row->type));
	json_part_set(&object, "held", json_part_count(row->held));
	json_part_set(&object, "through", json_part_count(row->through));
	json_part_set(&object, "garbage", json_part_count(row->garbage));
	json_part_set(&object, "has_del", json_boolean(row->has_del));
	return object;
}

static json_t *link_part(const struct heap_link *link)
{
	json_t *object = json_object();

	json_part_set(&object, "via", json_part_text(link->via));
	json_part_set(&object, "type", json_part_text(link->type));
	json_part_set(&object, "address", address_part(link->address));
	if (link->have_items)
		json_part_set(&object, "items", json_part_count(link->items));
	json_part_set(&object, "hidden", json_boolean(link->hidden));
	if (link->changed)
		json_part_set(&object, "changed", json_true());
	return object;
}

static json_t *chain_part(const struct heap_chain *chain)
{
	json_t *object = json_object(), *links = json_array();

	for (size_t i = 0; i < chain->n_links; i++)
		json_part_append(&links, link_part(&chain->links[i]));
	json_part_set(&object, "path", json_part_text(chain->path));
	json_part_set(&object, "root", json_part_text(chain->root));
	json_part_set(&object, "count", json_part_count(chain->count));
	json_part_set(&object, "changed", json_boolean(chain->changed));
	if (chain->cut)
		json_part_set(&object, "cut", json_part_count(chain->cut));
	json_part_set(&object, "links", links);
	return object;
}

static json_t *node_part(const struct heap_graph_node *node)
{
	json_t *object = json_object();

	json_part_set(&object, "type", json_part_text(node->type));
	json_part_set(&object, "address", address_part(node->address));
	json_part_set(&object, "depth", json_part_count(node->depth));
	if (node->have_items)
		json_part_set(&object, "items", json_part_count(node->items));
	if (node->root)
		json_part_set(&object, "root", json_part_text(node->root));
	if (node->more)
		json_part_set(&object, "more", json_part_count(node->more));
	return object;
}

static json_t *graph_part(const struct heap_graph *graph)
{
	json_t *object = json_object(), *nodes = json_array(), *edges = json_array();

	for (size_t i = 0; i < graph->n_nodes; i++)
		json_part_append(&nodes, node_part(&graph->nodes[i]));
	for (size_t i = 0; i < graph->n_edges; i++) {
		json_t *edge = json_object();

		json_part_set(&edge, "from", json_part_count(graph->edges[i].from));
		json_part_set(&edge, "to", json_part_count(graph->edges[i].to));
		json_part_set(&edge, "via", json_part_text(graph->edges[i].via));
		json_part_append(&edges, edge);
	}
	json_part_set(&object, "nodes", nodes);
	json_part_set(&object, "edges", edges);
	return object;
}

static json_t *chains_part(const struct heap_held *held)
{
	json_t *object = json_object(), *chains = json_array();

	for (size_t i = 0; i < held->n_chains; i++)
		json_part_append(&chains, chain_part(&held->chains[i]));
	json_part_set(&object, "type", json_part_text(held->type));
	json_part_set(&object, "count", json_part_count(held->type_count));
	json_part_set(&object, "reached", json_part_count(held->type_reached));
	json_part_set(&object, "held", json_part_count(held->type_held));
	json_part_set(&object, "garbage", json_part_count(held->type_garbage));
	json_part_set(&object, "rows", chains);
	return object;
}

static json_t *age_part(const struct heap_object *row)
{
	json_t *object = json_object();

	json_part_set(&object, "scans", json_part_count(row->scans));
	json_part_set(&object, "least_s", json_part_real(row->least_s));
	if (row->is_new)
		json_part_set(&object, "most_s", json_part_real(row->most_s));
	return object;
}

static json_t *value_part(const struct heap_value *value)
{
	json_t *object = json_object(), *parts = json_array();

	for (size_t i = 0; i < value->n_parts; i++) {
		json_t *part = json_object();

		if (value->parts[i].name[0])
			json_part_set(&part, "name", json_part_text(value->parts[i].name));
		json_part_set(&part, "text", json_part_text(value->parts[i].text));
		json_part_append(&parts, part);
	}
	json_part_set(&object, "text", json_part_text(value->text));
	json_part_set(&object, "parts", parts);
	json_part_set(&object, "more", json_part_count(value->more));
	return object;
}

static json_t *object_part(const struct heap_object *row)
{
	static const char *const how[] = {[HEAP_HOW_REACHED] = "reached",
					  [HEAP_HOW_HELD] = "held",
					  [HEAP_HOW_GARBAGE] = "garbage",
					  [HEAP_HOW_UNKNOWN] = "unknown"};
	json_t *object = json_object();

	json_part_set(&object, "type", json_part_text(row->type));
	json_part_set(&object, "address", address_part(row->address));
	if (row->bytes)
		json_part_set(&object, "bytes", json_part_count(row->bytes));
	if (row->have_items)
		json_part_set(&object, "items", json_part_count(row->items));
	if (row->have_age)
		json_part_set(&object, "age", age_part(row));
	json_part_set(&object, "how", json_part_text(how[row->how]));
	if (row->root)
		json_part_set(&object, "root", json_part_text(row->root));
	if (row->path)
		json_part_set(&object, "path", json_part_text(row->path));
	json_part_set(&object, "changed", json_boolean(row->changed));
	if (row->have_value)
		json_part_set(&object, "value", value_part(&row->value));
	return object;
}

static json_t *objects_part(const struct heap_held *held)
{
	const struct heap_objects *objects = &held->objects;
	json_t *object = json_object(), *rows = json_array();

	for (size_t i = 0; i < objects->n_rows; i++)
		json_part_append(&rows, object_part(&objects->rows[i]));
	json_part_set(&object, "type", json_part_text(held->type));
	json_part_set(&object, "count", json_part_count(held->type_count));
	json_part_set(&object, "reached", json_part_count(held->type_reached));
	json_part_set(&object, "held", json_part_count(held->type_held));
	json_part_set(&object, "garbage", json_part_count(held->type_garbage));
	json_part_set(&object, "scans", json_part_count(objects->n_scans));
	if (objects->n_scans > 1) {
		json_part_set(&object, "span_s", json_part_real(objects->span_s));
		if (!objects->single)
			json_part_set(&object, "made", json_part_count(objects->made));
	}
	json_part_set(&object, "rows", rows);
	return object;
}

static json_t *search_part(const struct heap_held *held)
{
	json_t *object = json_object();

	json_part_set(&object, "duration_s", json_part_real(held->search_s));
	return object;
}

void held_json_put(json_t **heap, const struct heap_held *held)
{
	json_t *rows;

	if (held->have_holders) {
		rows = json_array();
		for (size_t i = 0; i < held->n_holders; i++)
			json_part_append(&rows, holder_part(&held->holders[i]));
		json_part_set(heap, "holders", rows);
	}
	if (held->have_unreached) {
		rows = json_array();
		for (size_t i = 0; i < held->n_unreached; i++)
			json_part_append(&rows, unreached_part(&held->unreached[i]));
		json_part_set(heap, "unreached", rows);
	}
	if (held->have_objects)
		json_part_set(heap, "objects", objects_part(held));
	else if (held->have_graph)
		json_part_set(heap, "graph", graph_part(&held->graph));
	else if (held->type)
		json_part_set(heap, "chains", chains_part(held));
	json_part_set(heap, "search", search_part(held));
}
