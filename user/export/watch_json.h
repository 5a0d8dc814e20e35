/* SPDX-License-Identifier: BSD-2-Clause
 *
 * watch_json: containers that were watched -> JSON ("watch" of pyleaktrace-2.schema.json).
 *
 * Place      layer 5, private to export.
 * Ownership  as json_parts.
 */
#ifndef PYLEAKTRACE_EXPORT_WATCH_JSON_H
#define PYLEAKTRACE_EXPORT_WATCH_JSON_H

#include "export/json_parts.h"
#include "model/heap_watch.h"

/* One container: `container` of the schema. */
json_t *json_part_watch_row(const struct heap_watch_row *row);

json_t *json_part_watch(const struct heap_watch *watch);

/* A class that grows, and who makes the instances that stay. */
json_t *json_part_growing_class(const struct growing_class *row);

#endif
