/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/late.h"

#include <stdlib.h>
#include <string.h>

#include "census/classify.h"
#include "census/fields.h"
#include "census/memory.h"
#include "target/bss.h"
#include "target/remote_mem.h"

#define KNOWN       4096
#define WANTED      4096
#define HEADS       1024 /* that are read in one go */
#define HEAD        32   /* bytes of an object that show whether it is one */
#define IMAGE       (CLASSIFY_BEFORE + HEAD)
#define ADDRESS_MIN 0x10000u
#define ADDRESS_END (1ull << 47)
#define NO_REF      UINT32_MAX
#define TRIES       4 /* to read again what refers to objects that are gone */

struct late_wanted {
	struct ref ref;
	uint64_t address;
};

struct late_object {
	struct ref by;        /* by which it was found */
	uint32_t first, last; /* of refs; NO_REF: it has none */
	bool cut;             /* not all are there */
	bool shown;
};

struct late_gone {
	uint32_t object, holder;
};

struct late_holder {
	uint32_t object, times;
};

struct late_ref {
	struct ref ref;
	uint32_t next;
};

static void see(void *context, const struct ref *ref);
static void miss(void *context, const struct ref *ref, uint64_t word);
static void lose(void *context, uint32_t object);

void late_begin(struct late *late)
{
	struct err err = ERR_INIT;

	late->n_scanned = late->objects->n;
	late->known = calloc(KNOWN, sizeof(*late->known));
	late->failed = !late->known || maps_read(&late->maps, late->pid, &err);
	if (!late->failed)
		late->data_end = malloc((late->maps.n_ranges + 1) * sizeof(*late->data_end));
	late->failed |= !late->data_end;
	for (size_t i = 0; !late->failed && i < late->maps.n_ranges; i++)
		late->data_end[i] = UINT64_MAX;
}

void late_fini(struct late *late)
{
	referents_fini(&late->referents);
	maps_fini(&late->maps);
	free(late->data_end);
	free(late->known);
	free(late->wanted);
	free(late->asked);
	free(late->found);
	free(late->refs);
	free(late->again);
	free(late->gone);
	free(late->holders);
	*late = (struct late){0};
}

/* When something is asked for first. */
static bool prepare(struct late *late)
{
	struct err err = ERR_INIT;

	if (late->found)
		return true;
	late->wanted = malloc(WANTED * sizeof(*late->wanted));
	late->asked = malloc(WANTED * sizeof(*late->asked));
	late->again = malloc(LATE_AGAIN * sizeof(*late->again));
	late->gone = malloc(LATE_GONE * sizeof(*late->gone));
	late->holders = calloc(LATE_AGAIN, sizeof(*late->holders));
	late->found = calloc(LATE_MAX, sizeof(*late->found));
	late->referents = (struct referents){
		.types = late->types,
		.gone = lose,
		.spans = {.pid = late->pid,
			  .runtime = late->runtime,
			  .objects = late->objects,
			  .see = see,
			  .miss = miss,
			  .context = late,
			  .budget = LATE_BUDGET},
	};
	late->failed = !late->wanted || !late->asked || !late->again || !late->gone ||
		       !late->holders || !late->found || referents_init(&late->referents, &err);
	return !late->failed;
}

/* ---- what is asked for ---------------------------------------------------------------------- */

/* In such a place is a reference, or nothing. */
static bool is_sure(enum ref_place place)
{
	switch (place) {
	case REF_DICT:
	case REF_ATTRIBUTE:
	case REF_ITEM:
	case REF_MEMBER:
	case REF_CACHED:
	case REF_KEY:
	case REF_VALUE:
	case REF_LOCAL:
		return true;
	default:
		return false;
	}
}

/* Others of its words are numbers that look like addresses. */
static bool is_of_function(const struct py_layout *layout, int64_t at)
{
	return at == layout->function.code || at == layout->function.closure ||
	       at == layout->function.defaults || at == layout->function.kwdefaults ||
	       at == layout->function.dict;
}

/* Words of these are addresses of what is no object, and many; what changes is elsewhere. */
static bool has_other_words(const struct late *late, const struct ref *ref)
{
	if (ref->place == REF_STATE)
		return true;
	if (ref->place != REF_FIELD || ref->from >= late->objects->n)
		return false;
	switch (type_table_at(late->types, late->objects->type[ref->from])->kind) {
	case KIND_TYPE:
	case KIND_CODE:
	case KIND_BYTEARRAY:
		return true;
	case KIND_FUNCTION:
		return !is_of_function(&late->runtime->layout, (int64_t)ref->at);
	default:
		return false;
	}
}

/* Would a scan look there? What was mapped since, too. */
static bool may_hold(struct late *late, uint64_t address)
{
	const struct map_range *range = maps_find(&late->maps, address);
	uint64_t *end;

	if (!range)
		return true;
	end = &late->data_end[range - late->maps.ranges];
	if (*end == UINT64_MAX)
		*end = bss_end(&late->maps, (size_t)(range - late->maps.ranges));
	return memory_is_heap(range) && address >= *end;
}

