/* SPDX-License-Identifier: BSD-2-Clause
 *
 * names: what a segment says once: the columns of rows, stacks, moments of the trend.
 *
 *     writing   value ──▶ its number, and a line the first time      names_out
 *     reading   lines ──▶ the values, by number                      names_in
 *
 * Place      record; encode and decode ask, recorder and recording carry the lines.
 * Shapes     {"columns":"stacks","are":["site",...]}, {"stack":7,"is":{...}}: numbers count up from
 * 0 for each kind (format.h). Ownership  of JSON values: said at each function. _fini() frees all.
 * Errors     names_out.failed: memory is out. A line that is wrong is refused, and changes nothing.
 * Bounds     RECORD_NAME_IDS numbers of a kind; RECORD_NAMES_MAX bytes of lines.
 */
#ifndef PYLEAKTRACE_RECORD_NAMES_H
#define PYLEAKTRACE_RECORD_NAMES_H

#include <stdio.h>

#include <jansson.h>

#include "record/shape.h"

#define NAMES_KINDS 2 /* "stack", "moment" */

struct names_entry;

struct names_out {
	struct names_entry *entries;
	size_t n[NAMES_KINDS];
	const struct shape *told[64]; /* shapes whose columns are written */
	size_t n_told;
	FILE *lines; /* where new ones go */
	bool failed;
};

/* A value as one line of JSON, without its line break; NULL: memory is out. To be freed. */
char *names_text(const json_t *value);

/* A segment begins: nothing is named yet. `lines` stays. */
void names_out_clear(struct names_out *names);

/* The number of a value; takes it. NULL: memory is out. */
json_t *names_out_number(struct names_out *names, const struct shape *shape, json_t *value);

/* Rows of this shape will follow. */
void names_out_columns(struct names_out *names, const struct shape *shape);

struct names_in {
	json_t *columns; /* name of the shape -> array */
	json_t **values[NAMES_KINDS];
	size_t n[NAMES_KINDS];
	size_t bytes; /* of lines so far */
};

void names_in_fini(struct names_in *names);

/* Take what a line says; it is borrowed. false: it is no such line, or there is no room. */
bool names_in_take(struct names_in *names, json_t *line, size_t bytes);

/* The value with this number, borrowed; NULL: it is not known. */
json_t *names_in_value(const struct names_in *names, const struct shape *shape, json_int_t number);

/* Which kind of value it is; the shape is a named one. */
unsigned names_kind(const struct shape *shape);

#endif
