/* SPDX-License-Identifier: BSD-2-Clause
 *
 * trend_json: a trend -> the "trend" of the JSON report, and the whole document of `pyleaktrace
 * heap --trend -f json`.
 *
 * Place      layer 5; called by cli, and by json for a profile's trend.
 * Source     pyleaktrace-1.schema.json.
 * Errors     -ERR_FAILED: memory is out. The stream keeps its own error flag.
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_EXPORT_TREND_JSON_H
#define PYLEAKTRACE_EXPORT_TREND_JSON_H

#include <stdio.h>

#include <jansson.h>

#include "base/err.h"
#include "model/trend.h"

/* A new reference, or NULL. */
json_t *json_part_trend(const struct trend *trend);

/* The collector, as heap.gc has it. */
json_t *json_part_gc(const struct heap_gc *gc);

int export_trend_json(FILE *out, const struct profile *about, const struct trend *trend,
		      struct err *err);

#endif
