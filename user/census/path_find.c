/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/path_find.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "census/chain.h"
#include "census/containers.h"
#include "target/remote_mem.h"

#define MODULE    " module `"
#define PARTS_MAX 4 /* hidden parts in a row: module, its dict; function, closure, cell */
#define ROOT_TEXT 1024

/* One reference that fits. */
struct branch {
	uint32_t to;
	struct edge_part part; /* what `to` is */
	const char *rest;      /* of the path, behind it */
	bool hidden;
};

struct search {
	struct edges *edges;
	struct path_found *found;
	unsigned n_found; /* different containers */
	uint64_t other;   /* address of a second one */
	bool any;         /* objects are asked for, not only containers */
	bool named;       /* the path leads to an object, if not to a container */
	const char *named_type;
	unsigned steps;
};

/* What see_branch() fills while an object is read. */
struct reading {
	const struct edges *edges;
	struct edge_part part;
	const char *rest;
	struct branch branches[PATH_BRANCHES_MAX];
	unsigned n;
};

/* ---- text ----------------------------------------------------------------------------------- */

static bool ends_name(char c)
{
	return !c || c == '.' || c == '[' || c == ' ';
}

/* What is left of `text` behind `name`; NULL: it does not begin so. */
static const char *behind(const char *text, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(text, name, n) && ends_name(text[n]) ? text + n : NULL;
}

/* A module's name comes first, without the rest of its description. */
static const char *behind_module(const char *text, const char *via)
{
	char name[EDGES_TEXT];
	size_t n;

	if (strncmp(via, MODULE, strlen(MODULE)))
		return NULL;
	snprintf(name, sizeof(name), "%s", via + strlen(MODULE));
	n = strlen(name);
	if (n)
		name[n - 1] = '\0';
	return behind(text, name);
}

/* Behind "local `batch` of worker", and " (file:line)" if it is there. */
static const char *behind_local(const char *text, char *root)
{
	char *place = strstr(root, " (");
	const char *rest;

	if (strncmp(root, "local `", 7) || !place)
		return NULL;
	*place = '\0';
	rest = behind(text, root);
	if (rest && !strncmp(rest, " (", 2))
		rest = strchr(rest, ')') ? strchr(rest, ')') + 1 : NULL;
	return rest;
}

/* ---- one object ----------------------------------------------------------------------------- */

static void see_branch(void *context, const struct ref *ref)
{
	struct reading *reading = context;
	struct edge_part part = reading->part;
	char via[EDGES_TEXT];
	const char *rest;
	bool hidden;

	if (reading->n == PATH_BRANCHES_MAX)
		return;
	hidden = edges_describe(reading->edges, ref, &part, via);
	if (reading->part.role == ROLE_MODULES)
		rest = behind_module(reading->rest, via);
	else
		rest = hidden ? reading->rest : behind(reading->rest, via);
	/* what is called nothing is no step */
	if (rest && (hidden || via[0]))
		reading->branches[reading->n++] = (struct branch){ref->to, part, rest, hidden};
}

static bool found_container(struct search *search, uint32_t named, uint32_t container)
{
	const struct edges *edges = search->edges;
	uint64_t address = edges->reach->objects.address[container];
	size_t at;

	if (search->any)
		at = (size_t)edges->names.runtime->layout.object.refcount;
	else if (!containers_field(edges_type(edges, container)->kind,
				   &edges->names.runtime->layout, &at))
		return false;
	if (!search->n_found) {
		*search->found = (struct path_found){named, container, address + at};
		search->n_found = 1;
	} else if (search->found->container != container) {
		search->n_found = 2;
		search->other = address;
	}
	return true;
}

static void follow(struct search *search, uint32_t from, const struct edge_part *part,
		   const char *rest, uint32_t named, unsigned parts);

/* The path ends here: at a container, or at something that has a dict. */
static void arrive(struct search *search, uint32_t object, const struct edge_part *part,
		   uint32_t named, unsigned parts)
{
	uint32_t cache = edges_cache(search->edges, object);

	if (search->any) {
		found_container(search, object, object);
		return;
	}
	search->named = true;
	search->named_type = edges_type(search->edges, named)->py->name;
	if (cache != OBJECTS_NONE)
		found_container(search, named, cache);
	else if (!found_container(search, named, object) && parts < PARTS_MAX)
		follow(search, object, part, "", named, parts);
}

/* in  named: what `from` is a part of, or itself */
static void follow(struct search *search, uint32_t from, const struct edge_part *part,
		   const char *rest, uint32_t named, unsigned parts)
{
	struct reading *reading = malloc(sizeof(*reading));

	if (!reading || search->steps++ > PATH_STEPS_MAX * PATH_BRANCHES_MAX) {
		free(reading);
		return;
	}
	reading->edges = search->edges;
	reading->part = *part;
	reading->rest = rest;
	reading->n = 0;
	edges_each(search->edges, from, see_branch, reading);
	for (unsigned i = 0; i < reading->n && search->n_found < 2; i++) {
		const struct branch *branch = &reading->branches[i];
		uint32_t whole = branch->hidden && !(from & REACH_ROOT) ? named : branch->to;

		if (branch->hidden && parts >= PARTS_MAX)
			continue;
		/* at the end only the dict of attributes is useful */
		if (!*rest && branch->part.role != ROLE_ATTRIBUTES)
			continue;
		if (!*branch->rest)
			arrive(search, branch->to, &branch->part, whole, parts + branch->hidden);
		else
			follow(search, branch->to, &branch->part, branch->rest, whole,
			       branch->hidden ? parts + 1 : 0);
	}
	free(reading);
}

