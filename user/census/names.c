/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "python/dict.h"
#include "python/number.h"
#include "python/str.h"
#include "python/types.h"
#include "target/remote_mem.h"

#define KEY_TEXT    40 /* bytes of a str that are shown */
#define MEMBER_SIZE 40
/* Py_T_OBJECT_EX and its predecessor: the address of an object */
#define MEMBER_OBJECT    6
#define MEMBER_OBJECT_EX 16
#define MEMBERS          16 /* tp_members, before tp_base, in every version */
#define CACHED_KEYS      8  /* ht_cached_keys, behind ht_qualname, in every version */

static const struct py_layout *layout_of(const struct names *names)
{
	return &names->runtime->layout;
}

static uint64_t word(const struct names *names, uint64_t address)
{
	uint64_t value = 0;

	if (address)
		remote_read_u64(names->pid, address, &value);
	return value;
}

uint64_t names_length(const struct names *names, uint64_t object)
{
	return word(names, object + (uint64_t)layout_of(names)->object.var_size);
}

/* ---- str and int ---------------------------------------------------------------------------- */

static bool read_type(const struct names *names, uint64_t object, struct py_type *type)
{
	uint64_t address =
		object ? word(names, object + (uint64_t)layout_of(names)->object.ob_type) : 0;

	return address && !py_type_read(type, names->pid, names->runtime, address);
}

void names_str(const struct names *names, uint64_t object, char *text, size_t size)
{
	struct py_type type;

	text[0] = '\0';
	if (read_type(names, object, &type) && type.flags & PY_TYPE_STR &&
	    py_str_read(names->pid, layout_of(names), object, text, size) < 0)
		text[0] = '\0';
}

static bool read_int(const struct names *names, uint64_t object, int64_t *value)
{
	struct py_int number;

	if (py_int_read(&number, names->pid, layout_of(names), object) || number.bits > 60)
		return false;
	*value = number.negative ? -(int64_t)number.magnitude : (int64_t)number.magnitude;
	return true;
}

void names_key(const struct names *names, uint64_t key, char *text, size_t size)
{
	struct py_type type;
	char bytes[KEY_TEXT + 8];
	int64_t value;
	long length;

	text[0] = '\0';
	if (!read_type(names, key, &type))
		return;
	if (type.flags & PY_TYPE_STR) {
		length = py_str_read(names->pid, layout_of(names), key, bytes, sizeof(bytes));
		if (length < 0)
			return;
		if (length > KEY_TEXT)
			snprintf(text, size, "'%.*s...'", KEY_TEXT - 3, bytes);
		else
			snprintf(text, size, "'%s'", bytes);
	} else if (!strcmp(type.name, "int") && read_int(names, key, &value)) {
		snprintf(text, size, "%" PRId64, value);
	}
}

/* ---- members and attributes ----------------------------------------------------------------- */

static bool find_member(const struct names *names, uint64_t members, uint64_t offset, char *text,
			size_t size)
{
	for (unsigned i = 0; i < NAMES_MEMBERS; i++, members += MEMBER_SIZE) {
		uint64_t member[3]; /* name, type, offset */

		if (remote_read(names->pid, members, member, sizeof(member)) || !member[0])
			return false;
		if (member[2] == offset)
			return remote_read_string(names->pid, member[0], text, size) > 0;
	}
	return false;
}

void names_member(const struct names *names, uint64_t type, uint64_t offset, char *text,
		  size_t size)
{
	uint64_t base = (uint64_t)layout_of(names)->type.base;

	for (unsigned i = 0; type && i < NAMES_BASES; i++) {
		uint64_t members = word(names, type + base - MEMBERS);

		if (members && find_member(names, members, offset, text, size))
			return;
		type = word(names, type + base);
	}
	text[0] = '\0';
}

/* PyException_HEAD ends with traceback, context, cause, and a char that is a member. */
void names_exception(const struct names *names, uint64_t type, uint64_t offset, char *text,
		     size_t size)
{
	static const char *const fields[] = {"__cause__", "__context__", "__traceback__"};
	char name[NAMES_MAX];

	text[0] = '\0';
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		names_member(names, type, offset + 8 * (i + 1), name, sizeof(name));
		if (strcmp(name, "__suppress_context__") == 0) {
			snprintf(text, size, "%s", fields[i]);
			return;
		}
	}
}

