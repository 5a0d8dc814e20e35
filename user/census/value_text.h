/* SPDX-License-Identifier: BSD-2-Clause
 *
 * value_text: characters, bytes and numbers -> text as repr() writes it, in a bounded number of
 * columns.
 *
 * Place      the census; values writes with it. Pure.
 * Shapes     what a terminal cannot show is escaped: \n, \x1b, \u202e; lone surrogates \udc80;
 *            characters that do not exist \U00110000. A backslash and the quote have one before
 *            them. So the text is printable UTF-8, and stays as it is when it is printed.
 * Bounds     `columns` for characters and bytes; plain words (value_text_put()) always fit as long
 *            as they are fewer than VALUE_TEXT_PLAIN bytes.
 */
#ifndef PYLEAKTRACE_CENSUS_VALUE_TEXT_H
#define PYLEAKTRACE_CENSUS_VALUE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_TEXT_COLUMNS 60
#define VALUE_TEXT_PLAIN   128
/* a character takes a column and at most four bytes, or more columns in ASCII */
#define VALUE_TEXT_SIZE (4 * VALUE_TEXT_COLUMNS + VALUE_TEXT_PLAIN)

struct value_text {
	char text[VALUE_TEXT_SIZE];
	size_t used;
	unsigned columns; /* left for characters and bytes */
};

/* in  columns: at most VALUE_TEXT_COLUMNS */
void value_text_begin(struct value_text *out, unsigned columns);

/* Plain words; cut where they do not fit. */
void value_text_put(struct value_text *out, const char *words);

/* One character, as between quotes (0: without quotes). false: it has no room, and nothing behind
 * it may be put in. */
bool value_text_point(struct value_text *out, uint32_t point, char quote);

/* One byte of a bytes object. */
bool value_text_byte(struct value_text *out, uint8_t byte, char quote);

/* As float.__repr__(): the shortest digits that give the same number. */
void value_text_real(struct value_text *out, double value);

/* As complex.__repr__() */
void value_text_complex(struct value_text *out, double real, double imaginary);

#endif
