/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/value_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

#define DIGITS_MAX 17 /* that a double needs */

void value_text_begin(struct value_text *out, unsigned columns)
{
	out->text[0] = '\0';
	out->used = 0;
	out->columns = columns < VALUE_TEXT_COLUMNS ? columns : VALUE_TEXT_COLUMNS;
}

static void append(struct value_text *out, const char *text, size_t n)
{
	size_t room = sizeof(out->text) - 1 - out->used;

	n = n < room ? n : room;
	memcpy(out->text + out->used, text, n);
	out->used += n;
	out->text[out->used] = '\0';
}

void value_text_put(struct value_text *out, const char *words)
{
	append(out, words, strlen(words));
}

/* What takes so many columns: all of it, or nothing. */
static bool take(struct value_text *out, const char *text, size_t columns)
{
	if (columns > out->columns) {
		out->columns = 0;
		return false;
	}
	out->columns -= (unsigned)columns;
	append(out, text, strlen(text));
	return true;
}

static void encode(uint32_t c, char text[5])
{
	size_t n = 0;

	if (c < 0x80) {
		text[n++] = (char)c;
	} else if (c < 0x800) {
		text[n++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		text[n++] = (char)(0xe0 | c >> 12);
		text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		text[n++] = (char)(0xf0 | c >> 18);
		text[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		text[n++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		text[n++] = (char)(0x80 | (c & 0x3f));
	text[n] = '\0';
}

bool value_text_point(struct value_text *out, uint32_t point, char quote)
{
	char raw[5], shown[24];

	if (!point)
		snprintf(shown, sizeof(shown), "\\x00");
	else if (point >= 0xd800 && point <= 0xdfff)
		snprintf(shown, sizeof(shown), "\\u%04x", (unsigned)point);
	else if (point > 0x10ffff)
		snprintf(shown, sizeof(shown), "\\U%08x", (unsigned)point);
	else if (quote && (point == '\\' || point == (uint32_t)quote))
		snprintf(shown, sizeof(shown), "\\%c", (char)point);
	else {
		encode(point, raw);
		escape_copy(shown, sizeof(shown), raw);
	}
	return take(out, shown, escape_columns(shown));
}

bool value_text_byte(struct value_text *out, uint8_t byte, char quote)
{
	char shown[8];

	if (byte < 0x80)
		return value_text_point(out, byte, quote);
	snprintf(shown, sizeof(shown), "\\x%02x", byte);
	return take(out, shown, strlen(shown));
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* in  whole: a number without a fraction ends in ".0" */
static void put_real(struct value_text *out, double value, bool whole)
{
	char digits[DIGITS_MAX + 16] = "", text[64], *mantissa = digits;
	int precision = 0, exponent;
	size_t n, at = 0;

	if (!isfinite(value)) {
		value_text_put(out, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
		return;
	}
	for (; precision < DIGITS_MAX; precision++) {
		snprintf(digits, sizeof(digits), "%.*e", precision, value);
		if (strtod(digits, NULL) == value)
			break;
	}
	exponent = atoi(strchr(digits, 'e') + 1);
	*strchr(digits, 'e') = '\0';
	if (*mantissa == '-')
		text[at++] = *mantissa++;
	/* "1.25" -> "125" */
	if (mantissa[1] == '.')
		memmove(mantissa + 1, mantissa + 2, strlen(mantissa + 1));
	n = strlen(mantissa);
	if (exponent < -4 || exponent >= 16) {
		text[at++] = mantissa[0];
		if (n > 1)
			at += (size_t)snprintf(text + at, sizeof(text) - at, ".%s", mantissa + 1);
		snprintf(text + at, sizeof(text) - at, "e%c%02d", exponent < 0 ? '-' : '+',
			 abs(exponent));
	} else if (exponent < 0) {
		snprintf(text + at, sizeof(text) - at, "0.%.*s%s", -exponent - 1, "0000", mantissa);
	} else if (n > (size_t)exponent + 1) {
		snprintf(text + at, sizeof(text) - at, "%.*s.%s", exponent + 1, mantissa,
			 mantissa + exponent + 1);
	} else {
		snprintf(text + at, sizeof(text) - at, "%s%.*s%s", mantissa, exponent + 1 - (int)n,
			 "0000000000000000", whole ? ".0" : "");
	}
	value_text_put(out, text);
}

void value_text_real(struct value_text *out, double value)
{
	put_real(out, value, true);
}

void value_text_complex(struct value_text *out, double real, double imaginary)
{
	bool alone = real == 0 && !signbit(real);

	if (!alone) {
		value_text_put(out, "(");
		put_real(out, real, false);
		/* the sign of a nan is not shown */
		value_text_put(out, isnan(imaginary) || !signbit(imaginary) ? "+" : "");
	}
	put_real(out, imaginary, false);
	value_text_put(out, alone ? "j" : "j)");
}
