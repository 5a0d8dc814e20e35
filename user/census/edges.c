/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/edges.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "census/containers.h"
#include "census/fields.h"
#include "target/remote_mem.h"

#define LRU_WORDS_MAX 64

static uint64_t word(const struct edges *edges, uint64_t address)
{
	uint64_t value = 0;

	remote_read_u64(edges->names.pid, address, &value);
	return value;
}

static int64_t head_of(const struct edges *edges)
{
	return py_head_bytes(&edges->names.runtime->layout);
}

static uint64_t address_of(const struct edges *edges, uint32_t object)
{
	return edges->reach->objects.address[object];
}

const struct census_type *edges_type(const struct edges *edges, uint32_t object)
{
	return type_table_at(census_types(edges->reach->census),
			     edges->reach->objects.type[object]);
}

bool edges_still_there(const struct edges *edges, uint32_t object)
{
	uint64_t at =
		address_of(edges, object) + (uint64_t)edges->names.runtime->layout.object.ob_type;

	return word(edges, at) == edges_type(edges, object)->address;
}

/* ---- where it is ---------------------------------------------------------------------------- */

static void see(void *context, const struct ref *ref)
{
	struct edges *edges = context;

	if (ref->to != edges->wanted || (edges->found && edges->best.place != REF_KEY))
		return;
	edges->found = true;
	edges->best = *ref;
}

int edges_init(struct edges *edges, const struct reach *reach, struct err *err)
{
	*edges = (struct edges){
		.reach = reach,
		.budget = UINT64_MAX,
		.names = {census_pid(reach->census), census_runtime(reach->census)},
		.finder = {.types = census_types(reach->census),
			   .spans = {.pid = census_pid(reach->census),
				     .runtime = census_runtime(reach->census),
				     .objects = &reach->objects,
				     .whole_frames = true}},
	};
	return referents_init(&edges->finder, err);
}

void edges_fini(struct edges *edges)
{
	referents_fini(&edges->finder);
}

void edges_each(struct edges *edges, uint32_t from,
		void (*show)(void *context, const struct ref *ref), void *context)
{
	uint64_t allowed = edges->budget < REACH_SPAN_BUDGET ? edges->budget : REACH_SPAN_BUDGET;

	edges->finder.spans.see = show;
	edges->finder.spans.context = context;
	edges->finder.spans.budget = allowed;
	if (from & REACH_ROOT)
		reach_read_root(edges->reach, from & ~REACH_ROOT, &edges->finder.spans);
	else
		referents_walk(&edges->finder, &from, 1);
	edges->budget -= allowed - edges->finder.spans.budget;
}

bool edges_find(struct edges *edges, uint32_t from, uint32_t to, struct ref *ref)
{
	edges->wanted = to;
	edges->found = false;
	edges_each(edges, from, see, edges);
	*ref = edges->best;
	return edges->found;
}

bool edges_recall(const struct edges *edges, uint32_t from, uint32_t to, struct ref *ref)
{
	return reach_recall(edges->reach, from, to, ref);
}

/* ---- parts ---------------------------------------------------------------------------------- */

static void quote(char *via, const char *before, const char *name, const char *otherwise)
{
	if (name[0])
		snprintf(via, EDGES_TEXT, "%s`%s`", before, name);
	else
		snprintf(via, EDGES_TEXT, "%s", otherwise);
}

static void say_local(const struct edges *edges, uint64_t code, uint64_t index, char *via)
{
	char name[NAMES_MAX];

	names_local(&edges->names, code, index, name, sizeof(name));
	quote(via, " local ", name, " stack");
}

