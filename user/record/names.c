/* SPDX-License-Identifier: BSD-2-Clause */
#include "record/names.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "record/format.h"

struct names_entry {
	UT_hash_handle hh;
	size_t number;
	char text[]; /* the kind's letter, and the JSON */
};

static const char *const kinds[NAMES_KINDS] = {"stack", "moment"};

unsigned names_kind(const struct shape *shape)
{
	return strcmp(shape->named, kinds[0]) ? 1 : 0;
}

char *names_text(const json_t *value)
{
	return json_dumps(value,
			  JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(RECORD_DIGITS));
}

/* ---- writing -------------------------------------------------------------------------------- */

void names_out_clear(struct names_out *names)
{
	struct names_entry *entry, *next;

	HASH_ITER (hh, names->entries, entry, next) {
		HASH_DEL(names->entries, entry);
		free(entry);
	}
	for (unsigned kind = 0; kind < NAMES_KINDS; kind++)
		names->n[kind] = 0;
	names->n_told = 0;
}

/* A new entry, whose line is written; NULL: memory is out. */
static struct names_entry *add(struct names_out *names, unsigned kind, const char *text)
{
	size_t length = strlen(text);
	struct names_entry *entry = malloc(sizeof(*entry) + length + 2);

	if (!entry)
		return NULL;
	entry->number = names->n[kind]++;
	entry->text[0] = (char)('0' + kind);
	memcpy(entry->text + 1, text, length + 1);
	HASH_ADD_KEYPTR(hh, names->entries, entry->text, length + 1, entry);
	fprintf(names->lines, "{\"%s\":%zu,\"is\":%s}\n", kinds[kind], entry->number, text);
	return entry;
}

json_t *names_out_number(struct names_out *names, const struct shape *shape, json_t *value)
{
	unsigned kind = names_kind(shape);
	struct names_entry *entry = NULL;
	char *json = value ? names_text(value) : NULL, *key = NULL;

	json_decref(value);
	if (json && asprintf(&key, "%c%s", (char)('0' + kind), json) >= 0)
		HASH_FIND(hh, names->entries, key, strlen(key), entry);
	if (key && !entry)
		entry = add(names, kind, json);
	free(key);
	free(json);
	names->failed |= !entry;
	return entry ? json_integer((json_int_t)entry->number) : NULL;
}

void names_out_columns(struct names_out *names, const struct shape *shape)
{
	for (size_t i = 0; i < names->n_told; i++)
		if (names->told[i] == shape)
			return;
	if (names->n_told == sizeof(names->told) / sizeof(names->told[0])) {
		names->failed = true; /* more shapes than are in shapes.c */
		return;
	}
	names->told[names->n_told++] = shape;
	fprintf(names->lines, "{\"columns\":\"%s\",\"are\":[", shape->name);
	for (const struct field *field = shape->fields; field->name; field++)
		fprintf(names->lines, "%s\"%s\"", field == shape->fields ? "" : ",", field->name);
	fputs("]}\n", names->lines);
}

/* ---- reading -------------------------------------------------------------------------------- */

void names_in_fini(struct names_in *names)
{
	json_decref(names->columns);
	for (unsigned kind = 0; kind < NAMES_KINDS; kind++) {
		for (size_t i = 0; i < names->n[kind]; i++)
			json_decref(names->values[kind][i]);
		free(names->values[kind]);
	}
	*names = (struct names_in){0};
}

static bool take_columns(struct names_in *names, const char *shape, json_t *are)
{
	if (!names->columns)
		names->columns = json_object();
	return names->columns && json_is_array(are) && json_array_size(are) < 4 * SHAPE_FIELDS &&
	       json_object_size(names->columns) < 1024 &&
	       !json_object_set(names->columns, shape, are);
}

/* Make room for so many; those that no line has given are NULL. */
static bool make_room(struct names_in *names, unsigned kind, size_t n)
{
	json_t **values;

	if (n <= names->n[kind])
		return true;
	values = realloc(names->values[kind], n * sizeof(*values));
	if (!values)
		return false;
	for (size_t i = names->n[kind]; i < n; i++)
		values[i] = NULL;
	names->values[kind] = values;
	names->n[kind] = n;
	return true;
}

bool names_in_take(struct names_in *names, json_t *line, size_t bytes)
{
	json_t *are = json_object_get(line, "are"), *is = json_object_get(line, "is");
	const char *shape = json_string_value(json_object_get(line, "columns"));

	if (names->bytes + bytes > RECORD_NAMES_MAX)
		return false;
	names->bytes += bytes;
	if (shape)
		return take_columns(names, shape, are);
	for (unsigned kind = 0; kind < NAMES_KINDS; kind++) {
		json_t *number = json_object_get(line, kinds[kind]);
		json_int_t n = json_integer_value(number);

		if (!json_is_integer(number) || n < 0 || n >= RECORD_NAME_IDS || !is)
			continue;
		if (!make_room(names, kind, (size_t)n + 1))
			return false;
		json_decref(names->values[kind][n]);
		names->values[kind][n] = json_incref(is);
		return true;
	}
	return false;
}

json_t *names_in_value(const struct names_in *names, const struct shape *shape, json_int_t number)
{
	unsigned kind = names_kind(shape);

	return number >= 0 && (size_t)number < names->n[kind] ? names->values[kind][number] : NULL;
}
