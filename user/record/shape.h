/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shape: how a struct of the model is written in a recording, as a table of its fields. One table
 * drives both directions (encode.h, decode.h): a field more in the model is a row more here.
 *
 * Place      record; the tables are in shapes.c.
 * Shapes     A field is one value, or an array: inside the struct (times), or behind a pointer with
 *            its number in another member (count_at).
 * Bounds     SHAPE_FIELDS fields; arrays behind pointers have up to `times` elements (0: as memory
 *            allows).
 */
#ifndef PYLEAKTRACE_RECORD_SHAPE_H
#define PYLEAKTRACE_RECORD_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#define SHAPE_FIELDS 48

enum field_kind {
	FIELD_BOOL,
	FIELD_CHAR, /* ASCII */
	FIELD_I32,
	FIELD_U32,
	FIELD_I64,
	FIELD_U64,
	FIELD_SIZE,
	FIELD_REAL,   /* double; RECORD_DIGITS of it */
	FIELD_SCALED, /* double, of which an integer is kept: so many parts of one (scale) */
	FIELD_TEXT,   /* const char *; may be NULL */
	FIELD_STRING, /* const char *; never NULL when it was read */
	FIELD_CHARS,  /* char[size] */
	FIELD_NAME,   /* an enum, by its name in the file: it may move in the enum */
	FIELD_SET,    /* bool[], of which those that are true are named */
	FIELD_FEW, /* uint64_t[] with a uint32_t at count_at, which has the bits of those there are
		    */
	FIELD_STRUCT,
	FIELD_POINTER, /* to a struct; may be NULL */
	FIELD_PLACED,  /* structs in the struct: each begins with an enum that is its place */
	FIELD_FRAME,   /* const struct frame *, of the frames of the struct stack * at count_at */
};

struct shape;

struct field {
	const char *name; /* in the file */
	enum field_kind kind;
	size_t offset;
	size_t size;              /* of an element */
	size_t times;             /* inside the struct; 0: one. Behind a pointer: at most */
	bool counted, behind;     /* how many there are is at count_at; they are behind a pointer */
	size_t count_at;          /* offset of a size_t */
	double scale;             /* SCALED */
	const char *const *names; /* NAME, SET, FEW; ends with NULL */
	const struct shape *of;   /* STRUCT, POINTER, PLACED */
};

struct shape {
	const char *name; /* of the columns */
	size_t size;      /* of the struct */
	/* "stack": written once in a segment, and a number wherever it is needed; NULL: in its
	 * place. Inside another struct such a one is its first field, and both are one struct. */
	const char *named;
	struct field fields[SHAPE_FIELDS]; /* to the first without a name */
};

#define RECORD_DIGITS 15

#endif
