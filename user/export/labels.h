/* SPDX-License-Identifier: BSD-2-Clause
 *
 * labels: what is known of a stack besides its frames and figures, as pairs of name and value.
 *
 * Place      layer 5, private to export; used by pprof and otlp.
 * Source     thread.name, thread.id: OpenTelemetry semantic conventions.
 * Shapes     name of pprof   attribute of OTLP        value
 *            domain          pyleaktrace.domain       "object"
 *            finding         pyleaktrace.finding      findings_title() of the finding whose stack
 *                                                     it is: "container app.cache.SESSIONS"
 *            type            pyleaktrace.type         of most of its blocks, by bytes
 *            module          pyleaktrace.module       with --group-by module: its group
 *            thread          thread.name
 *            thread_id       thread.id                a number
 *            pid             (of the resource)        a number; where several are shown as one
 *            estimated       pyleaktrace.estimated    "yes"; of what was counted there is none
 * Threads    safe from any.
 */
#ifndef PYLEAKTRACE_EXPORT_LABELS_H
#define PYLEAKTRACE_EXPORT_LABELS_H

#include "export/findings.h"
#include "model/profile.h"

#define LABELS_MAX 8

struct label {
	const char *name, *attribute; /* attribute NULL: none */
	const char *text;
	uint64_t number; /* where text is NULL */
};

struct labels {
	struct label rows[LABELS_MAX];
	size_t n;
	char title[FINDINGS_TITLE_MAX]; /* private */
};

/* Of the profile's stack of this index. Values live as long as labels and the profile. */
void labels_of_stack(struct labels *labels, const struct profile *profile, size_t index);

/* Of a finding that is shown by itself. */
void labels_of_finding(struct labels *labels, const struct finding *finding, int pid);

#endif
