/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/retained.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "census/fields.h"
#include "python/atexit.h"

/*
 * A way that goes round, as a linked list does, turns back after this many rounds; it is looked for
 * this far up (a round of a list whose nodes have dicts takes 2). Dicts in dicts are no round yet.
 */
#define ROUNDS 3
#define CLIMB  16

struct retained_key {
	struct way {
		uint64_t type, called; /* address; of a name, an offset */
		uint32_t parent, place;
	} way;
	uint32_t node;
	UT_hash_handle hh;
};

/* ---- nodes ---------------------------------------------------------------------------------- */

static void drop_examples(struct retained_node *node)
{
	for (unsigned i = 0; i < RETENTION_EXAMPLES; i++)
		node->examples[i] = OBJECTS_NONE;
}

static bool add_node(struct retained *retained, const struct way *way, const char *type)
{
	struct retained_node *node = &retained->nodes[retained->n_nodes];

	*node = (struct retained_node){
		.parent = way->parent,
		.place = way->place,
		.called = way->called,
		.type_at = way->type,
		.sub = retained->n_nodes == RETAINED_SUB ||
		       (way->parent != RETAINED_NONE && retained->nodes[way->parent].sub),
		.count = calloc(2 * RETAINED_LOOKS, sizeof(*node->count))};
	drop_examples(node);
	node->type = type ? strdup(type) : NULL;
	if (!node->count || (type && !node->type)) {
		free(node->count);
		free(node->type);
		return false;
	}
	node->bytes = node->count + RETAINED_LOOKS;
	retained->n_nodes++;
	return true;
}

struct retained *retained_new(void)
{
	struct retained *retained = calloc(1, sizeof(*retained));

	if (retained)
		retained->nodes = calloc(RETAINED_NODES, sizeof(*retained->nodes));
	for (unsigned i = 0; retained && retained->nodes && i < RETAINED_ROOTS; i++)
		add_node(retained, &(struct way){.parent = RETAINED_NONE}, NULL);
	if (retained && retained->n_nodes == RETAINED_ROOTS)
		return retained;
	retained_free(retained);
	return NULL;
}

void retained_free(struct retained *retained)
{
	struct retained_key *key, *next;

	if (!retained)
		return;
	retained_abandon(retained);
	HASH_ITER (hh, retained->keys, key, next) {
		HASH_DEL(retained->keys, key);
		free(key);
	}
	for (size_t i = 0; i < retained->n_nodes; i++) {
		free(retained->nodes[i].type);
		free(retained->nodes[i].count);
	}
	free(retained->nodes);
	free(retained->heads);
	free(retained);
}

void retained_forget(struct retained *retained)
{
	retained->n_looks = 0;
	retained->n_heads = 0;
	retained->roots_cut = false;
	for (size_t i = 0; i < retained->n_nodes; i++)
		retained->nodes[i].stayed = retained->nodes[i].moved = 0;
}

static bool add_key(struct retained *retained, const struct way *way, uint32_t node)
{
	struct retained_key *key = calloc(1, sizeof(*key));

	if (!key)
		return false;
	key->way = *way;
	key->node = node;
	HASH_ADD(hh, retained->keys, way, sizeof(key->way), key);
	return true;
}

/* Are both of one type, or both roots? */
static bool are_alike(const struct retained *retained, uint32_t a, uint32_t b)
{
	const char *x = retained->nodes[a].type, *y = retained->nodes[b].type;

	return x && y ? !strcmp(x, y) : x == y;
}

/*
 * The node to which a way turns back that goes round. A step is the same only from what is the
 * same: every instance has a dict, in the same place.
 *
 * return RETAINED_NONE: it does not
 */
