/* SPDX-License-Identifier: BSD-2-Clause
 *
 * watch_json: containers that were watched -> JSON (pyleaktrace-1.schema.json, `watch`).
 *
 * Place      layer 5; called by cli.
 * Errors     -ERR_FAILED: memory is out.
 */
#ifndef PYLEAKTRACE_EXPORT_WATCH_JSON_H
#define PYLEAKTRACE_EXPORT_WATCH_JSON_H

#include <stdio.h>

#include <jansson.h>

#include "base/err.h"
#include "model/heap_watch.h"

/* One container: `container` of the schema. */
json_t *watch_json_row(const struct heap_watch_row *row);

int export_watch_json(FILE *out, const struct heap_watch *watch, struct err *err);

#endif
