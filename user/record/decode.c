/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/decode.h"

#include <math.h>
#include <string.h>

#include "model/heap_watch.h"
#include "model/trend.h"
#include "record/format.h"
#include "record/shapes.h"

/* Sums and differences of what was read stay in their type. */
#define I64_MOST  (INT64_MAX / 4)
#define REAL_MOST 1e18

struct decoding {
	struct profile *profile;
	const struct names_in *names;
	size_t left;              /* bytes of RECORD_MODEL_MAX */
	void **read[NAMES_KINDS]; /* named structs that are read already, by number */
	size_t strange;
	const char *failed; /* why */
};

static void *room(struct decoding *decoding, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all) || all > decoding->left) {
		decoding->failed = "it is too large";
		return NULL;
	}
	decoding->left -= all;
	return profile_alloc(decoding->profile, all + 1);
}

static bool decode(struct decoding *decoding, const struct shape *shape, const json_t *from,
		   void *to);

/* ---- values --------------------------------------------------------------------------------- */

/* What is not there is zero, and so is a zero. */
static bool is_zero(const json_t *from)
{
	return !from || json_is_null(from) || json_is_false(from) ||
	       (json_is_integer(from) && !json_integer_value(from));
}

static int64_t integer(struct decoding *decoding, const json_t *from, int64_t least, int64_t most)
{
	int64_t value = json_integer_value(from);

	if (is_zero(from))
		return 0;
	if (json_is_integer(from) && value >= least && value <= most)
		return value;
	decoding->strange++;
	return 0;
}

static double real(struct decoding *decoding, const json_t *from, double most)
{
	double value = json_number_value(from);

	if (is_zero(from))
		return 0;
	if (json_is_number(from) && isfinite(value) && fabs(value) <= most)
		return value;
	decoding->strange++;
	return 0;
}

static const char *latin1(struct decoding *decoding, const char *wide)
{
	char narrow[PROFILE_STRING_MAX];
	size_t n = 0;

	for (const unsigned char *at = (const unsigned char *)wide;
	     *at && n + 1 < sizeof(narrow);) {
		if (*at < 0x80) {
			narrow[n++] = (char)*at++;
		} else if ((*at & 0xfc) == 0xc0 && (at[1] & 0xc0) == 0x80) {
			narrow[n++] = (char)(*at << 6 | (at[1] & 0x3f));
			at += 2;
		} else {
			decoding->strange++;
			break;
		}
	}
	return profile_str(decoding->profile, narrow, (long)n);
}

static const char *text(struct decoding *decoding, const json_t *from)
{
	const char *wide = json_string_value(json_object_get(from, "latin1"));

	if (json_is_string(from))
		return profile_str(decoding->profile, json_string_value(from), -1);
	if (wide)
		return latin1(decoding, wide);
	decoding->strange += !is_zero(from);
	return NULL;
}

static void chars(struct decoding *decoding, const struct field *field, const json_t *from,
		  char *to)
{
	const char *value = text(decoding, from);

	strncpy(to, value ? value : "", field->size - 1);
	to[field->size - 1] = '\0';
}

static unsigned name(struct decoding *decoding, const struct field *field, const json_t *from)
{
	const char *value = json_string_value(from);

	for (unsigned i = 0; value && field->names[i]; i++)
		if (!strcmp(value, field->names[i]))
			return i;
	decoding->strange += !is_zero(from);
	return 0;
}

static void set(struct decoding *decoding, const struct field *field, const json_t *from, bool *to)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(from); i++) {
		const char *value = json_string_value(json_array_get(from, i));

		for (n = 0; value && field->names[n] && strcmp(value, field->names[n]); n++)
			;
		if (value && field->names[n])
			to[n] = true;
		else
			decoding->strange++;
	}
}

static void few(struct decoding *decoding, const struct field *field, const json_t *from, char *to)
{
	uint64_t *values = (uint64_t *)(void *)(to + field->offset);
	uint32_t *have = (uint32_t *)(void *)(to + field->count_at);

	for (size_t i = 0; field->names[i]; i++) {
		const json_t *value = json_object_get(from, field->names[i]);

		if (!value)
			continue;
		values[i] = (uint64_t)integer(decoding, value, INT64_MIN, INT64_MAX);
		*have |= 1u << i;
	}
}