static uint32_t turn_back(const struct retained *retained, const struct way *way, const char *type)
{
	uint32_t node = way->parent, nearest = RETAINED_NONE;
	unsigned rounds = 0;

	for (unsigned i = 0; i < CLIMB && node >= RETAINED_ROOTS; i++) {
		const struct retained_node *row = &retained->nodes[node];

		if (row->place == way->place && row->called == way->called &&
		    !strcmp(row->type, type) && are_alike(retained, row->parent, way->parent)) {
			nearest = nearest == RETAINED_NONE ? node : nearest;
			if (++rounds == ROUNDS)
				return nearest;
		}
		node = row->parent;
	}
	return RETAINED_NONE;
}

/* return the node of this way; where there is no room for it, that of its parent */
static uint32_t find_node(struct retained *retained, const struct way *way, const char *type)
{
	struct retained_key *key;
	uint32_t node;

	HASH_FIND(hh, retained->keys, way, sizeof(*way), key);
	if (key)
		return key->node;
	if (retained->n_nodes == RETAINED_NODES) {
		retained->merged++;
		return way->parent;
	}
	node = turn_back(retained, way, type);
	if (node == RETAINED_NONE && add_node(retained, way, type))
		node = (uint32_t)retained->n_nodes - 1;
	if (node == RETAINED_NONE || !add_key(retained, way, node)) {
		retained->merged++;
		return way->parent;
	}
	return node;
}

/* ---- a search ------------------------------------------------------------------------------- */

static uint32_t root_of(const struct root *root)
{
	if (root->sub)
		return RETAINED_SUB;
	switch (root->kind) {
	case ROOT_MODULES:
	case ROOT_FRAME:
	case ROOT_THREAD:
		return RETAINED_NAMED;
	case ROOT_ATEXIT:
		return RETAINED_ATEXIT;
	case ROOT_HELD:
		return RETAINED_HELD;
	default:
		return RETAINED_OTHER;
	}
}

int retained_begin(struct retained *retained, const struct reach *reach, struct err *err)
{
	retained_abandon(retained);
	retained->reach = reach;
	retained->node_of = malloc((reach_room(reach) + 1) * sizeof(*retained->node_of));
	if (!retained->node_of)
		return err_set(err, ERR_FAILED, "no memory for %zu objects", reach->objects.n);
	memset(retained->node_of, 0xff, (reach_room(reach) + 1) * sizeof(*retained->node_of));
	return 0;
}

void retained_abandon(struct retained *retained)
{
	free(retained->node_of);
	retained->node_of = NULL;
	retained->reach = NULL;
}

static const struct census_type *type_of(const struct retained *retained, uint32_t object)
{
	return type_table_at(census_types(retained->reach->census),
			     retained->reach->objects.type[object]);
}

/* May it hold what grows, and be asked for by its name? Functions, strings and their like are too
 * many for that. */
static bool deserves_a_name(const struct census_type *type)
{
	switch (type->kind) {
	case KIND_LIST:
	case KIND_DICT:
	case KIND_SET:
	case KIND_DEQUE:
	case KIND_BYTEARRAY:
	case KIND_MODULE:
	case KIND_TYPE:
	case KIND_LRU_CACHE:
		return true;
	default:
		return type->py->flags & PY_TYPE_HEAP;
	}
}

/* Names distinguish ways; not those of many sub-interpreters, which would be as many ways each. */
static bool tells_names(const struct retained *retained, uint32_t node)
{
	return retained->nodes[node].names &&
	       !(retained->nodes[node].sub &&
		 retained->reach->threads.n_interpreters > 1 + RETAINED_SUBS_NAMED);
}

/* What a reference is called, where that distinguishes it from the others of its object: not an
 * item of a container, of which there may be any number. */
static uint64_t called(const struct retained *retained, const struct ref *ref, uint32_t from)
{
	switch (ref->place) {
	case REF_VALUE:
		return tells_names(retained, from) && deserves_a_name(type_of(retained, ref->to))
			       ? ref->at
			       : 0;
	case REF_FIELD:
	case REF_ATTRIBUTE:
	case REF_LOCAL:
	case REF_FRAME:
	case REF_STATE:
		return ref->at;
	default:
		return 0;
	}
}

#define CALLED_INTERPRETER 3

