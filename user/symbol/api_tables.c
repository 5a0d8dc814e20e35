/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/api_tables.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gelf.h>

#include "symbol/api_slots.h"

#define WORD       8
#define NAME_MOST  128 /* bytes of a name, with its final NUL */
#define TABLE_MOST 2048
#define SIZE_MOST  (1 << 24) /* of an object, of a module's state */

/* PyMethodDef, PyGetSetDef, PyType_Slot, in words */
#define METHOD_WORDS  4
#define GETSET_WORDS  5
#define SLOT_WORDS    2
#define METH_ALL      0x3ffu
#define METH_CALLS    0x8du /* one of METH_VARARGS, _NOARGS, _O and _FASTCALL */
#define PY_MOD_CREATE 1
#define PY_MOD_EXEC   2

enum rank {
	RANK_METHOD,
	RANK_GETSET,
	RANK_FIELD,
	RANK_LAST_FIELD, /* tp_vectorcall, which older versions do not have */
	RANK_OWNERLESS,
};

struct api_name {
	uint64_t start;
	enum rank rank;
	char *text;
};

struct search {
	struct api_tables *tables;
	const struct unwind_functions *functions;
	const struct elf_words *words;
	uint64_t steps;
};

/* ---- what a word can be --------------------------------------------------------------------- */

static uint64_t word(struct search *search, uint64_t table, uint64_t place)
{
	search->steps++;
	return elf_words_at(search->words, table + place * WORD);
}

