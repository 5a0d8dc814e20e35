/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/list_births.h"

#include <stdlib.h>

struct found {
	const struct list_changes *changes;
	uint32_t *heads; /* [n]: after each change */
	uint64_t births[LIST_BIRTHS_CODES];
	unsigned n_births;
	struct watch_hits_site *sites;
	size_t n_sites;
};

static bool has(const uint64_t *addresses, size_t n, uint32_t head)
{
	for (size_t i = 0; i < n; i++)
		if ((uint32_t)addresses[i] == head)
			return true;
	return false;
}

static bool was_seen(const struct found *found, size_t change)
{
	uint32_t head = found->heads[change];

	for (size_t i = 0; i < change; i++)
		if (found->heads[i] == head)
			return true;
	return head == (uint32_t)found->changes->head ||
	       has(found->changes->before, found->changes->n_before, head);
}

static bool is_birth(const struct found *found, uint64_t ip)
{
	for (unsigned i = 0; i < found->n_births; i++)
		if (found->births[i] == ip)
			return true;
	return false;
}

static void find_code(struct found *found)
{
	for (size_t i = 0; i < found->changes->n; i++) {
		uint64_t ip = found->changes->hits[i].ip;

		if (found->n_births < LIST_BIRTHS_CODES && !is_birth(found, ip) &&
		    !was_seen(found, i))
			found->births[found->n_births++] = ip;
	}
}

static void add(struct found *found, uint32_t site)
{
	for (size_t i = 0; i < found->n_sites; i++)
		if (found->sites[i].site == site) {
			found->sites[i].inserted++;
			return;
		}
	found->sites[found->n_sites++] = (struct watch_hits_site){.site = site, .inserted = 1};
}

/* The last birth of each that is there. */
static void find_births(struct found *found)
{
	const struct list_changes *changes = found->changes;

	for (size_t k = 0; k < changes->n_after; k++) {
		size_t i = changes->n;

		while (i-- > 0)
			if (found->heads[i] == (uint32_t)changes->after[k] &&
			    is_birth(found, changes->hits[i].ip))
				break;
		if (i < changes->n && changes->hits[i].time_ns <= changes->until_ns)
			add(found, changes->hits[i].site);
	}
}

/* With room for what is found. */
static int begin(struct found *found, struct err *err)
{
	size_t n = found->changes->n + 1;

	found->heads = malloc(n * sizeof(*found->heads));
	found->sites = malloc(n * sizeof(*found->sites));
	if (found->heads && found->sites)
		return 0;
	free(found->heads);
	free(found->sites);
	found->sites = NULL;
	return err_set(err, ERR_FAILED, "no memory for the changes of a list");
}

static void end(struct found *found, struct watch_hits_site **sites, size_t *n)
{
	free(found->heads);
	*sites = found->sites;
	*n = found->n_sites;
}

int list_births_find(struct watch_hits_site **sites, size_t *n, const struct list_changes *changes,
		     struct err *err)
{
	struct found found = {.changes = changes};
	uint32_t head = (uint32_t)changes->head;
	int result = begin(&found, err);

	*sites = NULL;
	*n = 0;
	if (result)
		return result;
	for (size_t i = 0; i < changes->n; i++) {
		head += (uint32_t)changes->hits[i].step;
		found.heads[i] = head;
	}
	find_code(&found);
	find_births(&found);
	end(&found, sites, n);
	return 0;
}

int list_births_count(struct watch_hits_site **sites, size_t *n, const struct list_changes *changes,
		      struct err *err)
{
	struct found found = {.changes = changes};
	int result = begin(&found, err);

	*sites = NULL;
	*n = 0;
	if (result)
		return result;
	for (size_t i = 0; i < changes->n; i++)
		if (changes->hits[i].step == 1 && changes->hits[i].time_ns <= changes->until_ns)
			add(&found, changes->hits[i].site);
	end(&found, sites, n);
	return 0;
}