/* What distinguishes the roots of one kind from each other: a frame's code. */
static uint64_t called_of_root(const struct reach *reach, const struct ref *ref)
{
	const struct root *root = &reach->roots[ref->from & ~REACH_ROOT];

	switch (root->kind) {
	case ROOT_FRAME:
		return root->frame.code + ref->at;
	case ROOT_MODULES:
		return 1;
	case ROOT_THREAD:
		return 2;
	case ROOT_INTERPRETER:
		return CALLED_INTERPRETER;
	case ROOT_DATA:
		return ref->at;
	default:
		return 0;
	}
}

/* Is what is held a dict of names? */
static bool holds_names(const struct retained *retained, const struct ref *ref)
{
	const struct census_type *from;

	if (ref->from & REACH_ROOT)
		return retained->reach->roots[ref->from & ~REACH_ROOT].kind == ROOT_MODULES;
	if (ref->place == REF_DICT)
		return true;
	from = type_of(retained, ref->from);
	return ref->place == REF_FIELD && (from->kind == KIND_MODULE || from->kind == KIND_TYPE ||
					   (from->dict > 0 && (int64_t)ref->at == from->dict));
}

void retained_see(struct retained *retained, const struct ref *ref)
{
	const struct census_type *type = type_of(retained, ref->to);
	struct way way = {.type = type->address, .place = ref->place};
	uint32_t node;

	if (ref->from & REACH_ROOT) {
		way.parent = root_of(&retained->reach->roots[ref->from & ~REACH_ROOT]);
		way.called = called_of_root(retained->reach, ref);
	} else {
		way.parent = retained->node_of[ref->from];
		if (way.parent == RETAINED_NONE)
			way.parent = RETAINED_OTHER;
		way.called = called(retained, ref, way.parent);
	}
	node = find_node(retained, &way, type->py->name);
	if (type->kind == KIND_DICT && node != way.parent && holds_names(retained, ref))
		retained->nodes[node].names = true;
	retained->node_of[ref->to] = node;
}

/* ---- a look --------------------------------------------------------------------------------- */

/* Every second look goes, but the first. */
static void make_room(struct retained *retained)
{
	size_t n = 0;

	if (retained->n_looks < RETAINED_LOOKS)
		return;
	for (size_t i = 0; i < RETAINED_LOOKS; i += 2, n++) {
		retained->seconds[n] = retained->seconds[i];
		retained->since_full[n] = retained->since_full[i];
		for (size_t node = 0; node < retained->n_nodes; node++) {
			struct retained_node *row = &retained->nodes[node];

			row->count[n] = row->count[i];
			row->bytes[n] = row->bytes[i];
		}
	}
	retained->n_looks = n;
}

/* What no root reaches, and nothing else holds either. */
static void see_garbage(struct retained *retained)
{
	const struct reach *reach = retained->reach;

	for (size_t i = 0; i < reach->objects.n; i++) {
		const struct census_type *type;
		struct way way = {.parent = RETAINED_GARBAGE};

		if (reach->how[i] != REACH_GARBAGE)
			continue;
		type = type_of(retained, (uint32_t)i);
		way.type = type->address;
		retained->node_of[i] = find_node(retained, &way, type->py->name);
	}
}

/* Of all objects of a type. */
struct type_sum {
	uint64_t own;      /* bytes of their own blocks */
	double before;     /* of their buffers, in the look before */
	double more, less; /* by which nodes of it hold more, and less */
};

/* How many objects each holds itself. NULL: memory is out. */
static uint32_t *count_held(const struct retained *retained)
{
	const struct reach *reach = retained->reach;
	uint32_t *held = calloc(reach->objects.n + 1, sizeof(*held));

	for (size_t i = 0; held && i < reach->objects.n; i++)
		if (retained->node_of[i] != RETAINED_NONE && reach->how[i] != REACH_GARBAGE &&
		    !(reach->parent[i] & REACH_ROOT))
			held[reach->parent[i]]++;
	return held;
}

