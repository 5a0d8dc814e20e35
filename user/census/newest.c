/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/newest.h"

#include <stdlib.h>

#include "base/escape.h"
#include "census/edges.h"
#include "census/type_name.h"

enum answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO };

/* What is asked for, while a scan shows its objects. */
struct look {
	struct ages *ages;
	const char *type;
	uint64_t address;
	uint8_t *answers; /* enum answer, by index of the type: each name is compared once */
};

static bool is_wanted(struct look *look, const struct census_type *type, uint64_t address)
{
	uint8_t *answer = &look->answers[type->index];

	if (!look->type)
		return address == look->address;
	if (*answer == ANSWER_NONE)
		*answer = type_name_is(look->type, type->py->name) ? ANSWER_YES : ANSWER_NO;
	return *answer == ANSWER_YES;
}

static void see(void *context, const struct found *found)
{
	struct look *look = context;

	if (is_wanted(look, found->type, found->address))
		ages_add(look->ages, found->address, found->type->address);
}

static int begin(struct look *look, struct ages *ages, const char *type, uint64_t address,
		 struct err *err)
{
	*look = (struct look){ages, type, address, calloc(TYPES_MAX, sizeof(*look->answers))};
	if (!look->answers)
		return err_set(err, ERR_FAILED, "no memory for the names of types");
	ages_begin(ages);
	return 0;
}

static int finish(struct look *look, const struct heap_scan *scan, struct err *err)
{
	free(look->answers);
	return ages_finish(look->ages, scan->at_s - scan->duration_s / 2,
			   scan->at_s + scan->duration_s / 2, err);
}

struct heap_scan *newest_scan(struct ages *ages, struct census *census, const char *type,
			      uint64_t address, struct err *err)
{
	struct heap_scan *scan;
	struct look look;

	if (begin(&look, ages, type, address, err))
		return NULL;
	census_set_object_cb(census, see, &look);
	scan = census_scan(census, err);
	census_set_object_cb(census, NULL, NULL);
	if (!scan) {
		free(look.answers);
		return NULL;
	}
	if (finish(&look, scan, err)) {
		heap_scan_free(scan);
		return NULL;
	}
	return scan;
}

int newest_look(struct ages *ages, struct census *census, const char *type, uint64_t address,
		struct err *err)
{
	struct heap_scan *scan = newest_scan(ages, census, type, address, err);

	if (!scan)
		return -(int)err->code;
	heap_scan_free(scan);
	return 0;
}

int newest_take(struct ages *ages, const struct edges *edges, const char *type, uint64_t address,
		struct err *err)
{
	const struct objects *objects = &edges->reach->objects;
	struct look look;
	int result = begin(&look, ages, type, address, err);

	if (result)
		return result;
	/* types in the data of C code, which no scan shows, have no block */
	for (uint32_t i = 0; i < objects->n; i++)
		if (objects->size[i] && is_wanted(&look, edges_type(edges, i), objects->address[i]))
			ages_add(ages, objects->address[i], edges_type(edges, i)->address);
	return finish(&look, edges->reach->scan, err);
}

static uint64_t first_new(const struct ages *ages)
{
	for (size_t i = 0; i < ages->n; i++)
		if (age_is_new(&ages->rows[i]))
			return ages->rows[i].address;
	return 0;
}

int newest_find(uint64_t *address, bool *fresh, struct census *census, const char *type,
		struct err *err)
{
	struct ages ages = {0};
	char text[128];
	int result = 0;

	*address = 0;
	while (ages.n_scans < NEWEST_SCANS && !result && !*address) {
		result = newest_look(&ages, census, type, 0, err);
		if (!result)
			*address = first_new(&ages);
	}
	*fresh = *address != 0;
	if (!result && !*address && ages.n)
		*address = ages.rows[ages.n - 1].address;
	if (!result && !*address)
		result = err_set(
			err, ERR_TARGET,
			"it has nothing called %s, and no object of that type: `pyleaktrace "
			"holders` lists containers, `pyleaktrace heap` types",
			escape_copy(text, sizeof(text), type));
	ages_fini(&ages);
	return result;
}
