/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/encode.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "model/profile.h"
#include "record/shapes.h"

/* Values: NULL stands for what is zero, and is left out. */

static json_t *make(struct names_out *names, json_t *value)
{
	names->failed |= !value;
	return value;
}

static json_t *integer(struct names_out *names, int64_t value)
{
	return value ? make(names, json_integer(value)) : NULL;
}

static json_t *real(struct names_out *names, double value)
{
	if (!isfinite(value) || value == 0)
		return NULL;
	if (fabs(value) < 1e15 && value == floor(value))
		return integer(names, (int64_t)value);
	return make(names, json_real(value));
}

static bool is_utf8(const char *text)
{
	while (*text)
		if (escape_next(&text) < 0)
			return false;
	return true;
}

/* Each byte as the character of its number. */
static json_t *latin1(const char *text)
{
	char *wide = malloc(2 * strlen(text) + 1), *to = wide;
	json_t *value;

	if (!wide)
		return NULL;
	for (const unsigned char *from = (const unsigned char *)text; *from; from++) {
		if (*from >= 0x80)
			*to++ = (char)(0xc0 | *from >> 6);
		*to++ = (char)(*from >= 0x80 ? 0x80 | (*from & 0x3f) : *from);
	}
	*to = '\0';
	value = json_pack("{s:s}", "latin1", wide);
	free(wide);
	return value;
}

static json_t *text(struct names_out *names, const char *from)
{
	json_t *value = is_utf8(from) ? json_string(from) : NULL;

	/* jansson may know better what is UTF-8 */
	return make(names, value ? value : latin1(from));
}

static json_t *chars(struct names_out *names, const struct field *field, const char *from)
{
	char *copy = strndup(from, field->size);
	json_t *value = copy && !*copy ? NULL : copy ? text(names, copy) : make(names, NULL);

	free(copy);
	return value;
}

static json_t *name(struct names_out *names, const struct field *field, unsigned value)
{
	unsigned n = 0;

	while (field->names[n] && n < value)
		n++;
	return field->names[n] ? make(names, json_string(field->names[n])) : NULL;
}

static json_t *set(struct names_out *names, const struct field *field, const bool *from)
{
	json_t *array = make(names, json_array());

	for (size_t i = 0; field->names[i]; i++)
		if (from[i])
			json_array_append_new(array, make(names, json_string(field->names[i])));
	return array;
}

static json_t *few(struct names_out *names, const struct field *field, const char *from)
{
	const uint64_t *values = (const uint64_t *)(const void *)(from + field->offset);
	uint32_t have = *(const uint32_t *)(const void *)(from + field->count_at);
	json_t *object = make(names, json_object());

	for (size_t i = 0; field->names[i]; i++)
		if (have >> i & 1)
			json_object_set_new(object, field->names[i],
					    make(names, json_integer((json_int_t)values[i])));
	return object;
}

/* Which frame of the stack; from 1 on, so that 0 is none. */
static json_t *frame(struct names_out *names, const struct field *field, const char *from)
{
	const struct frame *at = *(const struct frame *const *)(const void *)(from + field->offset);
	const struct stack *stack =
		*(const struct stack *const *)(const void *)(from + field->count_at);

	for (size_t i = 0; at && stack && i < stack->n_frames; i++)
		if (at == &stack->frames[i])
			return integer(names, (int64_t)i + 1);
	return NULL;
}

static json_t *row(struct names_out *names, const struct shape *shape, const void *from);
static json_t *pointed(struct names_out *names, const struct shape *shape, const void *from)
{
	return shape->named ? names_out_number(names, shape, encode(names, shape, from))
			    : encode(names, shape, from);
}

static json_t *one(struct names_out *names, const struct field *field, const void *at)
{
	switch (field->kind) {
	case FIELD_BOOL:
		return *(const bool *)at ? json_true() : NULL;
	case FIELD_CHAR:
		return integer(names, *(const char *)at);
	case FIELD_I32:
		return integer(names, *(const int32_t *)at);
	case FIELD_U32:
		return integer(names, *(const uint32_t *)at);
	case FIELD_I64:
		return integer(names, *(const int64_t *)at);
	case FIELD_U64:
		return integer(names, (int64_t) * (const uint64_t *)at);
	case FIELD_SIZE:
		return integer(names, (int64_t) * (const size_t *)at);
	case FIELD_REAL:
		return real(names, *(const double *)at);
	case FIELD_SCALED:
		return integer(names, (int64_t)round(shapes_rounded(field, *(const double *)at) *
						     field->scale));
	case FIELD_TEXT:
	case FIELD_STRING:
		return *(const char *const *)at ? text(names, *(const char *const *)at) : NULL;
	case FIELD_CHARS:
		return chars(names, field, at);
	case FIELD_NAME:
		return name(names, field, *(const unsigned *)at);
	case FIELD_SET:
		return set(names, field, at);
	case FIELD_POINTER:
		return *(const void *const *)at
			       ? pointed(names, field->of, *(const void *const *)at)
			       : NULL;
	case FIELD_STRUCT:
		return pointed(names, field->of, at);
	default:
		return NULL;
	}
}

static json_t *element(struct names_out *names, const struct field *field, const char *at)
{
	bool is_row =
		(field->kind == FIELD_STRUCT || field->kind == FIELD_PLACED) && !field->of->named;

	return is_row ? row(names, field->of, at) : one(names, field, at);
}

/* The last that is not zero is the last. */
static void trim(json_t *array, size_t n)
{
	while (json_array_size(array) > n)
		json_array_remove(array, json_array_size(array) - 1);
}

static bool is_empty(const json_t *value)
{
	return !value || (json_is_array(value) && !json_array_size(value));
}

static json_t *array(struct names_out *names, const struct field *field, const char *from)
{
	const char *at = from + field->offset;
	size_t n = field->counted ? *(const size_t *)(const void *)(from + field->count_at)
				  : field->times;
	json_t *result = make(names, json_array());
	size_t used = 0;

	if (field->behind)
		at = *(const char *const *)(const void *)at;
	for (size_t i = 0; i < n; i++) {
		json_t *value = element(names, field, at + i * field->size);

		if (field->kind == FIELD_PLACED && json_array_size(value) < 2) {
			json_decref(value); /* its place only */
			continue;
		}
		if (field->counted || field->kind == FIELD_PLACED || !is_empty(value))
			used = json_array_size(result) + 1;
		json_array_append_new(result, value ? value : json_integer(0));
	}
	trim(result, used);
	if (!used) {
		json_decref(result);
		result = NULL;
	}
	return result;
}

static json_t *member(struct names_out *names, const struct field *field, const char *from)
{
	if (field->kind == FIELD_FEW)
		return few(names, field, from);
	if (field->kind == FIELD_FRAME)
		return frame(names, field, from);
	if (field->times || field->behind)
		return array(names, field, from);
	return one(names, field, from + field->offset);
}

static json_t *row(struct names_out *names, const struct shape *shape, const void *from)
{
	json_t *result = make(names, json_array());
	size_t used = 0;

	names_out_columns(names, shape);
	for (const struct field *field = shape->fields; field->name; field++) {
		json_t *value = member(names, field, from);

		if (value)
			used = json_array_size(result) + 1;
		json_array_append_new(result, value ? value : json_integer(0));
	}
	trim(result, used);
	return result;
}

json_t *encode(struct names_out *names, const struct shape *shape, const void *from)
{
	json_t *object = make(names, json_object());

	for (const struct field *field = shape->fields; field->name; field++) {
		json_t *value = member(names, field, from);

		if (value && json_object_set_new(object, field->name, value))
			names->failed = true;
	}
	return object;
}
