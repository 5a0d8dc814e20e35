/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python/code.h"

#define ROOT_TEXT   1024
#define THREAD_TEXT ", thread "

/* ---- roots ---------------------------------------------------------------------------------- */

static void say_thread(const struct edges *edges, size_t thread, char *text, size_t size)
{
	const struct py_thread *row = &edges->reach->threads.rows[thread];

	if (row->name)
		snprintf(text, size, "%s", row->name);
	else
		snprintf(text, size, "%llu", (unsigned long long)row->ident);
}

static void say_frame(const struct edges *edges, const struct root *root, const struct ref *ref,
		      char *text, size_t size)
{
	char local[NAMES_MAX] = "", thread[128] = "";
	struct py_code code;
	uint32_t line;

	if (ref && ref->place == REF_LOCAL)
		names_local(&edges->names, root->frame.code, ref->at, local, sizeof(local));
	if (edges->reach->threads.n_rows > 1)
		say_thread(edges, root->thread, thread, sizeof(thread));
	if (py_code_read(&code, edges->names.pid, edges->names.runtime, root->frame.code)) {
		snprintf(text, size, "a frame that has ended");
		return;
	}
	line = py_code_line(&code, root->frame.position);
	snprintf(text, size, "%s%s%s of %s (%s:%u)%s%s", local[0] ? "local `" : "",
		 local[0]                         ? local
		 : ref && ref->place == REF_LOCAL ? "stack"
						  : "frame",
		 local[0] ? "`" : "", code.name, code.filename,
		 line ? line : (unsigned)code.first_line, thread[0] ? THREAD_TEXT : "", thread);
	py_code_fini(&code);
}

void chain_root(const struct edges *edges, size_t i, const struct ref *ref, char *text, size_t size)
{
	const struct root *root = &edges->reach->roots[i];
	char thread[128];

	switch (root->kind) {
	case ROOT_MODULES:
		snprintf(text, size, "sys.modules");
		break;
	case ROOT_FRAME:
		say_frame(edges, root, ref, text, size);
		break;
	case ROOT_THREAD:
		say_thread(edges, root->thread, thread, sizeof(thread));
		snprintf(text, size, "state of thread %s", thread);
		break;
	case ROOT_ATEXIT:
		snprintf(text, size, CHAIN_ATEXIT);
		break;
	case ROOT_INTERPRETER:
		snprintf(text, size, "the interpreter");
		break;
	case ROOT_DATA:
		snprintf(text, size, "data of %s", root->file);
		break;
	case ROOT_IMMORTAL:
		snprintf(text, size, "%s",
			 edges->names.runtime->layout.free_threaded
				 ? "immortal object, or one whose references are not counted"
				 : "immortal object");
		break;
	case ROOT_HELD:
		snprintf(text, size, "held from C or by a lost reference");
		break;
	}
}

/* ---- links ---------------------------------------------------------------------------------- */

static int take_link(struct heap_link *link, const struct edges *edges, uint32_t object,
		     const char *via, bool hidden)
{
	link->address = edges->reach->objects.address[object];
	link->type = strdup(edges_type(edges, object)->py->name);
	link->via = strdup(via);
	link->hidden = hidden;
	link->have_items = edges_items(edges, object, &link->items);
	return link->type && link->via ? 0 : -1;
}

/* The objects from the root's first to `object`, the last HEAP_LINKS_MAX of them. */
static uint32_t *climb(struct heap_chain *chain, const struct reach *reach, uint32_t object,
		       uint32_t *root, uint32_t *before)
{
	uint32_t *way = malloc(HEAP_LINKS_MAX * sizeof(*way));
	size_t n = 0;

	if (!way)
		return NULL;
	/* no way is longer than there are objects */
	for (size_t i = 0; i <= reach->objects.n && !(object & REACH_ROOT); i++) {
		if (n < HEAP_LINKS_MAX)
			way[n++] = object;
		else if (!chain->cut++)
			*before = object;
		object = reach->parent[object];
	}
	*root = object & ~REACH_ROOT;
	if (!chain->cut)
		*before = object;
	chain->n_links = n;
	for (size_t i = 0; i < n / 2; i++) {
		uint32_t other = way[i];

		way[i] = way[n - 1 - i];
		way[n - 1 - i] = other;
	}
	return way;
}

/* What sys.modules has under a name is called by it. */
static bool is_module(const struct heap_chain *chain, const struct edges *edges,
		      const uint32_t *way, size_t root)
{
	return edges->reach->roots[root].kind == ROOT_MODULES && !chain->cut &&
	       chain->n_links > 1 && !strncmp(chain->links[1].via, " module `", 9) &&
	       edges_type(edges, way[1])->kind == KIND_MODULE;
}