static void frame(struct decoding *decoding, const struct field *field, const json_t *from,
		  char *to)
{
	const struct stack *stack = *(const struct stack **)(void *)(to + field->count_at);
	int64_t i = integer(decoding, from, 1, INT64_MAX);

	if (i && stack && (uint64_t)i <= stack->n_frames)
		*(const struct frame **)(void *)(to + field->offset) = &stack->frames[i - 1];
}

/* ---- structs -------------------------------------------------------------------------------- */

/* A struct that is named: read once, so that its frames are the same wherever it is. */
static bool named(struct decoding *decoding, const struct shape *shape, const json_t *from,
		  void *to)
{
	unsigned kind = names_kind(shape);
	json_int_t number = json_integer_value(from);
	json_t *value =
		json_is_integer(from) ? names_in_value(decoding->names, shape, number) : NULL;
	void **read;

	if (!from)
		return true;
	if (!json_is_object(value)) {
		decoding->failed = "names that it needs were in a part that is damaged";
		return false;
	}
	if (!decoding->read[kind])
		decoding->read[kind] = room(decoding, decoding->names->n[kind], sizeof(void *));
	read = decoding->read[kind];
	if (!read)
		return false;
	if (!read[number]) {
		void *fresh = room(decoding, 1, shape->size);

		if (!fresh || !decode(decoding, shape, value, fresh))
			return false;
		read[number] = fresh;
	}
	memcpy(to, read[number], shape->size);
	return true;
}

static bool pointed(struct decoding *decoding, const struct field *field, const json_t *from,
		    void **to)
{
	if (is_zero(from))
		return true;
	*to = room(decoding, 1, field->of->size);
	return *to && decode(decoding, field->of, from, *to);
}

static bool one(struct decoding *decoding, const struct field *field, const json_t *from, void *to)
{
	switch (field->kind) {
	case FIELD_BOOL:
		*(bool *)to = json_is_true(from);
		decoding->strange += !json_is_true(from) && !is_zero(from);
		return true;
	case FIELD_CHAR:
		*(char *)to = (char)integer(decoding, from, 0, 126);
		return true;
	case FIELD_I32:
		*(int32_t *)to = (int32_t)integer(decoding, from, INT32_MIN + 1, INT32_MAX);
		return true;
	case FIELD_U32:
		*(uint32_t *)to = (uint32_t)integer(decoding, from, 0, UINT32_MAX);
		return true;
	case FIELD_I64:
		*(int64_t *)to = integer(decoding, from, -I64_MOST, I64_MOST);
		return true;
	case FIELD_U64:
		*(uint64_t *)to = (uint64_t)integer(decoding, from, INT64_MIN, INT64_MAX);
		return true;
	case FIELD_SIZE:
		*(size_t *)to = (size_t)integer(decoding, from, 0, INT64_MAX);
		return true;
	case FIELD_REAL:
		*(double *)to = real(decoding, from, REAL_MOST);
		return true;
	case FIELD_SCALED:
		*(double *)to = real(decoding, from, REAL_MOST) / field->scale;
		return true;
	case FIELD_TEXT:
		*(const char **)to = text(decoding, from);
		return true;
	case FIELD_STRING:
		*(const char **)to = text(decoding, from);
		if (!*(const char **)to)
			*(const char **)to = "";
		return true;
	case FIELD_CHARS:
		chars(decoding, field, from, to);
		return true;
	case FIELD_NAME:
		*(unsigned *)to = name(decoding, field, from);
		return true;
	case FIELD_SET:
		set(decoding, field, from, to);
		return true;
	case FIELD_POINTER:
		return pointed(decoding, field, from, to);
	case FIELD_STRUCT:
		return decode(decoding, field->of, from, to);
	default:
		return true;
	}
}

/* Each begins with its place, which those that are not there have too. */
static bool placed(struct decoding *decoding, const struct field *field, const json_t *from,
		   char *to)
{
	for (unsigned i = 0; i < field->times; i++)
		*(unsigned *)(void *)(to + i * field->size) = i;
	for (size_t i = 0; i < json_array_size(from); i++) {
		char row[256] __attribute__((aligned(16))) = "";

		if (field->size > sizeof(row) ||
		    !decode(decoding, field->of, json_array_get(from, i), row))
			return false;
		if (*(unsigned *)(void *)row < field->times)
			memcpy(to + *(unsigned *)(void *)row * field->size, row, field->size);
	}
	return true;
}