/* By what it holds. Of many alike those of the last look stay: whoever looks at one wants to see
 * more than a moment of it. */
static uint32_t rank(const struct retained *retained, const struct retained_node *node,
		     uint32_t object, const uint32_t *held)
{
	uint64_t address = retained->reach->objects.address[object];

	for (unsigned i = 0; i < RETENTION_EXAMPLES; i++)
		if (node->examples_at[i] == address)
			return held[object] + held[object] / 8 + 8;
	return held[object];
}

/* Into its place; the one that holds least falls out. */
static void add_example(const struct retained *retained, struct retained_node *node,
			uint32_t object, const uint32_t *held)
{
	uint32_t mine = rank(retained, node, object, held);
	unsigned at = RETENTION_EXAMPLES;

	while (at > 0 && (node->examples[at - 1] == OBJECTS_NONE ||
			  mine > rank(retained, node, node->examples[at - 1], held)))
		at--;
	for (unsigned i = at; i < RETENTION_EXAMPLES; i++) {
		uint32_t next = node->examples[i];

		node->examples[i] = object;
		object = next;
	}
}

static void keep_examples(struct retained *retained)
{
	for (size_t i = RETAINED_ROOTS; i < retained->n_nodes; i++) {
		struct retained_node *node = &retained->nodes[i];

		for (unsigned k = 0; k < RETENTION_EXAMPLES; k++)
			node->examples_at[k] =
				node->examples[k] == OBJECTS_NONE
					? 0
					: retained->reach->objects.address[node->examples[k]];
	}
}

static void count_objects(struct retained *retained, size_t look, struct type_sum *sums,
			  const uint32_t *held)
{
	const struct reach *reach = retained->reach;

	for (size_t i = 0; i < reach->objects.n; i++) {
		uint32_t node = retained->node_of[i];
		struct retained_node *row;

		if (node == RETAINED_NONE)
			continue;
		row = &retained->nodes[node];
		row->count[look]++;
		row->bytes[look] += reach->objects.size[i];
		row->weight += 1 + held[i];
		add_example(retained, row, (uint32_t)i, held);
		/* what the scan has of a type is without late ones */
		if (!late_is(&reach->late, (uint32_t)i))
			sums[reach->objects.type[i]].own += reach->objects.size[i];
	}
}

/* By how much more, or less, the objects of a node hold themselves than in the look before. */
static double change(const struct retained_node *row)
{
	return (double)row->weight - (double)row->weight_before;
}

/*
 * What came to the buffers of a type, or went, is divided among its nodes that hold more, or less,
 * than in the look before. (Divided by what they hold, a node that grows would take from nodes that
 * do not.)
 */
static void share_buffers(struct retained *retained, size_t look, struct type_sum *sums)
{
	const struct reach *reach = retained->reach;
	const struct type_table *types = census_types(reach->census);

	for (size_t i = RETAINED_ROOTS; i < retained->n_nodes; i++) {
		struct retained_node *row = &retained->nodes[i];
		struct type_sum *sum;
		double moved = change(row);

		if (row->examples[0] == OBJECTS_NONE) {
			row->buffers = 0;
			continue;
		}
		sum = &sums[reach->objects.type[row->examples[0]]];
		sum->before += row->buffers;
		*(moved > 0 ? &sum->more : &sum->less) += moved;
	}
	for (size_t i = RETAINED_ROOTS; i < retained->n_nodes; i++) {
		struct retained_node *row = &retained->nodes[i];
		const struct type_sum *sum;
		double came, moved = change(row), all;
		uint64_t bytes;

		if (row->examples[0] == OBJECTS_NONE)
			continue;
		sum = &sums[reach->objects.type[row->examples[0]]];
		bytes = type_table_at(types, reach->objects.type[row->examples[0]])->bytes;
		came = (bytes > sum->own ? (double)(bytes - sum->own) : 0) - sum->before;
		all = came > 0 ? sum->more : sum->less;
		if (all != 0 && (moved > 0) == (came > 0))
			row->buffers += came * moved / all;
		row->bytes[look] += (uint64_t)fmax(row->buffers, 0);
	}
}

