/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "census/fields.h"
#include "census/value_text.h"
#include "python/dict.h"
#include "python/number.h"
#include "python/str.h"
#include "target/remote_mem.h"

#define PARTS_ROOM  (2 * VALUES_PARTS)
#define LENGTH_MAX  (1ull << 48) /* no container is longer */
#define SET_CHUNK   64
#define DUMMY_HASH  UINT64_MAX
#define DEQUE_BLOCK 64 /* items of a block: a link, they, another link */
#define BYTES_START 24 /* PyByteArrayObject.ob_start */

/* What the text and the items of an object are. */
enum content {
	CONTENT_OTHER,
	CONTENT_NONE,
	CONTENT_BOOL,
	CONTENT_INT,
	CONTENT_FLOAT,
	CONTENT_COMPLEX,
	CONTENT_STR,
	CONTENT_BYTES,
	CONTENT_BYTEARRAY,
	CONTENT_TYPE,
	/* containers */
	CONTENT_TUPLE,
	CONTENT_LIST,
	CONTENT_DICT,
	CONTENT_SET,
	CONTENT_DEQUE,
};

/* One object. */
struct subject {
	uint64_t address;
	struct py_type type;
	enum content content;
};

/* A value in the making. */
struct making {
	const struct values *values;
	struct heap_value *value;
	uint64_t object;
	uint64_t n_items, n_attributes; /* that were seen */
	uint64_t n_shown;               /* of them */
	bool failed;                    /* memory is out */
};

static pid_t pid_of(const struct values *values)
{
	return values->names.pid;
}

static const struct py_layout *layout_of(const struct values *values)
{
	return &values->names.runtime->layout;
}

/* An address behind PyObject. */
static uint64_t behind_head(const struct values *values, uint64_t object, int64_t offset)
{
	return object + (uint64_t)(py_head_bytes(layout_of(values)) + offset);
}

static uint64_t word(const struct values *values, uint64_t address)
{
	uint64_t value = 0;

	remote_read_u64(pid_of(values), address, &value);
	return value;
}

/* ---- what it is ----------------------------------------------------------------------------- */

static enum content content_by_name(const char *name)
{
	static const struct {
		const char *name;
		enum content content;
	} rows[] = {
		{"NoneType", CONTENT_NONE},
		{"bool", CONTENT_BOOL},
		{"float", CONTENT_FLOAT},
		{"complex", CONTENT_COMPLEX},
		{"set", CONTENT_SET},
		{"frozenset", CONTENT_SET},
		{"bytearray", CONTENT_BYTEARRAY},
		{"collections.deque", CONTENT_DEQUE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(name, rows[i].name))
			return rows[i].content;
	return CONTENT_OTHER;
}

/* What derives from these has no flag: the scan has looked at the bases. */
static enum content content_by_kind(const struct values *values, uint64_t type)
{
	const struct census_type *known =
		values->types ? type_table_find(values->types, type) : NULL;

	if (!known)
		return CONTENT_OTHER;
	switch (known->kind) {
	case KIND_SET:
		return CONTENT_SET;
	case KIND_DEQUE:
		return CONTENT_DEQUE;
	case KIND_BYTEARRAY:
		return CONTENT_BYTEARRAY;
	default:
		return CONTENT_OTHER;
	}
}

static enum content content_of(const struct values *values, const struct py_type *type)
{
	static const struct {
		uint64_t flag;
		enum content content;
	} flags[] = {{PY_TYPE_STR, CONTENT_STR},     {PY_TYPE_BYTES, CONTENT_BYTES},
		     {PY_TYPE_TUPLE, CONTENT_TUPLE}, {PY_TYPE_LIST, CONTENT_LIST},
		     {PY_TYPE_DICT, CONTENT_DICT},   {PY_TYPE_TYPE, CONTENT_TYPE},
		     {PY_TYPE_INT, CONTENT_INT}};
	/* a class may have the name of a built-in one; deque is made at run time since 3.12 */
	bool built_in = !(type->flags & PY_TYPE_HEAP) || !strcmp(type->name, "collections.deque");
	enum content content = built_in ? content_by_name(type->name) : CONTENT_OTHER;

