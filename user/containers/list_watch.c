/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/list_watch.h"

#include <stdlib.h>

#include "containers/list_births.h"
#include "probe/session_watch.h"
#include "target/remote_mem.h"

struct entries {
	uint64_t address[LIST_WATCH_ENTRIES];
	size_t n;
};

struct list_watch {
	const struct target *target;
	struct session *session;
	enum listed which;
	uint64_t head, value, next; /* next: offset in an entry */
	struct entries before, after;
	struct watch_hits_site *sites;
	size_t n_sites;
};

struct list_watch *list_watch_new(const struct target *target, struct session *session,
				  enum listed which, uint64_t head)
{
	const struct py_layout *layout = &target->runtime.layout;
	struct list_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->target = target;
	watch->session = session;
	watch->which = which;
	watch->head = head;
	watch->next =
		(uint64_t)(which == LISTED_THREADS ? layout->tstate.next : layout->interp.next);
	return watch;
}

void list_watch_free(struct list_watch *watch)
{
	if (watch)
		free(watch->sites);
	free(watch);
}

static void read_list(const struct list_watch *watch, uint64_t entry, struct entries *entries)
{
	pid_t pid = watch->target->process.pid;

	entries->n = 0;
	while (entry && entries->n < LIST_WATCH_ENTRIES) {
		entries->address[entries->n++] = entry;
		if (remote_read_u64(pid, entry + watch->next, &entry))
			break;
	}
}

void list_watch_begin(struct list_watch *watch, uint64_t value)
{
	watch->value = value;
	if (watch->which != LISTED_CALLBACKS)
		read_list(watch, value, &watch->before);
}

void list_watch_end(struct list_watch *watch, uint64_t until_ns)
{
	struct list_changes changes = {.head = watch->value,
				       .before = watch->before.address,
				       .after = watch->after.address,
				       .n_before = watch->before.n,
				       .until_ns = until_ns};
	uint64_t newest;

	changes.hits = session_class_hits(watch->session, &changes.n);
	if (watch->which == LISTED_CALLBACKS) {
		list_births_count(&watch->sites, &watch->n_sites, &changes, NULL);
		return;
	}
	if (remote_read_u64(watch->target->process.pid, watch->head, &newest))
		return;
	read_list(watch, newest, &watch->after);
	changes.n_after = watch->after.n;
	list_births_find(&watch->sites, &watch->n_sites, &changes, NULL);
}

void list_watch_take(const struct list_watch *watch, struct watch_hits *hits, struct profile *about,
		     struct heap_watch_row *row)
{
	watch_hits_take_sites(hits, about, watch->sites, watch->n_sites, row);
}
