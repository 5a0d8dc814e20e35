/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/objects.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 65536

static bool grow(struct objects *objects)
{
	size_t room = objects->room ? objects->room * 2 : ROOM_FIRST;
	uint64_t *address = realloc(objects->address, room * sizeof(*address));
	uint16_t *type;
	uint32_t *size;

	if (!address)
		return false;
	objects->address = address;
	type = realloc(objects->type, room * sizeof(*type));
	if (!type)
		return false;
	objects->type = type;
	size = realloc(objects->size, room * sizeof(*size));
	if (!size)
		return false;
	objects->size = size;
	objects->room = room;
	return true;
}

void objects_add(struct objects *objects, uint64_t address, uint32_t type, uint64_t size)
{
	if (objects->n == OBJECTS_MAX || type > UINT16_MAX) {
		objects->left_out++;
		return;
	}
	if (objects->failed)
		return;
	if (objects->n == objects->room && !grow(objects)) {
		objects->failed = true;
		return;
	}
	objects->address[objects->n] = address;
	objects->size[objects->n] = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
	objects->type[objects->n++] = (uint16_t)type;
}

/* ---- order ---------------------------------------------------------------------------------- */

struct row {
	uint64_t address;
	uint32_t size;
	uint16_t type;
};

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static bool in_order(const struct objects *objects, size_t from)
{
	for (size_t i = from ? from : 1; i < objects->n; i++)
		if (objects->address[i] <= objects->address[i - 1])
			return false;
	return true;
}

/* A scan goes up through the memory: nearly always there is nothing to do. */
static int sort(struct objects *objects)
{
	struct row *rows;
	size_t n = 0;

	if (in_order(objects, 0))
		return 0;
	rows = malloc(objects->n * sizeof(*rows));
	if (!rows)
		return -1;
	for (size_t i = 0; i < objects->n; i++)
		rows[i] = (struct row){objects->address[i], objects->size[i], objects->type[i]};
	qsort(rows, objects->n, sizeof(*rows), compare);
	for (size_t i = 0; i < objects->n; i++) {
		if (n && objects->address[n - 1] == rows[i].address)
			continue;
		objects->address[n] = rows[i].address;
		objects->size[n] = rows[i].size;
		objects->type[n++] = rows[i].type;
	}
	objects->n = n;
	free(rows);
	return 0;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static size_t first_slot(const struct objects *objects, uint64_t address)
{
	return (size_t)((address >> 3) * 0x9e3779b97f4a7c15ull >> (64 - objects->bits));
}

static size_t find_slot(const struct objects *objects, uint64_t address)
{
	size_t mask = ((size_t)1 << objects->bits) - 1, slot = first_slot(objects, address);

	while (objects->slots[slot] && objects->address[objects->slots[slot] - 1] != address)
		slot = (slot + 1) & mask;
	return slot;
}

/* With room for half as many again. */
static bool fill_slots(struct objects *objects)
{
	uint32_t *slots;
	unsigned bits = 10;

	while (((size_t)1 << bits) < objects->n + objects->n / 2)
		bits++;
	slots = calloc((size_t)1 << bits, sizeof(*slots));
	if (!slots)
		return false;
	free(objects->slots);
	objects->slots = slots;
	objects->bits = bits;
	/* where an address occurs twice, the later one is found */
	for (size_t i = 0; i < objects->n; i++)
		slots[find_slot(objects, objects->address[i])] = (uint32_t)i + 1;
	return true;
}

int objects_build_index(struct objects *objects, struct err *err)
{
	if (objects->failed || sort(objects) || !fill_slots(objects))
		return err_set(err, ERR_FAILED, "no memory for %zu objects", objects->n);
	if (objects->n) {
		objects->low = objects->address[0];
		objects->high = objects->address[objects->n - 1];
	}
	return 0;
}

uint32_t objects_insert(struct objects *objects, uint64_t address, uint32_t type, uint64_t size)
{
	size_t row = objects->n, slots = (size_t)1 << objects->bits;

	/* of the slots an eighth stays free */
	if (row >= slots / 8 * 7 && !fill_slots(objects))
		return OBJECTS_NONE;
	objects_add(objects, address, type, size);
	if (objects->n == row)
		return OBJECTS_NONE;
	objects->slots[find_slot(objects, address)] = (uint32_t)row + 1;
	objects->low = !row || address < objects->low ? address : objects->low;
	objects->high = address > objects->high ? address : objects->high;
	return (uint32_t)row;
}

uint32_t objects_find(const struct objects *objects, uint64_t address)
{
	uint32_t found;

	if (!objects->n || address < objects->low || address > objects->high)
		return OBJECTS_NONE;
	found = objects->slots[find_slot(objects, address)];
	return found ? found - 1 : OBJECTS_NONE;
}

void objects_fini(struct objects *objects)
{
	free(objects->address);
	free(objects->type);
	free(objects->size);
	free(objects->slots);
	*objects = (struct objects){0};
}
