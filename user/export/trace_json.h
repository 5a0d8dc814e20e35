/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trace_json: what a trace found besides stacks -> JSON values, for json.c and for the page
 * (html.c).
 *
 * Place      layer 5, private to export.
 * Source     pyleaktrace-2.schema.json; of json_part_retained() html.c.
 * Ownership  as in json_parts.h. What the profile does not have (NULL) may not be asked for.
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_EXPORT_TRACE_JSON_H
#define PYLEAKTRACE_EXPORT_TRACE_JSON_H

#include <jansson.h>

#include "model/profile.h"

json_t *json_part_verdicts(const struct profile *profile); /* of several targets */
json_t *json_part_growing_containers(const struct profile *profile);
json_t *json_part_growing_classes(const struct profile *profile);
json_t *json_part_trace_heap(const struct profile *profile); /* types that grow, the collector */
json_t *json_part_retained(const struct profile *profile);   /* containers that hold more */

#endif
