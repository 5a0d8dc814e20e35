/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/heap_objects.h"

#include <stdlib.h>

void heap_value_fini(struct heap_value *value)
{
	for (size_t i = 0; i < value->n_parts; i++) {
		free(value->parts[i].name);
		free(value->parts[i].text);
	}
	free(value->parts);
	free(value->text);
	*value = (struct heap_value){0};
}

void heap_objects_fini(struct heap_objects *objects)
{
	for (size_t i = 0; i < objects->n_rows; i++) {
		struct heap_object *row = &objects->rows[i];

		free(row->type);
		free(row->root);
		free(row->path);
		heap_value_fini(&row->value);
	}
	free(objects->rows);
	*objects = (struct heap_objects){0};
}
