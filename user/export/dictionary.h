/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dictionary: equal bytes -> one number, counted from 1 in the order in which they come. 0 stands
 * for nothing, as in the tables of pprof and OTLP.
 *
 * Place      layer 5, private to export; used by frame_tables, speedscope and otlp.
 * Ownership  zeroed is empty; keys are copied; dictionary_fini() frees.
 * Errors     failed: memory is out; every number is 0 then.
 * Bounds     memory is proportional to the different keys. Numbers do not depend on the hash, so
 *            equal documents give equal bytes.
 * Threads    one at a time.
 * Example    struct dictionary texts = {0};
 *            uint32_t number = dictionary_number(&texts, "main", 4);
 *            for (const struct dictionary_entry *entry = texts.first; entry;
 *                 entry = dictionary_next(entry))
 *                    write(entry->key, entry->size);
 */
#ifndef PYLEAKTRACE_EXPORT_DICTIONARY_H
#define PYLEAKTRACE_EXPORT_DICTIONARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

struct dictionary_entry {
	UT_hash_handle hh; /* private */
	size_t size;
	uint32_t number;
	_Alignas(uint64_t) unsigned char key[];
};

struct dictionary {
	struct dictionary_entry *first; /* of number 1 */
	uint32_t n;                     /* the last number */
	bool failed;
};

/* The number of this key, which is added when it is new. */
uint32_t dictionary_number(struct dictionary *dictionary, const void *key, size_t size);

/* The entry of the next number; NULL: there is none */
static inline const struct dictionary_entry *dictionary_next(const struct dictionary_entry *entry)
{
	return entry->hh.next;
}

/*
 * The entries by their numbers, [0] NULL; to be freed. NULL: memory is out
 */
const struct dictionary_entry **dictionary_by_number(const struct dictionary *dictionary);

void dictionary_fini(struct dictionary *dictionary);

#endif
