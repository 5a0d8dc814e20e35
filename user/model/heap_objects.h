/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap_objects: some objects of a type, the newest first, as plain data: age, size, how each is
 * held, and what is in it.
 *
 * Place      layer 1; filled by the census; read by view and export.
 * Shapes     text of values is printable: what cannot be shown is escaped in it. Names of types and
 *            paths are bytes of the target.
 * Units      seconds, bytes.
 * Ownership  heap_objects_fini() frees what is in it.
 */
#ifndef PYLEAKTRACE_MODEL_HEAP_OBJECTS_H
#define PYLEAKTRACE_MODEL_HEAP_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An item of a container, or an attribute. */
struct heap_value_part {
	char *name; /* "[0]", "['k1']", ".user"; "" of a set's */
	char *text;
};

struct heap_value {
	char *text; /* "'ann'", "<dict of 3>", "<app.Session>" */
	struct heap_value_part *parts;
	size_t n_parts;
	uint64_t more; /* items and attributes that are not among the parts */
};

enum heap_how {
	HEAP_HOW_REACHED, /* from a root */
	HEAP_HOW_HELD,    /* from C, or by a lost reference */
	HEAP_HOW_GARBAGE, /* waits for a collection */
	HEAP_HOW_UNKNOWN, /* the target has ended before it was asked */
};

struct heap_object {
	uint64_t address;
	char *type;
	uint64_t bytes; /* of its own block, as the allocator gave it; 0: it has none */
	bool have_items;
	uint64_t items; /* of a container: len() */
	/* its age; nothing is known of it after a single scan */
	bool have_age;
	unsigned scans; /* that saw it */
	double least_s;
	bool is_new; /* made after the first scan; then: */
	double most_s;
	enum heap_how how;
	char *root; /* as of a chain; NULL: of garbage, and when it is unnamed */
	char *path;
	bool unnamed; /* its way was not looked up: that would have taken too long */
	bool changed; /* the way to it, or the object itself, while it was looked at */
	bool have_value;
	struct heap_value value;
};

struct heap_objects {
	struct heap_object *rows; /* newest first, then by address */
	size_t n_rows;
	unsigned n_scans;
	double span_s;      /* of the scans */
	uint64_t made;      /* of all the objects of the type: how many were made meanwhile */
	bool single;        /* one was asked for, by its address */
	bool several_types; /* in the rows */
	bool target_ended;  /* so ages and addresses are all that is known of the rows */
};

void heap_value_fini(struct heap_value *value);
void heap_objects_fini(struct heap_objects *objects);

#endif
