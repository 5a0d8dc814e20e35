/* SPDX-License-Identifier: BSD-2-Clause
 *
 * held_json: who holds what -> JSON values.
 *
 * Place      layer 5, private to export.
 * Ownership  as json_parts.
 */
#ifndef PYLEAKTRACE_EXPORT_HELD_JSON_H
#define PYLEAKTRACE_EXPORT_HELD_JSON_H

#include "export/json_parts.h"
#include "model/heap_graph.h"

/* Put what was found under names of its own: holders, unreached, chains, graph, objects,
 * search. */
void held_json_put(json_t **heap, const struct heap_held *held);

#endif
