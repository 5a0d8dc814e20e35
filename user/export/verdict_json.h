/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verdict_json: the answer -> JSON ("verdict" of pyleaktrace-2.schema.json).
 *
 * Place      layer 5, private to export.
 * Ownership  as json_parts.
 */
#ifndef PYLEAKTRACE_EXPORT_VERDICT_JSON_H
#define PYLEAKTRACE_EXPORT_VERDICT_JSON_H

#include "export/json_parts.h"
#include "model/verdict.h"

/* in  profile: whose stacks a finding may point into */
json_t *json_part_verdict(const struct verdict *verdict, const struct profile *profile);

#endif