/* ---- roots ---------------------------------------------------------------------------------- */

/* What see_local() fills. */
struct locals {
	struct search *search;
	size_t root;
	const char *path;
	struct branch branches[PATH_BRANCHES_MAX];
	unsigned n;
};

static void see_local(void *context, const struct ref *ref)
{
	struct locals *locals = context;
	char text[ROOT_TEXT];
	const char *rest;

	if (ref->place != REF_LOCAL || locals->n == PATH_BRANCHES_MAX)
		return;
	chain_root(locals->search->edges, locals->root, ref, text, sizeof(text));
	rest = behind_local(locals->path, text);
	if (rest)
		locals->branches[locals->n++] = (struct branch){.to = ref->to, .rest = rest};
}

static void from_frame(struct search *search, size_t root, const char *path)
{
	struct locals locals = {.search = search, .root = root, .path = path};

	edges_each(search->edges, REACH_ROOT | (uint32_t)root, see_local, &locals);
	for (unsigned i = 0; i < locals.n && search->n_found < 2; i++) {
		const struct branch *branch = &locals.branches[i];

		if (*branch->rest)
			follow(search, branch->to, &branch->part, branch->rest, branch->to, 0);
		else
			arrive(search, branch->to, &branch->part, branch->to, 0);
	}
}

static void see_modules(void *context, const struct ref *ref)
{
	*(uint32_t *)context = ref->to;
}

static void from_modules(struct search *search, size_t root, const char *path)
{
	const struct edge_part part = {.role = ROLE_MODULES};
	uint32_t modules = OBJECTS_NONE;

	edges_each(search->edges, REACH_ROOT | (uint32_t)root, see_modules, &modules);
	if (modules != OBJECTS_NONE)
		follow(search, modules, &part, path, modules, 0);
}

static void from_address(struct search *search, uint64_t address)
{
	uint32_t object = objects_find(&search->edges->reach->objects, address);
	const struct edge_part part = {.role = ROLE_ITSELF};

	if (object != OBJECTS_NONE)
		arrive(search, object, &part, object, 0);
}

/* ---- all ------------------------------------------------------------------------------------ */

static int answer(const struct search *search, const char *path, pid_t pid, struct err *err)
{
	const struct edges *edges = search->edges;
	char text[256], type[128];

	escape_copy(text, sizeof(text), path);
	if (search->n_found == 1)
		return 0;
	if (search->n_found)
		return err_set(err, ERR_TARGET,
			       "pid %d has several objects called %s: at 0x%" PRIx64
			       ", at 0x%" PRIx64 ", ...; give the address of one",
			       (int)pid, text,
			       edges->reach->objects.address[search->found->container],
			       search->other);
	if (!search->named)
		return err_set(err, ERR_TARGET, "pid %d has nothing called %s", (int)pid, text);
	return err_set(err, ERR_TARGET,
		       "%s of pid %d is not a container: %s, without a size to watch", text,
		       (int)pid, escape_copy(type, sizeof(type), search->named_type));
}

static int find(struct path_found *found, struct edges *edges, const char *path, bool any,
		struct err *err)
{
	const struct reach *reach = edges->reach;
	struct search search = {.edges = edges, .found = found, .any = any};

	if (!strncmp(path, "0x", 2)) {
		from_address(&search, strtoull(path, NULL, 16));
		return answer(&search, path, census_pid(reach->census), err);
	}
	for (size_t i = 0; i < reach->n_roots && search.n_found < 2; i++) {
		if (reach->roots[i].kind == ROOT_MODULES)
			from_modules(&search, i, path);
		else if (reach->roots[i].kind == ROOT_FRAME && !strncmp(path, "local `", 7))
			from_frame(&search, i, path);
	}
	return answer(&search, path, census_pid(reach->census), err);
}

int path_find(struct path_found *found, struct edges *edges, const char *path, struct err *err)
{
	return find(found, edges, path, false, err);
}

int path_find_object(struct path_found *found, struct edges *edges, const char *path,
		     struct err *err)
{
	return find(found, edges, path, true, err);
}

int path_find_address(struct path_found *found, struct edges *edges, uint64_t address, bool any,
		      struct err *err)
{
	struct search search = {.edges = edges, .found = found, .any = any};
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	from_address(&search, address);
	return answer(&search, text, census_pid(edges->reach->census), err);
}

bool path_is_there(const struct edges *edges, const struct path_found *found)
{
	uint64_t object = edges->reach->objects.address[found->container], type = 0;
	const struct py_layout *layout = &edges->names.runtime->layout;

	return !remote_read_u64(edges->names.pid, object + (uint64_t)layout->object.ob_type,
				&type) &&
	       type == edges_type(edges, found->container)->address;
}
