/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_json: a heap -> JSON ("heap" of pyleaktrace-1.schema.json), with the same head as a report
 * of allocations.
 *
 * Place      layer 5; called by cli.
 * Errors     -ERR_FAILED: memory is out. Errors of the stream stay in the stream.
 * Bounds     one type's JSON at a time.
 */
#ifndef PYLEAKTRACE_EXPORT_HEAP_JSON_H
#define PYLEAKTRACE_EXPORT_HEAP_JSON_H

#include <stdio.h>

#include <jansson.h>

#include "base/err.h"
#include "model/heap_types.h"

/* A new reference, or NULL. */
json_t *json_part_growth_row(const struct heap_growth_row *row);

int export_heap_json(FILE *out, const struct heap_report *report, struct err *err);

#endif