/* The place in which an address is kept that has been asked for. */
static uint64_t *known_at(const struct late *late, uint64_t address)
{
	return &late->known[(address >> 3) * 0x9e3779b97f4a7c15ull >> 52];
}

void late_miss(struct late *late, const struct ref *ref, uint64_t word)
{
	uint64_t *known;
	bool sure;

	if (word < ADDRESS_MIN || word >= ADDRESS_END || late->failed)
		return;
	known = known_at(late, word);
	if (*known == word || has_other_words(late, ref))
		return;
	*known = word;
	sure = is_sure(ref->place);
	if (!may_hold(late, word) || late->n_asked[sure] == LATE_ASKED || !prepare(late))
		return;
	if (late->n_wanted == WANTED && !late->looking)
		late_look(late);
	if (late->n_wanted == WANTED)
		return;
	late->n_asked[sure]++;
	late->wanted[late->n_wanted++] = (struct late_wanted){*ref, word};
}

static void miss(void *context, const struct ref *ref, uint64_t word)
{
	late_miss(context, ref, word);
}

/* ---- what is found -------------------------------------------------------------------------- */

static bool make_room(struct late *late)
{
	size_t room = late->refs_room ? 2 * late->refs_room : 1024;
	struct late_ref *refs;

	if (late->n_refs < late->refs_room)
		return true;
	refs = late->n_refs < LATE_REFS ? realloc(late->refs, room * sizeof(*refs)) : NULL;
	if (!refs)
		return false;
	late->refs = refs;
	late->refs_room = room;
	return true;
}

static void keep(struct late *late, const struct ref *ref)
{
	struct late_object *from = &late->found[ref->from - late->n_scanned];
	uint32_t at = (uint32_t)late->n_refs;

	late->refs[late->n_refs++] = (struct late_ref){*ref, NO_REF};
	if (from->first == NO_REF)
		from->first = at;
	else
		late->refs[from->last].next = at;
	from->last = at;
}

/* What a late object refers to is kept until the search comes to it. */
static void see(void *context, const struct ref *ref)
{
	struct late *late = context;
	struct late_object *from =
		late_is(late, ref->from) ? &late->found[ref->from - late->n_scanned] : NULL;

	if (late_is(late, ref->to) && late->found[ref->to - late->n_scanned].by.to == OBJECTS_NONE)
		late->found[ref->to - late->n_scanned].by = *ref;
	if (from && make_room(late))
		keep(late, ref);
	else if (from)
		from->cut = true;
	if (!from || from->shown)
		late->see(late->context, ref);
}

/* return its row; OBJECTS_NONE: there is no room */
static uint32_t add(struct late *late, uint64_t address, const struct census_type *type)
{
	uint64_t size = (uint64_t)type->py->basicsize;
	uint32_t object;

	if (late->objects->n - late->n_scanned == LATE_MAX)
		return OBJECTS_NONE;
	if (type->py->has_gc)
		size += late->runtime->layout.gc_head_size;
	if (type->has_preheader)
		size += PREHEADER;
	object = objects_insert(late->objects, address, type->index, size);
	if (object != OBJECTS_NONE)
		late->found[object - late->n_scanned] = (struct late_object){
			.by = {.to = OBJECTS_NONE}, .first = NO_REF, .last = NO_REF};
	return object;
}

/* What it referred to has been replaced, most likely. */
static void read_again_soon(struct late *late, uint32_t holder)
{
	struct late_holder *known = &late->holders[holder % LATE_AGAIN];

	if (late->n_again + late->n_read_again == LATE_AGAIN)
		return;
	if (known->object != holder)
		*known = (struct late_holder){.object = holder};
	if (known->times++ < TRIES)
		late->again[late->n_again++] = holder;
}

/* A late object was freed before it could be read; its place may be taken again, too. */
static void lose(void *context, uint32_t object)
{
	struct late *late = context;
	const struct ref *by;

	if (!late_is(late, object))
		return;
	by = &late->found[object - late->n_scanned].by;
	if (by->to == OBJECTS_NONE || by->from >= late->objects->n)
		return;
	read_again_soon(late, by->from);
	read_again_soon(late, object);
}

static struct census_type *type_in(const struct late *late, const struct remote_item *item)
{
	return item->result ? NULL
			    : classify_at(&late->runtime->layout, late->types,
					  (const uint8_t *)item->buffer + CLASSIFY_BEFORE, HEAD);
}

/* Heads of objects, in one read. */
struct heads {
	struct remote_item items[HEADS];
	uint8_t bytes[HEADS * IMAGE];
	uint32_t fresh[HEADS]; /* objects that are new */
	size_t n_fresh;
};

static void add_head(struct heads *heads, size_t i, uint64_t address)
{
	heads->items[i] =
		(struct remote_item){address - CLASSIFY_BEFORE, heads->bytes + i * IMAGE, IMAGE, 0};
}

