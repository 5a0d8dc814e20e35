/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/newest.h"

#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "census/edges.h"
#include "census/type_name.h"

/* Addresses of all objects of a type, in order. */
struct addresses {
	uint64_t *at;
	size_t n;
};

static int collect(struct addresses *found, struct census *census, const char *type,
		   struct err *err)
{
	struct reach reach = {0};
	struct edges edges;
	int result = reach_scan(&reach, census, err);

	*found = (struct addresses){0};
	if (!result)
		result = edges_init(&edges, &reach, err);
	if (!result) {
		found->at = calloc(reach.objects.n + 1, sizeof(*found->at));
		if (!found->at)
			result = err_set(err, ERR_FAILED, "no memory for %zu objects",
					 (size_t)reach.objects.n);
		for (uint32_t i = 0; i < reach.objects.n && !result; i++)
			if (type_name_is(type, edges_type(&edges, i)->py->name))
				found->at[found->n++] = reach.objects.address[i];
		edges_fini(&edges);
	}
	reach_fini(&reach);
	return result;
}

/* The first that is in `now` and was not before; 0: none. */
static uint64_t first_new(const struct addresses *before, const struct addresses *now)
{
	size_t old = 0;

	for (size_t i = 0; i < now->n; i++) {
		while (old < before->n && before->at[old] < now->at[i])
			old++;
		if (old == before->n || before->at[old] != now->at[i])
			return now->at[i];
	}
	return 0;
}

int newest_find(uint64_t *address, bool *fresh, struct census *census, const char *type,
		struct err *err)
{
	struct addresses before, now;
	char text[128];
	int result = collect(&before, census, type, err);

	*address = 0;
	for (unsigned i = 1; i < NEWEST_SCANS && !result && !*address; i++) {
		result = collect(&now, census, type, err);
		if (result)
			break;
		*address = first_new(&before, &now);
		free(before.at);
		before = now;
	}
	*fresh = *address != 0;
	if (!result && !*address && before.n)
		*address = before.at[before.n - 1];
	if (!result && !*address)
		result = err_set(err, ERR_TARGET,
				 "it has nothing called %s, and no object of that type",
				 escape_copy(text, sizeof(text), type));
	free(before.at);
	return result;
}