static bool set_root(struct heap_chain *chain, const struct edges *edges, const uint32_t *way,
		     size_t root, const char *root_text)
{
	char name[EDGES_TEXT], text[EDGES_TEXT + 16];
	char *start = strdup(root_text), *thread = start ? strstr(start, THREAD_TEXT) : NULL;
	bool done;

	/* the path is read without it */
	if (thread && edges->reach->roots[root].kind == ROOT_FRAME)
		*thread = '\0';

	if (is_module(chain, edges, way, root)) {
		snprintf(name, sizeof(name), "%s", chain->links[1].via + 9);
		name[strlen(name) - 1] = '\0'; /* the closing quote */
		snprintf(text, sizeof(text), "module %s", name);
		chain->links[1].via[0] = '\0';
		chain->links[1].hidden = chain->n_links > 2;
		root_text = text;
		free(start);
		start = strdup(name);
	}
	chain->root = strdup(root_text);
	done = chain->root && start && heap_chain_set_path(chain, start);
	free(start);
	return done;
}

/* A long chain is called by its beginning, too. */
static int set_beginning(struct heap_chain *chain, struct edges *edges, uint32_t object,
			 struct err *err)
{
	size_t before = chain->cut + chain->n_links - CHAIN_FIRST;
	struct heap_chain first;
	char *start = NULL;
	int result;

	while (before--)
		object = edges->reach->parent[object];
	result = chain_build(&first, edges, object, err);
	if (result)
		return result;
	free(chain->root);
	chain->root = first.root;
	first.root = NULL;
	if (!chain->root || asprintf(&start, "%s ... ", first.path) < 0 ||
	    !heap_chain_set_path(chain, start))
		result = err_set(err, ERR_FAILED, "no memory for a chain");
	chain->changed |= first.changed;
	free(start);
	heap_chain_fini(&first);
	return result;
}

static int fill(struct heap_chain *chain, struct edges *edges, const uint32_t *way, uint32_t before,
		size_t root)
{
	char via[EDGES_TEXT], root_text[ROOT_TEXT];
	struct edge_part part = {.role = ROLE_ITSELF};
	struct ref ref;

	chain_root(edges, root, NULL, root_text, sizeof(root_text));
	for (size_t i = 0; i < chain->n_links; i++) {
		bool hidden = false, known = false, changed = false,
		     held = edges->reach->roots[root].kind >= ROOT_IMMORTAL && before & REACH_ROOT;

		via[0] = '\0';
		chain->part = false;
		if (!held) {
			known = edges_find(edges, before, way[i], &ref);
			changed = !known;
			known = known || edges_recall(edges, before, way[i], &ref);
		}
		if (before & REACH_ROOT) {
			chain_root(edges, root, known ? &ref : NULL, root_text, sizeof(root_text));
			hidden = edges->reach->roots[root].kind == ROOT_MODULES &&
				 chain->n_links > 1;
			part.role = hidden ? ROLE_MODULES : ROLE_ITSELF;
			if (known && ref.place == REF_CALLBACK)
				snprintf(via, sizeof(via), "[%llu]", (unsigned long long)ref.at);
		} else if (known) {
			hidden = edges_describe(edges, &ref, &part, via);
			chain->part = hidden;
			hidden = hidden && i + 1 < chain->n_links;
		} else {
			part.role = ROLE_ITSELF;
			snprintf(via, sizeof(via), "?");
		}
		if (take_link(&chain->links[i], edges, way[i], via, hidden))
			return -1;
		chain->links[i].changed = changed || !edges_still_there(edges, way[i]);
		chain->changed |= chain->links[i].changed;
		before = way[i];
	}
	return set_root(chain, edges, way, root, root_text) ? 0 : -1;
}

int chain_build(struct heap_chain *chain, struct edges *edges, uint32_t object, struct err *err)
{
	uint32_t root = 0, before = 0, *way;
	int result = -1;

	*chain = (struct heap_chain){0};
	way = climb(chain, edges->reach, object, &root, &before);
	if (way)
		chain->links = calloc(chain->n_links + 1, sizeof(*chain->links));
	if (chain->links && root < edges->reach->n_roots)
		result = fill(chain, edges, way, before, root);
	free(way);
	if (result)
		result = err_set(err, ERR_FAILED, "no memory for a chain");
	else if (chain->cut)
		result = set_beginning(chain, edges, object, err);
	if (!result)
		return 0;
	if (!chain->links)
		chain->n_links = 0;
	heap_chain_fini(chain);
	return result;
}