/* What a hidden part holds. */
static bool describe_part(const struct edges *edges, const struct ref *ref, struct edge_part *part,
			  char *via)
{
	const struct edge_part was = *part;
	char name[NAMES_MAX] = "";

	*part = (struct edge_part){.role = ROLE_ITSELF};
	/* the class of the part is not what the whole holds */
	if (ref->place == REF_TYPE) {
		snprintf(via, EDGES_TEXT, " type");
		return false;
	}
	switch (was.role) {
	case ROLE_MODULES:
	case ROLE_KWDEFAULTS:
		if (ref->place == REF_VALUE)
			names_str(&edges->names, ref->at, name, sizeof(name));
		quote(via, was.role == ROLE_MODULES ? " module " : " default argument ", name,
		      " key");
		return false;
	case ROLE_CLOSURE:
		*part = (struct edge_part){ROLE_CELL, was.code, ref->at, was.n};
		return true;
	case ROLE_CELL:
		names_free(&edges->names, was.code, was.index, was.n, name, sizeof(name));
		quote(via, " closure ", name, " closure");
		return false;
	case ROLE_DEFAULTS:
		names_argument(&edges->names, was.code, ref->at, was.n, name, sizeof(name));
		quote(via, " default argument ", name, " default argument");
		return false;
	case ROLE_CACHE:
		if (ref->place == REF_VALUE && edges_type(edges, ref->to)->kind == KIND_LRU_LINK) {
			part->role = ROLE_CACHED;
			return true;
		}
		snprintf(via, EDGES_TEXT, " cached %s", ref->place == REF_KEY ? "key" : "result");
		return false;
	case ROLE_CACHED:
		snprintf(via, EDGES_TEXT, " cached %s",
			 (int64_t)ref->at == head_of(edges) + LRU_KEY ? "key" : "result");
		return false;
	case ROLE_FRAME:
		if (ref->place == REF_LOCAL)
			say_local(edges, was.code, ref->at, via);
		else
			snprintf(via, EDGES_TEXT, " frame");
		return false;
	default:
		return false;
	}
}

/* ---- objects that have parts ---------------------------------------------------------------- */

static bool begin_part(struct edge_part *part, enum edge_role role, uint64_t code, uint64_t n)
{
	*part = (struct edge_part){.role = role, .code = code, .n = n};
	return true;
}

static bool is_function_part(const struct edges *edges, const struct ref *ref,
			     struct edge_part *part)
{
	const struct py_layout *layout = &edges->names.runtime->layout;
	uint64_t function = address_of(edges, ref->from),
		 code = word(edges, function + (uint64_t)layout->function.code),
		 n = names_length(&edges->names, address_of(edges, ref->to));
	int64_t at = (int64_t)ref->at;

	if (at == layout->function.closure)
		return begin_part(part, ROLE_CLOSURE, code, n);
	if (at == layout->function.defaults)
		return begin_part(part, ROLE_DEFAULTS, code, n);
	if (at == layout->function.kwdefaults)
		return begin_part(part, ROLE_KWDEFAULTS, code, 0);
	return at == layout->function.dict && begin_part(part, ROLE_ATTRIBUTES, 0, 0);
}

/* Is what is held a part of the holder? */
static bool is_part(const struct edges *edges, const struct ref *ref, struct edge_part *part)
{
	const struct py_layout *layout = &edges->names.runtime->layout;
	const struct census_type *from = edges_type(edges, ref->from),
				 *to = edges_type(edges, ref->to);
	int64_t at = (int64_t)ref->at;

	if (ref->place == REF_DICT)
		return begin_part(part, ROLE_ATTRIBUTES, 0, 0);
	if (ref->place != REF_FIELD)
		return false;
	if (from->dict > 0 && at == from->dict)
		return begin_part(part, ROLE_ATTRIBUTES, 0, 0);
	switch (from->kind) {
	case KIND_MODULE:
		return at == head_of(edges) + MODULE_DICT &&
		       begin_part(part, ROLE_ATTRIBUTES, 0, 0);
	case KIND_TYPE:
		return at == layout->type.dict && begin_part(part, ROLE_ATTRIBUTES, 0, 0);
	case KIND_FUNCTION:
		return is_function_part(edges, ref, part);
	case KIND_LRU_CACHE:
		return to->kind == KIND_DICT && begin_part(part, ROLE_CACHE, 0, 0);
	case KIND_GENERATOR:
		return to->kind == KIND_FRAME && at == layout->generator.frame &&
		       begin_part(part, ROLE_FRAME,
				  word(edges,
				       address_of(edges, ref->to) + (uint64_t)layout->frame.code),
				  0);
	default:
		return false;
	}
}

