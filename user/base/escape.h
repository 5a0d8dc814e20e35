/* SPDX-License-Identifier: BSD-2-Clause
 *
 * escape: text that the target chose -> text that is safe in a terminal, in XML and HTML, in a
 * folded line.
 *
 * Place      layer 0; used by everything that prints a name, a path or a word of somebody else's.
 * Source     UTF-8: RFC 3629; characters of XML: XML 1.0 (fifth edition) section 2.2; folded
 *            lines: flamegraph.pl.
 * Shapes     what cannot be shown is written as a visible escape, the same in all three: \n \r \t,
 *            \x1b for control characters and for each byte that is not part of valid UTF-8, \u202e
 *            (six hex digits above U+FFFF: \U0e0001) for characters that turn the direction of
 *            text, break lines or cannot be seen. A backslash itself stays as it is. Everything
 *            else is copied, so plain names are unchanged.
 * Errors     none of their own; the stream keeps its error flag (outfile_commit() looks at it).
 * Bounds     no memory; at most six bytes out for each byte in.
 * Threads    safe from any on different streams.
 * Example    escape_terminal(stdout, frame->function);
 */
#ifndef PYLEAKTRACE_BASE_ESCAPE_H
#define PYLEAKTRACE_BASE_ESCAPE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Step over one character.
 *
 * in     text: at a character that is not the final NUL; moved behind it, or behind one byte if
 *        that is not the start of valid UTF-8 (overlong forms, surrogates and everything above
 *        U+10FFFF are invalid)
 * return the character, or -1 - byte
 */
int32_t escape_next(const char **text);

/*
 * For terminals and plain text files: no control sequence, no line break, no turned direction gets
 * through.
 */
void escape_terminal(FILE *out, const char *text);

/* For XML and HTML text and quoted attributes: as for terminals, and & < > " ' as entities. */
void escape_xml(FILE *out, const char *text);

/* For one frame of a folded line: as for terminals, and `;` becomes `:`. Empty text becomes `?`. */
void escape_folded(FILE *out, const char *text);

/*
 * Copy text as valid UTF-8: each byte that is not part of a character becomes U+FFFD. Control
 * characters stay.
 *
 * out    copy: terminated; cut between characters when size (> 0) is too small; 3 * strlen(text) +
 *        1 is enough
 * return copy
 */
char *escape_utf8(char *copy, size_t size, const char *text);

/*
 * Copy text as for terminals into memory, for messages.
 *
 * out    copy: terminated; cut, with "..." at its end, when size (>= 16) is too small
 * return copy
 */
char *escape_copy(char *copy, size_t size, const char *text);

/*
 * Columns of a terminal that the text takes when printed by escape_terminal(); every character
 * counts as one.
 */
size_t escape_columns(const char *text);

#endif
