/* SPDX-License-Identifier: BSD-2-Clause */

/* without memory an entry is left out, and the export says so; the program goes on */
#define HASH_NONFATAL_OOM 1

#include "export/dictionary.h"

#include <stdlib.h>
#include <string.h>

uint32_t dictionary_number(struct dictionary *dictionary, const void *key, size_t size)
{
	struct dictionary_entry *entry;

	if (dictionary->failed)
		return 0;
	HASH_FIND(hh, dictionary->first, key, size, entry);
	if (entry)
		return entry->number;
	entry = malloc(sizeof(*entry) + size);
	if (!entry || dictionary->n == INT32_MAX) {
		dictionary->failed = true;
		free(entry);
		return 0;
	}
	entry->size = size;
	entry->number = dictionary->n + 1;
	memcpy(entry->key, key, size);
	HASH_ADD(hh, dictionary->first, key, size, entry);
	if (!entry->hh.tbl) { /* what uthash says of memory that is out */
		dictionary->failed = true;
		free(entry);
		return 0;
	}
	return ++dictionary->n;
}

const struct dictionary_entry **dictionary_by_number(const struct dictionary *dictionary)
{
	const struct dictionary_entry **entries =
		calloc((size_t)dictionary->n + 1, sizeof(*entries));

	for (const struct dictionary_entry *entry = dictionary->first; entry && entries;
	     entry = dictionary_next(entry))
		entries[entry->number] = entry;
	return entries;
}

void dictionary_fini(struct dictionary *dictionary)
{
	struct dictionary_entry *entry, *next;

	HASH_ITER (hh, dictionary->first, entry, next) {
		HASH_DEL(dictionary->first, entry);
		free(entry);
	}
	*dictionary = (struct dictionary){0};
}