/* ---- all others ----------------------------------------------------------------------------- */

static void say_field(const struct edges *edges, const struct ref *ref, char *via)
{
	const struct census_type *type = edges_type(edges, ref->from);
	char name[NAMES_MAX];

	names_member(&edges->names, type->address, ref->at, name, sizeof(name));
	if (!name[0] && type->py->flags & PY_TYPE_EXCEPTION)
		names_exception(&edges->names, type->address, ref->at, name, sizeof(name));
	if (name[0])
		snprintf(via, EDGES_TEXT, ".%s", name);
	else if (type->kind == KIND_TYPE &&
		 (int64_t)ref->at == edges->names.runtime->layout.type.base + TYPE_SUBCLASSES)
		snprintf(via, EDGES_TEXT, ".__subclasses__");
	else if (!strcmp(type->py->name, "cell"))
		snprintf(via, EDGES_TEXT, ".cell_contents");
	else
		snprintf(via, EDGES_TEXT, "+%" PRIu64, ref->at);
}

static void say_attribute(const struct edges *edges, const struct ref *ref, char *via)
{
	const struct py_layout *layout = &edges->names.runtime->layout;
	const struct census_type *type = edges_type(edges, ref->from);
	uint64_t keys =
		type->kind == KIND_DICT
			? word(edges, address_of(edges, ref->from) + (uint64_t)layout->dict.keys)
			: names_cached_keys(&edges->names, type->address);
	char name[NAMES_MAX];

	names_attribute(&edges->names, keys, ref->at, name, sizeof(name));
	snprintf(via, EDGES_TEXT, ".%s", name[0] ? name : "?");
}

static void say_value(const struct edges *edges, const struct ref *ref, bool attributes, char *via)
{
	char name[NAMES_MAX];

	names_str(&edges->names, attributes ? ref->at : 0, name, sizeof(name));
	if (name[0]) {
		snprintf(via, EDGES_TEXT, ".%s", name);
		return;
	}
	names_key(&edges->names, ref->at, name, sizeof(name));
	snprintf(via, EDGES_TEXT, "[%s]", name[0] ? name : "...");
}

static void say_key(const struct edges *edges, const struct ref *ref, char *via)
{
	char name[NAMES_MAX];

	names_key(&edges->names, address_of(edges, ref->to), name, sizeof(name));
	snprintf(via, EDGES_TEXT, " key %s", name[0] ? name : "...");
}

static uint64_t code_of_frame(const struct edges *edges, uint32_t object)
{
	const struct py_layout *layout = &edges->names.runtime->layout;
	uint64_t frame = address_of(edges, object);

	if (edges_type(edges, object)->kind == KIND_GENERATOR)
		frame += (uint64_t)layout->generator.frame;
	else if (layout->frame_object.own != LAYOUT_NONE)
		frame += (uint64_t)layout->frame_object.own;
	return word(edges, frame + (uint64_t)layout->frame.code) & layout->frame.code_mask;
}

bool edges_describe(const struct edges *edges, const struct ref *ref, struct edge_part *part,
		    char *via)
{
	bool attributes = part->role == ROLE_ATTRIBUTES;

	via[0] = '\0';
	if (part->role != ROLE_ITSELF && !attributes)
		return describe_part(edges, ref, part, via);
	*part = (struct edge_part){.role = ROLE_ITSELF};
	if (is_part(edges, ref, part))
		return true;
	switch (ref->place) {
	case REF_FIELD:
		say_field(edges, ref, via);
		break;
	case REF_TYPE:
		snprintf(via, EDGES_TEXT, ".__class__");
		break;
	case REF_ATTRIBUTE:
		say_attribute(edges, ref, via);
		break;
	case REF_ITEM:
		snprintf(via, EDGES_TEXT, "[%" PRIu64 "]", ref->at);
		break;
	case REF_MEMBER:
		snprintf(via, EDGES_TEXT, " member");
		break;
	case REF_KEY:
		say_key(edges, ref, via);
		break;
	case REF_VALUE:
		say_value(edges, ref, attributes, via);
		break;
	case REF_LOCAL:
		say_local(edges, code_of_frame(edges, ref->from), ref->at, via);
		break;
	case REF_CACHED:
		snprintf(via, EDGES_TEXT, " cached %s", ref->at ? "key" : "result");
		break;
	case REF_STATE:
		snprintf(via, EDGES_TEXT, " state");
		break;
	case REF_FRAME:
		snprintf(via, EDGES_TEXT, " frame");
		break;
	default:
		break;
	}
	return false;
}

