/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot/thread_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

struct thread_name {
	uint32_t tid;
	unsigned kept; /* `keeping` when it was last asked for */
	char text[64];
	UT_hash_handle hh;
};

void thread_names_fini(struct thread_names *names)
{
	struct thread_name *name, *next;

	HASH_ITER (hh, names->known, name, next) {
		HASH_DEL(names->known, name);
		free(name);
	}
}

const char *thread_names_get(struct thread_names *names, uint32_t tid)
{
	struct thread_name *name;
	char path[64];
	FILE *file;

	HASH_FIND(hh, names->known, &tid, sizeof(tid), name);
	if (name) {
		name->kept = names->keeping;
		return name->text;
	}
	if (HASH_COUNT(names->known) >= THREAD_NAMES_MAX)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", (int)names->pid, tid);
	file = fopen(path, "re");
	name = file ? calloc(1, sizeof(*name)) : NULL;
	if (name && fgets(name->text, sizeof(name->text), file)) {
		name->text[strcspn(name->text, "\n")] = '\0';
		name->tid = tid;
		name->kept = names->keeping;
		HASH_ADD(hh, names->known, tid, sizeof(name->tid), name);
	} else {
		free(name);
		name = NULL;
	}
	if (file)
		fclose(file);
	return name ? name->text : NULL;
}

void thread_names_keep_begin(struct thread_names *names)
{
	names->keeping++;
}

void thread_names_keep_end(struct thread_names *names)
{
	struct thread_name *name, *next;

	HASH_ITER (hh, names->known, name, next) {
		if (name->kept == names->keeping)
			continue;
		HASH_DEL(names->known, name);
		free(name);
	}
}