static void judge(struct late *late, const struct late_wanted *wanted, struct heads *heads,
		  const struct remote_item *item)
{
	struct ref ref = wanted->ref;

	ref.to = objects_find(late->objects, wanted->address);
	if (ref.to == OBJECTS_NONE) {
		const struct census_type *type = type_in(late, item);

		if (!type) {
			*known_at(late, wanted->address) = 0;
			if (is_sure(ref.place) && ref.from < late->objects->n)
				read_again_soon(late, ref.from);
			return;
		}
		ref.to = add(late, wanted->address, type);
		if (ref.to == OBJECTS_NONE)
			return;
		heads->fresh[heads->n_fresh++] = ref.to;
	}
	see(late, &ref);
}

/* ---- rounds --------------------------------------------------------------------------------- */

/* At most HEADS. */
static void look_at(struct late *late, const struct late_wanted *wanted, size_t n)
{
	struct heads heads;

	heads.n_fresh = 0;
	for (size_t i = 0; i < n; i++)
		add_head(&heads, i, wanted[i].address);
	remote_read_many(late->pid, heads.items, n);
	for (size_t i = 0; i < n; i++)
		judge(late, &wanted[i], &heads, &heads.items[i]);
	referents_walk(&late->referents, heads.fresh, heads.n_fresh);
}

static void take_other(struct late *late, uint32_t gone, struct heads *heads,
		       const struct remote_item *item)
{
	uint64_t address = late->objects->address[gone];
	const struct census_type *type = type_in(late, item);
	uint32_t other;

	if (!type || objects_find(late->objects, address) != gone)
		return;
	if (type->index == late->objects->type[gone]) {
		read_again_soon(late, gone);
		return;
	}
	other = add(late, address, type);
	if (other != OBJECTS_NONE)
		heads->fresh[heads->n_fresh++] = other;
}

/*
 * What has the place of an object that is gone is another one: its holder, read again, leads to it
 * if it is held there. At most HEADS.
 */
static void look_for_others(struct late *late, const struct late_gone *gone, size_t n)
{
	struct heads heads;

	heads.n_fresh = 0;
	for (size_t i = 0; i < n; i++)
		add_head(&heads, i, late->objects->address[gone[i].object]);
	remote_read_many(late->pid, heads.items, n);
	for (size_t i = 0; i < n; i++)
		take_other(late, gone[i].object, &heads, &heads.items[i]);
	referents_walk(&late->referents, heads.fresh, heads.n_fresh);
	for (size_t i = 0; i < n; i++)
		if (gone[i].holder < late->objects->n)
			read_again_soon(late, gone[i].holder);
}

void late_gone(struct late *late, uint32_t object, uint32_t holder)
{
	if (late->failed || !prepare(late))
		return;
	if (late->n_gone == LATE_GONE || late_is(late, object))
		return;
	late->gone[late->n_gone++] = (struct late_gone){object, holder};
}

static void read_again(struct late *late)
{
	uint32_t objects[LATE_AGAIN];
	size_t n = late->n_again;

	memcpy(objects, late->again, n * sizeof(*objects));
	late->n_read_again += n;
	late->n_again = 0;
	referents_walk(&late->referents, objects, n);
}

static void ask_wanted(struct late *late)
{
	struct late_wanted *batch = late->wanted;
	size_t n = late->n_wanted;

	late->wanted = late->asked;
	late->asked = batch;
	late->n_wanted = 0;
	for (size_t i = 0; i < n; i += HEADS)
		look_at(late, batch + i, n - i < HEADS ? n - i : HEADS);
}

/* Each round adds an object, or takes from what may be asked for, or from what may be read again.
 */
void late_look(struct late *late)
{
	if ((!late->n_wanted && !late->n_gone) || late->looking)
		return;
	late->looking = true;
	for (size_t i = 0; i < late->n_gone; i += HEADS)
		look_for_others(late, late->gone + i,
				late->n_gone - i < HEADS ? late->n_gone - i : HEADS);
	late->n_gone = 0;
	while (late->n_wanted || late->n_again) {
		ask_wanted(late);
		read_again(late);
	}
	late->looking = false;
}

/* ---- what the search and chains ask for ----------------------------------------------------- */

bool late_show(struct late *late, uint32_t object)
{
	struct late_object *found = &late->found[object - late->n_scanned];

	found->shown = true;
	for (uint32_t i = found->first; i != NO_REF; i = late->refs[i].next)
		late->see(late->context, &late->refs[i].ref);
	return !found->cut;
}

bool late_recall(const struct late *late, uint32_t from, uint32_t to, struct ref *ref)
{
	if (late_is(late, to) && late->found[to - late->n_scanned].by.from == from) {
		*ref = late->found[to - late->n_scanned].by;
		return true;
	}
	if (!late_is(late, from))
		return false;
	for (uint32_t i = late->found[from - late->n_scanned].first; i != NO_REF;
	     i = late->refs[i].next) {
		if (late->refs[i].ref.to == to) {
			*ref = late->refs[i].ref;
			return true;
		}
	}
	return false;
}