/* In words from the dict of an lru_cache on; in 3.6 it is the first word behind its root: head,
 * prev, next, hash, key, result. */
#define LRU_MAXSIZE  3
#define LRU_ROOT     40
#define MAXSIZE_LAST 0x03070000u

/* From the length of a deque on: length, leftblock, rightblock, leftindex, rightindex, state. */
#define DEQUE_MAXLEN 48

/* ---- containers ----------------------------------------------------------------------------- */

/* What an lru_cache has in it, up to the word that is its dict. */
struct lru_words {
	uint64_t words[LRU_WORDS_MAX];
	size_t n, cache; /* cache: index of the dict */
	uint32_t dict;
};

/* Where the dict is differs, but an lru_cache has no other one. */
static bool read_lru(const struct edges *edges, uint32_t object, struct lru_words *lru)
{
	const struct census_type *type = edges_type(edges, object);
	size_t n = (size_t)type->py->basicsize / 8;

	lru->n = n < LRU_WORDS_MAX ? n : LRU_WORDS_MAX;
	if (type->kind != KIND_LRU_CACHE ||
	    remote_read(edges->names.pid, address_of(edges, object), lru->words, 8 * lru->n))
		return false;
	for (size_t i = (size_t)(head_of(edges) + LRU_LINKS) / 8; i < lru->n; i++) {
		lru->dict = objects_find(&edges->reach->objects, lru->words[i]);
		lru->cache = i;
		if ((int64_t)(8 * i) != type->dict && lru->dict != OBJECTS_NONE &&
		    edges_type(edges, lru->dict)->kind == KIND_DICT)
			return true;
	}
	return false;
}

uint32_t edges_cache(const struct edges *edges, uint32_t object)
{
	struct lru_words lru;

	return read_lru(edges, object, &lru) ? lru.dict : OBJECTS_NONE;
}

bool edges_bound(const struct edges *edges, uint32_t object, int64_t *most)
{
	const struct py_runtime *runtime = edges->names.runtime;
	bool is_last = runtime->hexversion >= MAXSIZE_LAST;
	struct lru_words lru;
	uint64_t word;
	size_t at;

	if (edges_type(edges, object)->kind == KIND_DEQUE) {
		at = (size_t)runtime->layout.object.var_size + DEQUE_MAXLEN;
		if (remote_read_u64(edges->names.pid, address_of(edges, object) + at, &word))
			return false;
	} else {
		if (!read_lru(edges, object, &lru))
			return false;
		at = is_last ? lru.cache + LRU_MAXSIZE : (size_t)(head_of(edges) + LRU_ROOT) / 8;
		if (at >= lru.n)
			return false;
		word = lru.words[at];
	}
	*most = (int64_t)word;
	return *most >= -1;
}

bool edges_items(const struct edges *edges, uint32_t object, uint64_t *items)
{
	const struct py_layout *layout = &edges->names.runtime->layout;
	uint32_t cache = edges_cache(edges, object);
	enum type_kind kind;
	size_t at;

	if (cache != OBJECTS_NONE)
		object = cache;
	kind = edges_type(edges, object)->kind;
	if (kind == KIND_TUPLE)
		at = (size_t)layout->object.var_size;
	else if (kind == KIND_BYTEARRAY || !containers_field(kind, layout, &at))
		return false;
	return !remote_read_u64(edges->names.pid, address_of(edges, object) + at, items) &&
	       *items <= INT64_MAX;
}