static void each_member(const struct names *names, uint64_t members, names_see *see, void *context)
{
	char name[NAMES_MAX];

	for (unsigned i = 0; i < NAMES_MEMBERS; i++, members += MEMBER_SIZE) {
		uint64_t member[3]; /* name, type, offset */

		if (remote_read(names->pid, members, member, sizeof(member)) || !member[0])
			return;
		if (((uint32_t)member[1] == MEMBER_OBJECT ||
		     (uint32_t)member[1] == MEMBER_OBJECT_EX) &&
		    remote_read_string(names->pid, member[0], name, sizeof(name)) > 0)
			see(context, name, member[2]);
	}
}

void names_each_member(const struct names *names, uint64_t type, names_see *see, void *context)
{
	uint64_t base = (uint64_t)layout_of(names)->type.base;

	for (unsigned i = 0; type && i < NAMES_BASES; i++) {
		uint64_t members = word(names, type + base - MEMBERS);

		if (members)
			each_member(names, members, see, context);
		type = word(names, type + base);
	}
}

uint64_t names_cached_keys(const struct names *names, uint64_t type)
{
	return word(names, type + (uint64_t)layout_of(names)->type.heap_qualname + CACHED_KEYS);
}

void names_attribute(const struct names *names, uint64_t keys, uint64_t index, char *text,
		     size_t size)
{
	const struct py_layout *layout = layout_of(names);
	uint8_t head[PY_KEYS_HEAD_MAX] = {0};
	struct py_dict dict;
	uint64_t key = 0;

	text[0] = '\0';
	if (keys && !remote_read(names->pid, keys, head, (size_t)layout->dict.keys_indices) &&
	    py_keys_locate(&dict, layout, keys, head))
		key = word(names, dict.entries + index * dict.entry_size + dict.key_offset);
	names_str(names, key, text, size);
}

/* ---- code ----------------------------------------------------------------------------------- */

static uint64_t item(const struct names *names, uint64_t tuple, uint64_t index)
{
	if (index >= names_length(names, tuple))
		return 0;
	return word(names, tuple + (uint64_t)layout_of(names)->object.tuple_items + 8 * index);
}

static uint64_t tuple_of(const struct names *names, uint64_t code, int32_t offset)
{
	return word(names, code + (uint64_t)offset);
}

void names_local(const struct names *names, uint64_t code, uint64_t index, char *text, size_t size)
{
	const struct py_layout *layout = layout_of(names);
	const int32_t parts[] = {layout->code.varnames, layout->code.cellvars,
				 layout->code.freevars};

	text[0] = '\0';
	if (layout->code.localsplusnames != LAYOUT_NONE) {
		names_str(names,
			  item(names, tuple_of(names, code, layout->code.localsplusnames), index),
			  text, size);
		return;
	}
	for (size_t i = 0; i < 3; i++) {
		uint64_t tuple = tuple_of(names, code, parts[i]), n = names_length(names, tuple);

		if (index < n) {
			names_str(names, item(names, tuple, index), text, size);
			return;
		}
		index -= n;
	}
}

void names_free(const struct names *names, uint64_t code, uint64_t index, uint64_t n, char *text,
		size_t size)
{
	const struct py_layout *layout = layout_of(names);
	bool joined = layout->code.localsplusnames != LAYOUT_NONE;
	uint64_t tuple = tuple_of(names, code,
				  joined ? layout->code.localsplusnames : layout->code.freevars),
		 all = names_length(names, tuple);

	names_str(names, n <= all ? item(names, tuple, all - n + index) : 0, text, size);
}

void names_argument(const struct names *names, uint64_t code, uint64_t index, uint64_t n,
		    char *text, size_t size)
{
	uint32_t count = 0;

	text[0] = '\0';
	remote_read_u32(names->pid, code + (uint64_t)layout_of(names)->code.argcount, &count);
	if (n <= count)
		names_local(names, code, count - n + index, text, size);
}
