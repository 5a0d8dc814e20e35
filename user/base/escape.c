/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/escape.h"

#include <stdbool.h>
#include <string.h>

#define PIECE_MAX 16 /* one character or its escape, with the NUL */

int32_t escape_next(const char **text)
{
	static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *bytes = (const unsigned char *)*text;
	int length = bytes[0] < 0x80   ? 1
		     : bytes[0] < 0xc2 ? 0
		     : bytes[0] < 0xe0 ? 2
		     : bytes[0] < 0xf0 ? 3
		     : bytes[0] < 0xf5 ? 4
				       : 0;
	int32_t character = length < 2 ? bytes[0] : bytes[0] & (0x7f >> length);

	for (int i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80) /* the final NUL ends here as well */
			length = 0;
		else
			character = character << 6 | (bytes[i] & 0x3f);
	}
	if (length && (character < least[length] || character > 0x10ffff ||
		       (character >= 0xd800 && character < 0xe000)))
		length = 0;
	*text += length ? length : 1;
	return length ? character : -1 - (int32_t)bytes[0];
}

/* Characters that a reader cannot see, or that change how what follows is shown. */
static bool is_hidden(int32_t c)
{
	static const struct {
		int32_t first, last;
	} ranges[] = {
		{0x00, 0x1f},       {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
		{0x180e, 0x180e},   {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
		{0xfe00, 0xfe0f},   {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xfffe, 0xffff},
		{0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/*
 * Take one character; its visible form goes to piece. Returns the character as escape_next() does.

 */
static int32_t take(const char **text, char piece[PIECE_MAX])
{
	const char *start = *text;
	int32_t c = escape_next(text);

	if (c < 0)
		snprintf(piece, PIECE_MAX, "\\x%02x", (unsigned)(-1 - c));
	else if (!is_hidden(c))
		snprintf(piece, PIECE_MAX, "%.*s", (int)(*text - start), start);
	else if (c == '\n' || c == '\r' || c == '\t')
		snprintf(piece, PIECE_MAX, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	else if (c < 0x100)
		snprintf(piece, PIECE_MAX, c < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)c);
	else
		snprintf(piece, PIECE_MAX, c < 0x10000 ? "\\u%04x" : "\\U%06x", (unsigned)c);
	return c;
}

/* Copy what needs no look: printable ASCII up to one of `except`. Most names are nothing else. */
static void copy_plain(FILE *out, const char **text, const char *except)
{
	size_t n = 0;

	while ((*text)[n] >= 0x20 && (*text)[n] < 0x7f && !strchr(except, (*text)[n]))
		n++;
	fwrite(*text, 1, n, out);
	*text += n;
}

void escape_terminal(FILE *out, const char *text)
{
	char piece[PIECE_MAX];

	for (copy_plain(out, &text, ""); *text; copy_plain(out, &text, "")) {
		take(&text, piece);
		fputs(piece, out);
	}
}

void escape_xml(FILE *out, const char *text)
{
	static const char markup[] = "&<>\"'";
	char piece[PIECE_MAX];

	for (copy_plain(out, &text, markup); *text; copy_plain(out, &text, markup)) {
		switch (take(&text, piece)) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputs(piece, out);
		}
	}
}

void escape_folded(FILE *out, const char *text)
{
	char piece[PIECE_MAX];

	if (!*text)
		fputc('?', out);
	for (copy_plain(out, &text, ";"); *text; copy_plain(out, &text, ";"))
		fputs(take(&text, piece) == ';' ? ":" : piece, out);
}

char *escape_utf8(char *copy, size_t size, const char *text)
{
	size_t used = 0;

	while (*text) {
		const char *start = text;
		bool valid = escape_next(&text) >= 0;
		size_t n = valid ? (size_t)(text - start) : 3;

		if (used + n >= size)
			break;
		memcpy(copy + used, valid ? start : "\xef\xbf\xbd", n);
		used += n;
	}
	copy[used] = '\0';
	return copy;
}

char *escape_copy(char *copy, size_t size, const char *text)
{
	char piece[PIECE_MAX];
	size_t used = 0, fits = 0; /* fits: the last place where "..." still has room */

	while (*text) {
		size_t n;

		take(&text, piece);
		n = strlen(piece);
		if (used + 3 < size)
			fits = used;
		if (used + n >= size) {
			memcpy(copy + fits, "...", 4);
			return copy;
		}
		memcpy(copy + used, piece, n);
		used += n;
	}
	copy[used] = '\0';
	return copy;
}

size_t escape_columns(const char *text)
{
	char piece[PIECE_MAX];
	size_t columns = 0;

	while (*text) {
		int32_t c = take(&text, piece);

		columns += c < 0 || is_hidden(c) ? strlen(piece) : 1;
	}
	return columns;
}