	for (size_t i = 0; !content && i < sizeof(flags) / sizeof(flags[0]); i++)
		if (type->flags & flags[i].flag)
			content = flags[i].content;
	return content ? content : content_by_kind(values, type->address);
}

/* false: there is no object at the address. */
static bool look_at(const struct values *values, uint64_t address, struct subject *subject)
{
	uint64_t type;

	*subject = (struct subject){.address = address};
	if (!address || address % 8 ||
	    remote_read_u64(pid_of(values), address + (uint64_t)layout_of(values)->object.ob_type,
			    &type) ||
	    py_type_read(&subject->type, pid_of(values), values->names.runtime, type))
		return false;
	subject->content = content_of(values, &subject->type);
	return true;
}

/* ---- text ----------------------------------------------------------------------------------- */

/* Text of the target's between plain words. */
static void put_foreign(struct value_text *out, const char *text)
{
	while (*text) {
		int32_t c = escape_next(&text);
		bool fits = c < 0 ? value_text_byte(out, (uint8_t)(-1 - c), 0)
				  : value_text_point(out, (uint32_t)c, 0);

		if (!fits) {
			value_text_put(out, "...");
			return;
		}
	}
}

static void put_type(struct value_text *out, const struct subject *subject)
{
	value_text_put(out, "<");
	put_foreign(out, subject->type.name);
	value_text_put(out, ">");
}

static void put_cut(struct value_text *out, uint64_t length, const char *unit)
{
	value_text_put(out, "... (");
	value_text_put(out, fmt_count(length).text);
	value_text_put(out, unit);
}

static bool put_str(const struct values *values, struct value_text *out, uint64_t object)
{
	uint32_t points[VALUE_TEXT_COLUMNS + 1];
	uint64_t length;
	long n = py_str_points(pid_of(values), layout_of(values), object, points,
			       sizeof(points) / sizeof(points[0]), &length),
	     shown = 0;

	if (n < 0)
		return false;
	value_text_put(out, "'");
	while (shown < n && value_text_point(out, points[shown], '\''))
		shown++;
	value_text_put(out, "'");
	if ((uint64_t)shown < length)
		put_cut(out, length, " characters)");
	return true;
}

static bool put_bytes(const struct values *values, struct value_text *out, uint64_t at,
		      uint64_t length)
{
	uint8_t bytes[VALUE_TEXT_COLUMNS + 1];
	size_t n = length < sizeof(bytes) ? (size_t)length : sizeof(bytes), shown = 0;

	if (length > LENGTH_MAX || (n && remote_read(pid_of(values), at, bytes, n)))
		return false;
	value_text_put(out, "b'");
	while (shown < n && value_text_byte(out, bytes[shown], '\''))
		shown++;
	value_text_put(out, "'");
	if (shown < length)
		put_cut(out, length, " bytes)");
	return true;
}

static bool put_bytearray(const struct values *values, struct value_text *out, uint64_t object)
{
	uint64_t length = names_length(&values->names, object),
		 start = word(values, behind_head(values, object, BYTES_START));

	value_text_put(out, "bytearray(");
	if (!put_bytes(values, out, start, length))
		value_text_put(out, "?");
	value_text_put(out, ")");
	return true;
}

static bool put_int(const struct values *values, struct value_text *out, uint64_t object)
{
	struct py_int value;
	char text[48];

	if (py_int_read(&value, pid_of(values), layout_of(values), object))
		return false;
	if (value.bits > 64)
		snprintf(text, sizeof(text), "<int of %" PRIu64 " bits>", value.bits);
	else
		snprintf(text, sizeof(text), "%s%" PRIu64, value.negative ? "-" : "",
			 value.magnitude);
	value_text_put(out, text);
	return true;
}

static bool put_bool(const struct values *values, struct value_text *out, uint64_t object)
{
	struct py_int value;

	if (py_int_read(&value, pid_of(values), layout_of(values), object) || value.magnitude > 1)
		return false;
	value_text_put(out, value.magnitude ? "True" : "False");
	return true;
}

static bool put_doubles(const struct values *values, struct value_text *out, uint64_t object,
			unsigned n)
{
	double parts[2];

	if (py_doubles_read(parts, n, pid_of(values), layout_of(values), object))
		return false;
	if (n == 1)
		value_text_real(out, parts[0]);
	else
		value_text_complex(out, parts[0], parts[1]);
	return true;
}

static bool put_class(const struct values *values, struct value_text *out, uint64_t object)
{
	struct py_type type;

	if (py_type_read(&type, pid_of(values), values->names.runtime, object))
		return false;
	value_text_put(out, "<class ");
	put_foreign(out, type.name);
	value_text_put(out, ">");
	return true;
}

static bool length_of(const struct values *values, const struct subject *subject, uint64_t *length)
{
	uint64_t at = subject->address;

	switch (subject->content) {
	case CONTENT_TUPLE:
	case CONTENT_LIST:
	case CONTENT_DEQUE:
		at += (uint64_t)layout_of(values)->object.var_size;
		break;
	case CONTENT_DICT:
		at += (uint64_t)layout_of(values)->dict.used;
		break;
	case CONTENT_SET:
		at = behind_head(values, at, SET_USED);
		break;
	default:
		return false;
	}
	return !remote_read_u64(pid_of(values), at, length) && *length <= LENGTH_MAX;
}

static bool put_container(const struct values *values, struct value_text *out,
			  const struct subject *subject)
{
	uint64_t length;

	if (!length_of(values, subject, &length))
		return false;
	value_text_put(out, "<");
	put_foreign(out, subject->type.name);
	value_text_put(out, " of ");
	value_text_put(out, fmt_count(length).text);
	value_text_put(out, ">");
	return true;
}

/* In one line. */
static void put_subject(const struct values *values, struct value_text *out,
			const struct subject *subject)
{
	uint64_t at = subject->address;
	bool done = false;

	switch (subject->content) {
	case CONTENT_NONE:
		value_text_put(out, "None");
		done = true;
		break;
	case CONTENT_BOOL:
		done = put_bool(values, out, at);
		break;
	case CONTENT_INT:
		done = put_int(values, out, at);
		break;
	case CONTENT_FLOAT:
		done = put_doubles(values, out, at, 1);
		break;
	case CONTENT_COMPLEX:
		done = put_doubles(values, out, at, 2);
		break;
	case CONTENT_STR:
		done = put_str(values, out, at);
		break;
	case CONTENT_BYTES:
		done = put_bytes(values, out, at + (uint64_t)layout_of(values)->object.bytes_data,
				 names_length(&values->names, at));
		break;
	case CONTENT_BYTEARRAY:
		done = put_bytearray(values, out, at);
		break;
	case CONTENT_TYPE:
		done = put_class(values, out, at);
		break;
	case CONTENT_OTHER:
		break;
	default:
		done = put_container(values, out, subject);
	}
	if (!done)
		put_type(out, subject);
}

static void put_object(const struct values *values, struct value_text *out, uint64_t address)
{
	struct subject subject;

	if (look_at(values, address, &subject))
		put_subject(values, out, &subject);
	else
		value_text_put(out, "?");
}

/* ---- parts ---------------------------------------------------------------------------------- */

static void add_part(struct making *making, const char *name, uint64_t object)
{
	struct heap_value *value = making->value;
	struct heap_value_part *part;
	struct value_text text;

	if (value->n_parts == PARTS_ROOM || making->failed)
		return;
	value_text_begin(&text, VALUES_PART_COLUMNS);
	put_object(making->values, &text, object);
	part = &value->parts[value->n_parts++];
	part->name = strdup(name);
	part->text = strdup(text.text);
	making->failed = !part->name || !part->text;
	making->n_shown++;
}

static void add_at_index(struct making *making, uint64_t index, uint64_t object)
{
	char name[32];

	snprintf(name, sizeof(name), "[%" PRIu64 "]", index);
	add_part(making, name, object);
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

static void add_array(struct making *making, uint64_t at, uint64_t length)
{
	uint64_t items[VALUES_PARTS], n = at_most(length, VALUES_PARTS);

	if (!n || remote_read(pid_of(making->values), at, items, (size_t)n * 8))
		return;
	for (uint64_t i = 0; i < n; i++)
		add_at_index(making, i, items[i]);
}

/* Blocks of 64, each between two links; the first item is in the middle of the first. */
static void add_deque(struct making *making, uint64_t length)
{
	const struct values *values = making->values;
	uint64_t block = word(values, behind_head(values, making->object, DEQUE_LEFT)),
		 at = word(values, behind_head(values, making->object, DEQUE_LEFT_INDEX));

	for (uint64_t i = 0; i < at_most(length, VALUES_PARTS) && block; i++, at++) {
		if (at >= DEQUE_BLOCK) {
			block = word(values, block + 8 + 8 * DEQUE_BLOCK);
			at = 0;
		}
		add_at_index(making, i, block ? word(values, block + 8 + 8 * at) : 0);
	}
}

static void add_set(struct making *making)
{
	const struct values *values = making->values;
	uint64_t slots = word(values, behind_head(values, making->object, SET_MASK)),
		 table = word(values, behind_head(values, making->object, SET_TABLE)),
		 entries[SET_CHUNK][2]; /* key, hash */

	slots = at_most(slots, VALUES_SLOTS_MAX - 1) + 1;
	for (uint64_t first = 0, n; first < slots; first += n) {
		n = at_most(slots - first, SET_CHUNK);
		if (remote_read(pid_of(values), table + 16 * first, entries, 16 * (size_t)n))
			return;
		for (uint64_t i = 0; i < n; i++) {
			if (making->n_shown == VALUES_PARTS)
				return;
			if (entries[i][0] && entries[i][1] != DUMMY_HASH)
				add_part(making, "", entries[i][0]);
		}
	}
}

static void add_key(struct making *making, const struct py_item *item)
{
	struct value_text name;

	value_text_begin(&name, VALUES_NAME_COLUMNS);
	value_text_put(&name, "[");
	put_object(making->values, &name, item->key);
	value_text_put(&name, "]");
	add_part(making, name.text, item->value);
}

static void add_dict(struct making *making)
{
	struct py_item items[PY_DICT_CHUNK];
	struct py_dict dict;
	size_t n;

	if (py_dict_open(&dict, pid_of(making->values), layout_of(making->values), making->object))
		return;
	for (uint64_t first = 0;
	     (n = py_dict_read(&dict, pid_of(making->values), first, items)) != 0; first += n) {
		for (size_t i = 0; i < n; i++) {
			if (making->n_shown == VALUES_PARTS)
				return;
			if (items[i].value)
				add_key(making, &items[i]);
		}
	}
}

static void add_items(struct making *making, const struct subject *subject)
{
	const struct values *values = making->values;
	uint64_t length;

	if (!length_of(values, subject, &length))
		return;
	making->n_items = length;
	switch (subject->content) {
	case CONTENT_TUPLE:
		add_array(making, making->object + (uint64_t)layout_of(values)->object.tuple_items,
			  length);
		break;
	case CONTENT_LIST:
		add_array(making, word(values, behind_head(values, making->object, LIST_ITEMS)),
			  length);
		break;
	case CONTENT_DEQUE:
		add_deque(making, length);
		break;
	case CONTENT_SET:
		add_set(making);
		break;
	default:
		add_dict(making);
	}
}

/* ---- attributes ----------------------------------------------------------------------------- */

static void add_attribute(struct making *making, const char *name, uint64_t object)
{
	if (making->n_attributes++ < VALUES_PARTS)
		add_part(making, name, object);
}

static void add_named(struct making *making, const struct py_item *item)
{
	uint32_t points[VALUES_NAME_COLUMNS + 1];
	struct value_text name;
	struct subject key;
	uint64_t length;
	long n = 0, i = 0;

	value_text_begin(&name, VALUES_NAME_COLUMNS);
	if (making->n_attributes < VALUES_PARTS) {
		if (!look_at(making->values, item->key, &key) || key.content != CONTENT_STR)
			return;
		n = py_str_points(pid_of(making->values), layout_of(making->values), item->key,
				  points, sizeof(points) / sizeof(points[0]), &length);
	}
	value_text_put(&name, ".");
	while (i < n && value_text_point(&name, points[i], 0))
		i++;
	if (i < n)
		value_text_put(&name, "...");
	add_attribute(making, name.text, item->value);
}

static void add_attributes(struct making *making)
{
	struct py_item items[PY_DICT_CHUNK];
	struct py_dict dict;
	size_t n;

	if (py_attributes_open(&dict, pid_of(making->values), layout_of(making->values),
			       making->object))
		return;
	for (uint64_t first = 0;
	     (n = py_dict_read(&dict, pid_of(making->values), first, items)) != 0; first += n)
		for (size_t i = 0; i < n; i++)
			if (items[i].value)
				add_named(making, &items[i]);
}

/* Of a class with __slots__, or of C code; what Python keeps for itself is left out. */
static void see_member(void *context, const char *member, uint64_t offset)
{
	struct making *making = context;
	struct value_text name;
	uint64_t object;

	if (!strncmp(member, "__", 2) || offset > INT32_MAX)
		return;
	object = word(making->values, making->object + offset);
	if (!object)
		return;
	value_text_begin(&name, VALUES_NAME_COLUMNS);
	value_text_put(&name, ".");
	put_foreign(&name, member);
	add_attribute(making, name.text, object);
}

/* ---- all ------------------------------------------------------------------------------------ */

/* Classes and modules have as many attributes as they have code: none of it is a value. */
static bool has_attributes(const struct subject *subject)
{
	return subject->content != CONTENT_TYPE && subject->content != CONTENT_NONE &&
	       strcmp(subject->type.name, "module") != 0;
}

int values_read(struct heap_value *value, const struct values *values, uint64_t object,
		struct err *err)
{
	struct making making = {.values = values, .value = value, .object = object};
	struct value_text text;
	struct subject subject;
	bool known = look_at(values, object, &subject);

	*value = (struct heap_value){.parts = calloc(PARTS_ROOM, sizeof(*value->parts))};
	value_text_begin(&text, VALUE_TEXT_COLUMNS);
	if (known)
		put_subject(values, &text, &subject);
	else
		value_text_put(&text, "?");
	value->text = strdup(text.text);
	if (!value->parts || !value->text)
		return err_set(err, ERR_FAILED, "no memory for a value");
	if (known)
		add_items(&making, &subject);
	if (known && has_attributes(&subject)) {
		add_attributes(&making);
		names_each_member(&values->names, subject.type.address, see_member, &making);
	}
	if (making.failed)
		return err_set(err, ERR_FAILED, "no memory for a value");
	making.n_items += making.n_attributes;
	value->more = making.n_items > value->n_parts ? making.n_items - value->n_parts : 0;
	return 0;
}