/* A name as Python has them; dotted: as types and modules have them. */
static const char *name_at(struct search *search, uint64_t vaddr, bool dotted)
{
	static const char in_names[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-";
	const char *name = elf_words_string(search->words, vaddr, NAME_MOST);

	if (!name || !*name || strchr("0123456789.-", *name) || name[strspn(name, in_names)] ||
	    (!dotted && strpbrk(name, ".-")))
		return NULL;
	return name;
}

/* The start of a function, or of an entry of the linkage table, which is described as a part of
 * one.
 */
static bool can_be_code(const struct search *search, uint64_t value)
{
	const struct unwind_function *function =
		value ? unwind_functions_find(search->functions, value) : NULL;

	return !value || (function && (function->start == value || !function->called));
}

static bool can_be_data(const struct search *search, uint64_t value)
{
	return !value || elf_words_holds(search->words, value);
}

/* A size or an offset, which may be negative. */
static bool can_be_size(uint64_t value)
{
	return value + SIZE_MOST < 2 * (uint64_t)SIZE_MOST;
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool is_exhausted(const struct search *search)
{
	return search->tables->n >= API_TABLES_NAMES || search->steps >= API_TABLES_STEPS;
}

static bool make_room(struct api_tables *tables)
{
	size_t capacity = tables->capacity ? 2 * tables->capacity : 256;
	struct api_name *names;

	if (tables->n < tables->capacity)
		return true;
	names = realloc(tables->names, capacity * sizeof(*names));
	if (!names)
		return false;
	tables->names = names;
	tables->capacity = capacity;
	return true;
}

static char *join(const char *a, const char *b, const char *c, const char *d)
{
	size_t size = strlen(a) + strlen(b) + strlen(c) + strlen(d) + 1;
	char *text = malloc(size);

	if (text)
		snprintf(text, size, "%s%s%s%s", a, b, c, d);
	return text;
}

/* Of what no function begins at nothing is said. owner: NULL: none */
static void add(struct search *search, uint64_t start, enum rank rank, const char *owner,
		const char *member, const char *suffix)
{
	const struct unwind_function *function;
	struct api_tables *tables = search->tables;
	char *text;

	if (!start || is_exhausted(search))
		return;
	function = unwind_functions_find(search->functions, start);
	if (!function || function->start != start || !function->called || !make_room(tables))
		return;
	text = join(owner ? owner : "method", owner ? "." : " ", member, suffix);
	if (!text)
		return;
	tables->names[tables->n++] = (struct api_name){start, rank, text};
}

static int compare(const void *a, const void *b)
{
	const struct api_name *one = a, *other = b;
	size_t n = strlen(one->text), m = strlen(other->text);

	if (one->start != other->start)
		return one->start < other->start ? -1 : 1;
	if (one->rank != other->rank)
		return one->rank < other->rank ? -1 : 1;
	if (n != m)
		return n < m ? -1 : 1;
	return strcmp(one->text, other->text);
}

/* One name for each function. */
static void unite(struct api_tables *tables)
{
	size_t n = 0;

	if (tables->n)
		qsort(tables->names, tables->n, sizeof(*tables->names), compare);
	for (size_t i = 0; i < tables->n;) {
		struct api_name name = tables->names[i];
		bool others = false;

		while (++i < tables->n && tables->names[i].start == name.start) {
			others |= tables->names[i].rank < RANK_LAST_FIELD &&
				  strcmp(tables->names[i].text, name.text) != 0;
			free(tables->names[i].text);
		}
		if (others) {
			char *longer = join(name.text, "|...", "", "");

			if (longer) {
				free(name.text);
				name.text = longer;
			}
		}
		tables->names[n++] = name;
	}
	tables->n = n;
}

/* ---- tables of methods, of fields ----------------------------------------------------------- */

/* return the function, 0 also when it is another file's; *name is NULL when it is no method */
static uint64_t method_at(struct search *search, uint64_t table, const char **name)
{
	uint64_t function = word(search, table, 1), flags = word(search, table, 2);

	*name = NULL;
	if (flags & ~(uint64_t)METH_ALL || !(flags & METH_CALLS) ||
	    !can_be_code(search, function) || !can_be_data(search, word(search, table, 3)))
		return 0;
	*name = name_at(search, word(search, table, 0), false);
	return function;
}

static void add_methods(struct search *search, uint64_t table, const char *owner)
{
	for (unsigned i = 0; table && i < TABLE_MOST; i++, table += METHOD_WORDS * WORD) {
		const char *name;
		uint64_t function = method_at(search, table, &name);

		if (!name)
			return;
		add(search, function, RANK_METHOD, owner, name, "");
	}
}

static void add_getset(struct search *search, uint64_t table, const char *owner)
{
	for (unsigned i = 0; table && i < TABLE_MOST; i++, table += GETSET_WORDS * WORD) {
		const char *name = name_at(search, word(search, table, 0), false);
		uint64_t get = word(search, table, 1), set = word(search, table, 2);

		if (!name || !can_be_code(search, get) || !can_be_code(search, set))
			return;
		add(search, get, RANK_GETSET, owner, name, ".get");
		add(search, set, RANK_GETSET, owner, name, ".set");
	}
}

/* ---- types ---------------------------------------------------------------------------------- */

/*
 * What each field of a type is before anything runs, in the order of api_slots.h: its name, code,
 * data, a size, a size or code (v), flags of 32 bits, nothing (0).
 */
static const char type_fields[] = "nss"
				  "cvccdcdddcccccd"
				  "fdcccscc"
				  "dddd0ccs"
				  "ccccc"
				  "00000c0c";
_Static_assert(sizeof(type_fields) - 1 == TYPE_WORDS, "a letter for each");

static bool can_be_field(const struct search *search, char what, uint64_t value)
{
	switch (what) {
	case 'c':
		return can_be_code(search, value);
	case 'd':
		return can_be_data(search, value);
	case 's':
		return can_be_size(value);
	case 'v':
		return can_be_size(value) || can_be_code(search, value);
	case 'f':
		return value <= UINT32_MAX;
	case '0':
		return !value;
	}
	return true;
}

/* table: the word tp_name */
static bool is_type(struct search *search, uint64_t table)
{
	/* ob_size, ob_type; what is before them is another thing in each version */
	if (word(search, table, -1ull) || !can_be_data(search, word(search, table, -2ull)) ||
	    !(word(search, table, TYPE_BASICSIZE) | word(search, table, TYPE_FLAGS)))
		return false;
	for (unsigned i = 1; i < TYPE_WORDS; i++)
		if (!can_be_field(search, type_fields[i], word(search, table, i)))
			return false;
	return true;
}

static void try_type(struct search *search, uint64_t table)
{
	const char *name = name_at(search, word(search, table, TYPE_NAME), true);

	if (!name || !is_type(search, table))
		return;
	for (size_t i = 0; i < api_n_slots; i++) {
		const struct api_slot *slot = &api_slots[i];
		uint64_t of = slot->table == TYPE_NAME    ? table
			      : slot->table == TYPE_WORDS ? 0
							  : word(search, table, slot->table);

		if (of)
			add(search, word(search, of, slot->place),
			    slot->place == TYPE_WORDS ? RANK_LAST_FIELD : RANK_FIELD, name,
			    slot->name, "");
	}
	add_methods(search, word(search, table, TYPE_METHODS), name);
	add_getset(search, word(search, table, TYPE_GETSET), name);
}

/* Does a table of PyType_Slot or PyModuleDef_Slot begin there? */
static bool is_slots(struct search *search, uint64_t table)
{
	for (unsigned i = 0; i < API_SLOT_LAST; i++) {
		uint64_t number = word(search, table, (uint64_t)SLOT_WORDS * i);

		if (!number)
			return i && !word(search, table, (uint64_t)SLOT_WORDS * i + 1);
		if (number > API_SLOT_LAST)
			return false;
	}
	return false;
}

static void add_slot(struct search *search, uint64_t number, uint64_t value, const char *owner)
{
	if (number == API_SLOT_METHODS)
		add_methods(search, value, owner);
	else if (number == API_SLOT_GETSET)
		add_getset(search, value, owner);
	else
		for (size_t i = 0; i < api_n_slots; i++)
			if (api_slots[i].number == number)
				add(search, value, RANK_FIELD, owner, api_slots[i].name, "");
}

/* PyType_Spec: name, int basicsize, int itemsize, unsigned flags, slots */
static void try_spec(struct search *search, uint64_t table)
{
	const char *name = name_at(search, word(search, table, 0), true);
	int32_t basicsize = (int32_t)word(search, table, 1);
	uint64_t itemsize = word(search, table, 1) >> 32, slots = word(search, table, 3);

	if (!name || !can_be_size((uint64_t)(int64_t)basicsize) || itemsize > SIZE_MOST ||
	    word(search, table, 2) > UINT32_MAX || !slots || !is_slots(search, slots))
		return;
	for (uint64_t number; (number = word(search, slots, 0)); slots += SLOT_WORDS * WORD)
		add_slot(search, number, word(search, slots, 1), name);
}

/* ---- modules, the whole --------------------------------------------------------------------- */

/* table: the word m_name of a PyModuleDef; before it m_init, m_index and m_copy, which are 0 */
static void try_module(struct search *search, uint64_t table)
{
	const char *name = name_at(search, word(search, table, 0), true), *method;
	uint64_t methods = word(search, table, 3), slots = word(search, table, 4);

	if (!name || word(search, table, -1ull) || word(search, table, -2ull) ||
	    word(search, table, -3ull) || !can_be_data(search, word(search, table, 1)) ||
	    !can_be_size(word(search, table, 2)) || !can_be_data(search, methods) ||
	    !can_be_data(search, slots) || !can_be_code(search, word(search, table, 5)) ||
	    !can_be_code(search, word(search, table, 6)) ||
	    !can_be_code(search, word(search, table, 7)))
		return;
	method_at(search, methods, &method);
	if ((methods && !method && word(search, methods, 0)) ||
	    (slots && word(search, slots, 0) && !is_slots(search, slots)))
		return;
	add_methods(search, methods, name);
	for (uint64_t number; slots && (number = word(search, slots, 0));
	     slots += SLOT_WORDS * WORD)
		if (number == PY_MOD_CREATE || number == PY_MOD_EXEC)
			add(search, word(search, slots, 1), RANK_FIELD, name,
			    number == PY_MOD_EXEC ? "exec" : "create", "");
}

static void try_method(struct search *search, uint64_t table)
{
	const char *name;
	uint64_t function = method_at(search, table, &name);

	if (name)
		add(search, function, RANK_OWNERLESS, NULL, name, "");
}

/* Each word may be the name that a table begins with. */
static void try_all(struct search *search, const struct elf_words_segment *segment)
{
	uint64_t at = (segment->start + WORD - 1) & ~(uint64_t)(WORD - 1);

	for (; at < segment->start + segment->size && !is_exhausted(search); at += WORD) {
		if (!name_at(search, elf_words_at(search->words, at), true))
			continue;
		try_type(search, at);
		try_spec(search, at);
		try_module(search, at);
		try_method(search, at);
	}
}

static bool is_pythons(Elf *elf)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *data;
		GElf_Shdr header;
		GElf_Sym symbol;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM)
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 1; data && gelf_getsym(data, i, &symbol); i++) {
			const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);

			if (name && strncmp(name, "Py", 2) == 0)
				return true;
		}
	}
	return false;
}

void api_tables_load(struct api_tables *tables, Elf *elf, const struct elf_words *words,
		     const struct unwind_functions *functions)
{
	struct search search = {.tables = tables, .functions = functions, .words = words};

	*tables = (struct api_tables){0};
	if (!functions->n || !is_pythons(elf))
		return;
	for (unsigned i = 0; i < words->n; i++)
		if (!words->segments[i].code)
			try_all(&search, &words->segments[i]);
	unite(tables);
}

void api_tables_fini(struct api_tables *tables)
{
	for (size_t i = 0; i < tables->n; i++)
		free(tables->names[i].text);
	free(tables->names);
	*tables = (struct api_tables){0};
}

const char *api_tables_find(const struct api_tables *tables, uint64_t start)
{
	size_t low = 0, high = tables->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tables->names[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < tables->n && tables->names[low].start == start ? tables->names[low].text
								    : NULL;
}
