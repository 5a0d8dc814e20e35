/* SPDX-License-Identifier: BSD-2-Clause
 *
 * difference_json: what grew between two reports -> JSON, for json.c.
 *
 * Place      layer 5, private to export.
 * Source     pyleaktrace-2.schema.json.
 * Ownership  as of json_parts.h.
 */
#ifndef PYLEAKTRACE_EXPORT_DIFFERENCE_JSON_H
#define PYLEAKTRACE_EXPORT_DIFFERENCE_JSON_H

#include <jansson.h>

#include "model/difference.h"

json_t *json_part_difference(const struct difference *difference);

#endif
