/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/containers.h"

#include <stdlib.h>
#include <string.h>

#include "census/fields.h"

bool containers_field(enum type_kind kind, const struct py_layout *layout, size_t *at)
{
	switch (kind) {
	case KIND_DICT:
		*at = (size_t)layout->dict.used;
		return true;
	case KIND_LIST:
	case KIND_DEQUE:
	case KIND_BYTEARRAY:
		*at = (size_t)layout->object.var_size;
		return true;
	case KIND_SET:
		*at = (size_t)py_head_bytes(layout) + SET_USED;
		return true;
	default:
		return false;
	}
}

int containers_begin(struct containers *containers, struct err *err)
{
	containers->rows = malloc(CONTAINERS_MAX * sizeof(*containers->rows));
	containers->n = 0;
	containers->least = CONTAINERS_LEAST;
	return containers->rows ? 0 : err_set(err, ERR_FAILED, "no memory for containers");
}

static void raise_least(struct containers *containers)
{
	while (containers->n == CONTAINERS_MAX) {
		containers->least *= 2;
		containers->n = 0;
		for (size_t i = 0; i < CONTAINERS_MAX; i++)
			if (containers->rows[i].items >= containers->least)
				containers->rows[containers->n++] = containers->rows[i];
	}
}

void containers_add(struct containers *containers, const struct py_layout *layout,
		    const struct found *found)
{
	size_t at;
	uint64_t items;

	if (found->type->kind == KIND_BYTEARRAY ||
	    !containers_field(found->type->kind, layout, &at))
		return;
	if (at + sizeof(items) > found->length)
		return;
	memcpy(&items, found->bytes + at, sizeof(items));
	if (items < containers->least || items > INT64_MAX)
		return;
	if (containers->n == CONTAINERS_MAX)
		raise_least(containers);
	containers->rows[containers->n++] = (struct heap_container){found->address, items};
}

static int compare(const void *a, const void *b)
{
	const struct heap_container *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

void containers_finish(struct containers *containers, struct heap_scan *scan)
{
	struct heap_container *rows = containers->rows, *fit;

	qsort(rows, containers->n, sizeof(*rows), compare);
	/* scans are kept, dozens of them */
	fit = realloc(rows, (containers->n + 1) * sizeof(*rows));
	scan->containers = fit ? fit : rows;
	scan->n_containers = containers->n;
	*containers = (struct containers){0};
}