static bool array(struct decoding *decoding, const struct field *field, const json_t *from,
		  char *to)
{
	size_t n = json_array_size(from);
	char *at = to + field->offset;

	decoding->strange += !json_is_array(from) && !is_zero(from);
	if (field->times && n > field->times) {
		n = field->times;
		decoding->strange++;
	}
	if (field->kind == FIELD_PLACED)
		return placed(decoding, field, from, at);
	if (field->behind) {
		void **behind = (void **)(void *)at;

		at = *behind = n ? room(decoding, n, field->size) : NULL;
		if (n && !at)
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (!one(decoding, field, json_array_get(from, i), at + i * field->size))
			return false;
	if (field->counted)
		*(size_t *)(void *)(to + field->count_at) = n;
	return true;
}

static bool member(struct decoding *decoding, const struct field *field, const json_t *from,
		   char *to)
{
	switch (field->kind) {
	case FIELD_FEW:
		few(decoding, field, from, to);
		return true;
	case FIELD_FRAME:
		frame(decoding, field, from, to);
		return true;
	default:
		return field->times || field->behind
			       ? array(decoding, field, from, to)
			       : one(decoding, field, from, to + field->offset);
	}
}

/* Where in a row the field is; -1: it is in no column. */
static long column(const json_t *columns, const struct field *field)
{
	for (size_t i = 0; i < json_array_size(columns); i++) {
		const char *is = json_string_value(json_array_get(columns, i));

		if (is && !strcmp(is, field->name))
			return (long)i;
	}
	return -1;
}

static bool decode_row(struct decoding *decoding, const struct shape *shape, const json_t *from,
		       char *to)
{
	const json_t *columns = json_object_get(decoding->names->columns, shape->name);

	if (!columns) {
		decoding->failed = "names that it needs were in a part that is damaged";
		return false;
	}
	for (const struct field *field = shape->fields; field->name; field++) {
		long i = column(columns, field);

		if (!member(decoding, field, i < 0 ? NULL : json_array_get(from, (size_t)i), to))
			return false;
	}
	return true;
}

/* to: zeros */
static bool decode(struct decoding *decoding, const struct shape *shape, const json_t *from,
		   void *to)
{
	if (shape->named && !json_is_object(from))
		return named(decoding, shape, from, to);
	if (json_is_array(from))
		return decode_row(decoding, shape, from, to);
	decoding->strange += !json_is_object(from) && !is_zero(from);
	for (const struct field *field = shape->fields; field->name; field++)
		if (!member(decoding, field, json_object_get(from, field->name), to))
			return false;
	return true;
}

/* ---- a profile ------------------------------------------------------------------------------ */

static void keep_row(struct heap_watch_row *row)
{
	if (!row->now_type)
		row->now_type = ""; /* where it is read at all, it is there */
}

/* What the model promises beyond the fields themselves. */
static void keep_promises(struct profile *profile)
{
	static const struct heap_watch_instances none;
	static const struct timespec start;
	struct profile_growing_containers *containers =
		(struct profile_growing_containers *)profile->growing_containers;
	struct profile_growing_classes *classes =
		(struct profile_growing_classes *)profile->growing_classes;

	if (profile->time.tv_sec < 0 || profile->time.tv_sec > 253402300799 ||
	    profile->time.tv_nsec < 0 || profile->time.tv_nsec > 999999999)
		profile->time = start;
	if (profile->trend && !profile->trend->n_looks)
		profile->trend = NULL;
	for (size_t i = 0; containers && i < containers->n_rows; i++)
		keep_row(&containers->rows[i].row);
	for (size_t i = 0; classes && i < classes->n_rows; i++) {
		keep_row(&classes->rows[i].row);
		if (!classes->rows[i].row.instances)
			classes->rows[i].row.instances = &none;
	}
}

int decode_profile(const struct names_in *names, const json_t *from, struct profile *profile,
		   size_t *strange, struct err *err)
{
	struct decoding decoding = {.profile = profile, .names = names, .left = RECORD_MODEL_MAX};
	bool good;

	profile->mode.max_size = 0;
	good = json_is_object(from) && decode(&decoding, &shape_profile, from, profile);
	*strange = decoding.strange;
	if (!good)
		return err_set(err, ERR_FAILED, "%s",
			       decoding.failed ? decoding.failed : "it is no report");
	keep_promises(profile);
	return 0;
}
