/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/watch_json.h"

#include <inttypes.h>

#include "export/json_parts.h"

static json_t *address_part(uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	return json_part_text(text);
}

static json_t *stack_part(const struct heap_watch_stack *stack)
{
	json_t *object = json_object();

	json_part_set(&object, "inserted", json_part_count(stack->inserted));
	json_part_set(&object, "removed", json_part_count(stack->removed));
	json_part_set(&object, "insertions", json_part_count(stack->insertions));
	json_part_set(&object, "removals", json_part_count(stack->removals));
	json_part_set(&object, "frames", json_part_frames(&stack->stack));
	return object;
}

json_t *json_part_watch_row(const struct heap_watch_row *row)
{
	json_t *object = json_object(), *stacks = json_array();

	json_part_set(&object, "path", json_part_text(row->path));
	json_part_set(&object, "of", json_part_text(row->refs ? "references" : "items"));
	json_part_set(&object, "type", json_part_text(row->type));
	json_part_set(&object, "address", address_part(row->address));
	json_part_set(&object, "items_before", json_part_count(row->items_before));
	json_part_set(&object, "items_after", json_part_count(row->items_after));
	json_part_set(&object, "inserted", json_part_count(row->inserted));
	json_part_set(&object, "removed", json_part_count(row->removed));
	json_part_set(&object, "insertions", json_part_count(row->insertions));
	json_part_set(&object, "removals", json_part_count(row->removals));
	json_part_set(&object, "fate", json_part_text(heap_watch_fate_name(row->fate)));
	if (row->fate == WATCH_REPLACED) {
		json_part_set(&object, "now_type", json_part_text(row->now_type));
		json_part_set(&object, "now_address", address_part(row->now_address));
	}
	for (size_t i = 0; i < row->n_stacks; i++)
		json_part_append(&stacks, stack_part(&row->stacks[i]));
	json_part_set(&object, "stacks", stacks);
	return object;
}

static json_t *births_part(const struct heap_watch_stack *stack)
{
	json_t *object = json_object();

	json_part_set(&object, "made", json_part_count(stack->inserted));
	json_part_set(&object, "died", json_part_count(stack->removed));
	json_part_set(&object, "frames", json_part_frames(&stack->stack));
	return object;
}

json_t *json_part_growing_class(const struct growing_class *row)
{
	const struct heap_watch_instances *instances = row->row.instances;
	const struct heap_watch_stack *maker = growing_class_maker(row);
	json_t *object = json_object(), *stacks = json_array();

	json_part_set(&object, "type", json_part_text(row->name));
	json_part_set(&object, "address", address_part(row->row.address));
	json_part_set(&object, "per_s", json_part_real(row->per_s));
	json_part_set(&object, "made", json_part_count(instances->made));
	json_part_set(&object, "died", json_part_count(instances->died));
	json_part_set(&object, "followed_s", json_part_real(instances->followed_s));
	json_part_set(&object, "ago_s", json_part_real(row->ago_s));
	json_part_set(&object, "cut", json_boolean(row->cut));
	json_part_set(&object, "sampled", json_boolean(instances->sampled));
	json_part_set(&object, "sure", json_boolean(maker != NULL));
	if (maker)
		json_part_append(&stacks, births_part(maker));
	for (size_t i = 0; i < row->row.n_stacks; i++)
		if (&row->row.stacks[i] != maker)
			json_part_append(&stacks, births_part(&row->row.stacks[i]));
	json_part_set(&object, "stacks", stacks);
	if (row->pid)
		json_part_set(&object, "pid", json_part_count((uint64_t)row->pid));
	return object;
}

json_t *json_part_watch(const struct heap_watch *watch)
{
	json_t *object = json_object(), *rows = json_array();

	json_part_set(&object, "asked_s", json_part_real(watch->asked_s));
	json_part_set(&object, "ended_by", json_part_text(heap_watch_end_name(watch->end)));
	json_part_set(&object, "max_overhead", json_part_real(watch->max_overhead));
	json_part_set(&object, "hits", json_part_count(watch->hits));
	json_part_set(&object, "ns_per_hit", json_part_real(watch->ns_per_hit));
	json_part_set(&object, "trap_ns", json_part_real(watch->trap_ns));
	json_part_set(&object, "switches", json_part_count(watch->switches));
	json_part_set(&object, "ns_per_switch", json_part_real(watch->ns_per_switch));
	json_part_set(&object, "string_loss", json_part_real(watch->string_loss));
	json_part_set(&object, "hits_fraction", json_part_real(watch->hits_fraction));
	json_part_set(&object, "switches_fraction", json_part_real(watch->switches_fraction));
	json_part_set(&object, "strings_fraction", json_part_real(watch->strings_fraction));
	json_part_set(&object, "target_cpu_fraction", json_part_real(watch->target_cpu_fraction));
	json_part_set(&object, "split_ns", json_part_real(watch->split_ns));
	json_part_set(&object, "splits_most", json_part_real(watch->splits_most));
	for (size_t i = 0; i < watch->n_rows; i++)
		json_part_append(&rows, json_part_watch_row(&watch->rows[i]));
	json_part_set(&object, "containers", rows);
	return object;
}