static bool is_head(const struct reach *reach, uint32_t object)
{
	return reach->how[object] == REACH_HELD && reach->parent[object] & REACH_ROOT;
}

/* What has become of the heads of the last look? */
static void follow_heads(struct retained *retained)
{
	const struct reach *reach = retained->reach;

	for (size_t i = 0; i < retained->n_heads; i++) {
		struct retained_node *node = &retained->nodes[retained->heads[i].node];
		uint32_t object = objects_find(&reach->objects, retained->heads[i].address);

		if (object == OBJECTS_NONE || reach->how[object] != REACH_HELD)
			continue;
		node->stayed += is_head(reach, object);
		node->moved += !is_head(reach, object);
	}
}

static void list_heads(struct retained *retained)
{
	const struct reach *reach = retained->reach;
	size_t n = 0;

	for (uint32_t i = 0; i < reach->objects.n; i++)
		n += is_head(reach, i) && retained->node_of[i] != RETAINED_NONE;
	free(retained->heads);
	retained->heads = calloc(n + 1, sizeof(*retained->heads));
	retained->n_heads = 0;
	for (uint32_t i = 0; i < reach->objects.n && retained->heads; i++)
		if (is_head(reach, i) && retained->node_of[i] != RETAINED_NONE)
			retained->heads[retained->n_heads++] = (struct retained_head){
				reach->objects.address[i], retained->node_of[i]};
}

bool retained_moves(const struct retained *retained, uint32_t node)
{
	const struct retained_node *top = &retained->nodes[node];

	while (top->parent != RETAINED_NONE && top->parent != RETAINED_HELD)
		top = &retained->nodes[top->parent];
	return top->parent == RETAINED_HELD && top->moved > top->stayed / 4;
}

/* The blocks in which atexit keeps what it was given. */
static uint64_t callback_bytes(const struct reach *reach)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < reach->n_roots; i++) {
		const struct root *root = &reach->roots[i];

		if (root->kind == ROOT_ATEXIT && root->structs && !root->sub)
			bytes += (root->end - root->start) / 8 * (8 + PY_ATEXIT_BLOCK);
	}
	return bytes;
}

int retained_end(struct retained *retained, struct err *err)
{
	const struct reach *reach = retained->reach;
	size_t n_types = type_table_length(census_types(reach->census)), look;
	struct type_sum *sums = calloc(n_types + 1, sizeof(*sums));
	uint32_t *held;

	retained->roots_cut |= reach->frames_cut;
	see_garbage(retained);
	follow_heads(retained);
	list_heads(retained);
	held = count_held(retained);
	if (!sums || !held) {
		free(sums);
		free(held);
		return err_set(err, ERR_FAILED, "no memory for %zu objects", reach->objects.n);
	}
	make_room(retained);
	look = retained->n_looks++;
	for (size_t i = 0; i < retained->n_nodes; i++) {
		struct retained_node *row = &retained->nodes[i];

		row->count[look] = row->bytes[look] = 0;
		row->weight_before = row->weight;
		row->weight = 0;
		drop_examples(row);
	}
	retained->seconds[look] = reach->scan->at_s;
	retained->since_full[look] = reach->scan->gc.since_full;
	retained->have_since_full =
		(retained->have_since_full || !look) && reach->scan->gc.have_since_full;
	count_objects(retained, look, sums, held);
	keep_examples(retained);
	retained->nodes[RETAINED_ATEXIT].bytes[look] = callback_bytes(reach);
	share_buffers(retained, look, sums);
	free(sums);
	free(held);
	return 0;
}

bool retained_is_fixed(const struct retained *retained, uint32_t node)
{
	return retained->nodes[node].parent == RETAINED_OTHER &&
	       retained->nodes[node].called == CALLED_INTERPRETER;
}
