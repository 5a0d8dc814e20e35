/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/referents.h"

#include <stdlib.h>
#include <string.h>

#include "census/fields.h"
#include "target/remote_mem.h"

#define IMAGES_MAX       1024
#define IMAGE_MAX        4096 /* bytes of an object read with it; the rest is a span */
#define GAP              256  /* between two objects that are read in one go */
#define ITEMS_MORE       48   /* bytes behind an object of variable size that are read with it */
#define VALUES_HEAD      8    /* before an instance's attributes that are behind it */
#define VALUES_MORE      64   /* of them that are read with it */
#define MODULE_STATE_MAX (1u << 20)
#define PAGE             4096
#define FEW              8
#define BEFORE_MAX       48 /* bytes before an object that are looked at: a GC head and two words */

struct image {
	uint32_t object;
	uint32_t before; /* bytes of it before the object */
	uint32_t length; /* from the object on */
	const uint8_t *bytes;
	const struct census_type *type;
};

static const struct py_layout *layout_of(const struct referents *referents)
{
	return &referents->spans.runtime->layout;
}

int referents_init(struct referents *referents, struct err *err)
{
	int result = spans_init(&referents->spans, err);

	if (result)
		return result;
	referents->head = py_head_bytes(layout_of(referents));
	referents->images = malloc(REFERENTS_IMAGES);
	referents->list = malloc(IMAGES_MAX * sizeof(*referents->list));
	if (referents->images && referents->list)
		return 0;
	referents_fini(referents);
	return err_set(err, ERR_FAILED, "no memory to read objects");
}

void referents_fini(struct referents *referents)
{
	spans_fini(&referents->spans);
	free(referents->images);
	free(referents->list);
	referents->images = NULL;
	referents->list = NULL;
}

static uint64_t address_of(const struct referents *referents, const struct image *image)
{
	return referents->spans.objects->address[image->object];
}

/* A word of the image; 0 where it does not reach. */
static uint64_t word_at(const struct image *image, int64_t offset)
{
	uint64_t value = 0;

	if (offset >= -(int64_t)image->before && offset + 8 <= (int64_t)image->length)
		memcpy(&value, image->bytes + offset, 8);
	return value;
}

/* ---- words ---------------------------------------------------------------------------------- */

static void field(struct referents *referents, const struct image *image, int64_t offset)
{
	spans_word(&referents->spans, image->object, word_at(image, offset), REF_FIELD,
		   (uint64_t)offset);
}

static void add_words(struct referents *referents, const struct image *image, uint64_t address,
		      uint64_t n, enum ref_place place, uint64_t index)
{
	if (n && address && address % 8 == 0 && n < UINT64_MAX / 16)
		spans_add(&referents->spans, &(struct span){.kind = SPAN_WORDS,
							    .place = place,
							    .from = image->object,
							    .address = address,
							    .left = 8 * n,
							    .index = index});
}

/* The words from one offset to another, without the list of weak references. */
static void fields(struct referents *referents, const struct image *image, int64_t from, int64_t to)
{
	int64_t here = to < (int64_t)image->length ? to : (int64_t)image->length;

	for (; from + 8 <= here; from += 8)
		if (from != image->type->weaklist)
			field(referents, image, from);
	if (to > from && to > (int64_t)image->length)
		add_words(referents, image, address_of(referents, image) + (uint64_t)from,
			  (uint64_t)(to - from) / 8, REF_FIELD, (uint64_t)from);
}

/* Words that are items, some of them in the image. */
static void items(struct referents *referents, const struct image *image, int64_t from, uint64_t n,
		  enum ref_place place)
{
	uint64_t i = 0;

	for (; i < n && from + 8 <= (int64_t)image->length; i++, from += 8)
		spans_word(&referents->spans, image->object, word_at(image, from), place, i);
	add_words(referents, image, address_of(referents, image) + (uint64_t)from, n - i, place, i);
}

/* ---- attributes ----------------------------------------------------------------------------- */

/* What is before an object with attributes, from 3.11 on; and behind it, from 3.13 on. */
static void attributes(struct referents *referents, const struct image *image)
{
	const struct py_layout *layout = layout_of(referents);
	uint64_t dict = word_at(image, -(layout->gc_head_size + 8)), counts;
	int64_t size = image->type->py->basicsize;

	switch (layout->values) {
	case VALUES_NOWHERE:
		return;
	case VALUES_ATTACHED:
		add_words(referents, image, word_at(image, -(layout->gc_head_size + PREHEADER)),
			  image->type->n_values, REF_ATTRIBUTE, 0);
		break;
	case VALUES_TAGGED:
		if (!(dict & 1))
			break;
		add_words(referents, image, dict + 1, image->type->n_values, REF_ATTRIBUTE, 0);
		return;
	case VALUES_INLINE:
		/* a dict that was made later has the same array, and says so */
		if (dict || !(image->type->py->flags & PY_TYPE_INLINE_VALUES))
			break;
		counts = word_at(image, size); /* capacity, size, embedded, valid */
		if (counts >> 24 & 0xff)
			items(referents, image, size + VALUES_HEAD, counts & 0xff, REF_ATTRIBUTE);
		break;
	}
	if (image->type->py->flags & PY_TYPE_MANAGED_DICT)
		spans_word(&referents->spans, image->object, dict, REF_DICT, 0);
}

/* An object of variable size has its dict, if any, behind its items (tp_dictoffset < 0). */
static void dict_behind(struct referents *referents, const struct image *image, uint64_t n_items)
{
	uint64_t size = (uint64_t)image->type->py->itemsize * n_items;
	int64_t at = (int64_t)((((uint64_t)image->type->py->basicsize + size) + 7) & ~7ull) +
		     image->type->dict;

	if (image->type->dict >= 0 || image->type->py->flags & PY_TYPE_MANAGED_DICT ||
	    size > INT32_MAX || at < referents->head)
		return;
	if (at + 8 <= (int64_t)image->length)
		field(referents, image, at);
	else
		add_words(referents, image, address_of(referents, image) + (uint64_t)at, 1,
			  REF_FIELD, (uint64_t)at);
}

/* ---- containers ----------------------------------------------------------------------------- */

static void dict_of(struct referents *referents, const struct image *image)
{
	const struct py_layout *layout = layout_of(referents);
	uint64_t values = word_at(image, layout->dict.values),
		 keys = word_at(image, layout->dict.keys), n = 0;

	if (keys)
		spans_add(
			&referents->spans,
			&(struct span){.kind = SPAN_KEYS, .from = image->object, .address = keys});
	if (!values)
		return;
	/* shared keys: as many values as the keys have entries */
	if (remote_read_u64(referents->spans.pid, keys + (uint64_t)layout->dict.keys_nentries,
			    &n) ||
	    n > UINT16_MAX)
		return;
	add_words(referents, image, values + (layout->values == VALUES_INLINE ? 8 : 0), n,
		  REF_ATTRIBUTE, 0);
}

static void deque_of(struct referents *referents, const struct image *image)
{
	uint64_t block = word_at(image, referents->head + DEQUE_LEFT),
		 first = word_at(image, referents->head + DEQUE_LEFT_INDEX),
		 n = word_at(image, layout_of(referents)->object.var_size);

	if (block && first < 64)
		spans_add(&referents->spans, &(struct span){.kind = SPAN_BLOCKS,
							    .from = image->object,
							    .address = block + 8,
							    .left = n,
							    .aux = first});
}

static void set_of(struct referents *referents, const struct image *image)
{
	uint64_t mask = word_at(image, referents->head + SET_MASK),
		 table = word_at(image, referents->head + SET_TABLE);

	if (table && mask < UINT64_MAX / 32)
		spans_add(&referents->spans, &(struct span){.kind = SPAN_TABLE,
							    .from = image->object,
							    .address = table,
							    .left = 16 * (mask + 1)});
}

/*
 * The links of an lru_cache are in a ring that begins in the cache itself. Up to 3.8 they are of a
 * type that was never made ready: a scan does not know them as objects.
 */
static void links_of(struct referents *referents, const struct image *image)
{
	uint64_t next = word_at(image, referents->head + LRU_NEXT),
		 address = address_of(referents, image);

	if (next && next % 8 == 0 && next != address &&
	    objects_find(referents->spans.objects, next) == OBJECTS_NONE)
		spans_add(&referents->spans,
			  &(struct span){.kind = SPAN_LINKS,
					 .from = image->object,
					 .address = next + (uint64_t)(referents->head + LRU_NEXT),
					 .aux = address});
}

static void frame_at(struct referents *referents, const struct image *image, uint64_t address)
{
	spans_add(&referents->spans,
		  &(struct span){.kind = SPAN_FRAME, .from = image->object, .address = address});
}

/* f_blockstack, up to 3.10: 20 PyTryBlocks of three ints, right before the locals. What is above
 * its top is as it was when the memory was something else. */
#define BLOCK_STACK 240

/* A frame object has the frame in itself, or (from 3.11 on, while it runs) belongs to one
 * elsewhere. */
static void frame_of(struct referents *referents, const struct image *image)
{
	const struct py_layout *layout = layout_of(referents);
	uint64_t address = address_of(referents, image),
		 own = address + (uint64_t)layout->frame_object.own;

	if (layout->frame_object.frame == LAYOUT_NONE) {
		fields(referents, image, referents->head, layout->frame.locals - BLOCK_STACK);
		frame_at(referents, image, address);
		return;
	}
	fields(referents, image, referents->head, layout->frame_object.own);
	if (word_at(image, layout->frame_object.frame) == own)
		frame_at(referents, image, own);
}

static void generator_of(struct referents *referents, const struct image *image)
{
	const struct py_layout *layout = layout_of(referents);
	int8_t state;

	if (layout->generator.state == LAYOUT_NONE) {
		fields(referents, image, referents->head, image->type->py->basicsize);
		return;
	}
	fields(referents, image, referents->head, layout->generator.frame);
	state = (int8_t)(word_at(image, layout->generator.state & ~7) >>
			 8 * (layout->generator.state & 7));
	if (state < (int8_t)layout->generator.state_cleared)
		frame_at(referents, image,
			 address_of(referents, image) + (uint64_t)layout->generator.frame);
}

/* ---- one object ----------------------------------------------------------------------------- */

static bool is_made(const struct census_type *type)
{
	return type->py->flags & PY_TYPE_HEAP;
}

/* What a module that is written in C keeps for itself: a block of its own, as large as it says. */
static void module_state(struct referents *referents, const struct image *image)
{
	const struct py_layout *layout = layout_of(referents);
	uint64_t definition, state = word_at(image, layout->module.state), size = 0;

	if (!state)
		return;
	if (layout->module.state_size != LAYOUT_NONE) {
		size = word_at(image, layout->module.state_size);
	} else {
		definition = word_at(image, layout->module.definition);
		if (definition)
			remote_read_u64(referents->spans.pid,
					definition + (uint64_t)(referents->head + MODULE_DEF_SIZE),
					&size);
	}
	if (size <= MODULE_STATE_MAX)
		add_words(referents, image, state, size / 8, REF_STATE, 0);
}

static void plain(struct referents *referents, const struct image *image)
{
	int64_t size = image->type->py->basicsize;
	uint64_t n = word_at(image, layout_of(referents)->object.var_size);

	fields(referents, image, referents->head, size);
	/* items of 8 bytes may be references; of an int's digits none is, and there are no
	 * others */
	if (image->type->py->itemsize == 8 && n <= UINT32_MAX)
		fields(referents, image, size, size + 8 * (int64_t)n);
	else if (image->type->py->itemsize)
		dict_behind(referents, image, n <= INT64_MAX ? n : -n);
}

/* in  base: bytes that the built-in type has, without references */
static void derived(struct referents *referents, const struct image *image, int64_t base)
{
	if (is_made(image->type))
		fields(referents, image, base, image->type->py->basicsize);
}

static void references(struct referents *referents, const struct image *image)
{
	const struct py_layout *layout = layout_of(referents);
	int64_t size = image->type->py->basicsize;
	uint64_t n = word_at(image, layout->object.var_size);
	bool made;

	switch (image->type->kind) {
	case KIND_LEAF:
		break;
	case KIND_STR:
		derived(referents, image, layout->str.any_data + 8);
		break;
	case KIND_BYTES:
		dict_behind(referents, image, n);
		break;
	case KIND_TUPLE:
		items(referents, image, layout->object.tuple_items, n, REF_ITEM);
		dict_behind(referents, image, n);
		break;
	case KIND_LIST:
		add_words(referents, image, word_at(image, referents->head + LIST_ITEMS), n,
			  REF_ITEM, 0);
		derived(referents, image, referents->head + LIST_BASE);
		break;
	case KIND_DICT:
		dict_of(referents, image);
		fields(referents, image, layout->dict.values + 8, size);
		break;
	case KIND_SET:
		set_of(referents, image);
		derived(referents, image, referents->head + SET_BASE);
		break;
	case KIND_DEQUE:
		deque_of(referents, image);
		fields(referents, image, referents->head + DEQUE_BASE, size);
		break;
	case KIND_WEAKREF:
		field(referents, image, referents->head + WEAKREF_CALLBACK);
		fields(referents, image, referents->head + WEAKREF_BASE, size);
		break;
	case KIND_LRU_CACHE:
		links_of(referents, image);
		fields(referents, image, referents->head + LRU_LINKS, size);
		break;
	case KIND_LRU_LINK:
		fields(referents, image, referents->head + LRU_LINKS, size);
		break;
	/* their other words are addresses of bytes, which are an object's only by chance */
	case KIND_MEMORYVIEW:
		field(referents, image, referents->head + MEMORYVIEW_BUFFER);
		break;
	case KIND_MANAGED_BUFFER:
		field(referents, image, referents->head + BUFFER_OWNER);
		break;
	case KIND_TYPE:
		made = word_at(image, layout->type.flags) & PY_TYPE_HEAP;
		fields(referents, image, referents->head,
		       made ? size : referents->head + STATIC_TYPE);
		break;
	case KIND_CODE:
		/* from 3.12 on no object is behind the weak references, and from 3.14 on a word
		 * that is never set */
		fields(referents, image, referents->head,
		       layout->minor >= 12 && image->type->weaklist > 0 ? image->type->weaklist
									: size);
		break;
	case KIND_FRAME:
		frame_of(referents, image);
		break;
	case KIND_GENERATOR:
		generator_of(referents, image);
		break;
	case KIND_MODULE:
		plain(referents, image);
		module_state(referents, image);
		break;
	default:
		plain(referents, image);
	}
	if (image->type->has_preheader)
		attributes(referents, image);
	spans_word(&referents->spans, image->object, word_at(image, layout->object.ob_type),
		   REF_TYPE, 0);
}

/* ---- many ----------------------------------------------------------------------------------- */

/* How much of the object is read at once. */
static void measure(const struct referents *referents, struct image *image, uint32_t object)
{
	const struct census_type *type =
		type_table_at(referents->types, referents->spans.objects->type[object]);
	int64_t size = type->py->basicsize;

	image->object = object;
	image->type = type;
	image->before = type->has_preheader ? layout_of(referents)->gc_head_size + PREHEADER : 0;
	if (type->py->itemsize == 8 || type->kind == KIND_TUPLE)
		size += ITEMS_MORE;
	if (type->py->flags & PY_TYPE_INLINE_VALUES)
		size += VALUES_HEAD + VALUES_MORE;
	image->length = size < IMAGE_MAX ? (uint32_t)((size + 7) & ~7ll) : IMAGE_MAX;
}

/* Objects that lie near each other are one read. */
static void read_images(struct referents *referents, size_t n)
{
	struct remote_item runs[IMAGES_MAX];
	uint64_t end = 0;
	size_t n_runs = 0, used = 0;

	for (size_t i = 0; i < n; i++) {
		struct image *image = &referents->list[i];
		uint64_t from = address_of(referents, image) - image->before,
			 to = from + image->before + image->length;

		if (n_runs && from >= runs[n_runs - 1].address && from <= end + GAP) {
			struct remote_item *run = &runs[n_runs - 1];

			if (to > end) {
				run->length += to - end;
				used += to - end;
				end = to;
			}
			image->bytes = (uint8_t *)run->buffer + (from - run->address);
		} else {
			image->bytes = referents->images + used;
			runs[n_runs++] =
				(struct remote_item){from, referents->images + used, to - from, 0};
			used += to - from;
			end = to;
		}
		image->bytes += image->before;
	}
	remote_read_many(referents->spans.pid, runs, n_runs);
}

/* The place of a page among those that were read, or whose objects were. */
static unsigned find_page(struct referents *referents, uint64_t address)
{
	unsigned i = 0;

	while (i < REFERENTS_PAGES && referents->pages[i].address != address)
		i++;
	if (i < REFERENTS_PAGES)
		return i;
	i = referents->next_page++ % REFERENTS_PAGES;
	referents->pages[i].address = address;
	referents->pages[i].uses = 0;
	return i;
}

/*
 * An object, out of its page when one before it was there, too: a page that holds an object is in
 * memory, so that nothing is brought in.
 */
static void read_near(struct referents *referents, struct image *image, uint8_t *alone)
{
	uint64_t from = address_of(referents, image) - image->before, page = from & ~(PAGE - 1ull);
	size_t length = image->before + image->length;
	unsigned i = find_page(referents, page), uses = referents->pages[i].uses;
	uint8_t *bytes = referents->images + i * PAGE;

	referents->pages[i].uses = uses == REFERENTS_AHEAD ? 1 : uses + 1;
	if (uses && from + length <= page + PAGE) {
		if (referents->pages[i].uses > 2 ||
		    !remote_read(referents->spans.pid, page, bytes, PAGE)) {
			image->bytes = bytes + (from - page) + image->before;
			return;
		}
	}
	/* one that is not read now is read when the next object of it is asked for */
	referents->pages[i].uses = 1;
	memset(alone, 0, length);
	remote_read(referents->spans.pid, from, alone, length);
	image->bytes = alone + image->before;
}

static void read_few(struct referents *referents, size_t n)
{
	uint8_t *alone = referents->images + (size_t)REFERENTS_PAGES * PAGE;

	for (size_t i = 0; i < n; i++, alone += IMAGE_MAX + BEFORE_MAX)
		read_near(referents, &referents->list[i], alone);
}

/* What could not be read as a part of a run (its end is not mapped, say) is read by itself. */
static bool read_again(struct referents *referents, struct image *image, uint8_t *buffer)
{
	uint64_t address = address_of(referents, image);
	uint64_t size = (uint64_t)image->type->py->basicsize;

	if (image->type->py->flags & PY_TYPE_INLINE_VALUES)
		size += VALUES_HEAD;
	image->bytes = buffer + image->before;
	if (size < image->length)
		image->length = (uint32_t)size & ~7u;
	return !remote_read(referents->spans.pid, address - image->before, buffer,
			    image->before + image->length);
}

/* It is still the object that the scan saw, as far as its type shows. */
static bool is_same(const struct referents *referents, const struct image *image)
{
	return word_at(image, layout_of(referents)->object.ob_type) == image->type->address;
}

/* It was freed since, and its type stands there yet. */
static bool is_freed(const struct referents *referents, const struct image *image)
{
	const struct py_layout *layout = layout_of(referents);

	return !layout->free_threaded && !(uint32_t)word_at(image, layout->object.refcount);
}

static void lose(struct referents *referents, const struct image *image)
{
	if (referents->gone)
		referents->gone(referents->spans.context, image->object);
}

static void walk_images(struct referents *referents, size_t n)
{
	uint8_t buffer[IMAGE_MAX + BEFORE_MAX];

	if (referents->ahead && n <= FEW) {
		read_few(referents, n);
	} else {
		read_images(referents, n);
		memset(referents->pages, 0, sizeof(referents->pages));
	}
	for (size_t i = 0; i < n; i++) {
		struct image *image = &referents->list[i];

		if (!is_same(referents, image) &&
		    (!read_again(referents, image, buffer) || !is_same(referents, image))) {
			referents->spans.unread++;
			lose(referents, image);
			continue;
		}
		if (is_freed(referents, image)) {
			lose(referents, image);
			continue;
		}
		if (referents->begin)
			referents->begin(referents->spans.context, image->object, image->bytes);
		references(referents, image);
	}
	spans_flush(&referents->spans);
}

void referents_walk(struct referents *referents, const uint32_t *objects, size_t n)
{
	size_t n_images = 0, used = 0;

	for (size_t i = 0; i < n; i++) {
		struct image *image = &referents->list[n_images];

		measure(referents, image, objects[i]);
		used += image->before + image->length + GAP;
		if (++n_images == IMAGES_MAX ||
		    used + IMAGE_MAX + BEFORE_MAX + GAP > REFERENTS_IMAGES) {
			walk_images(referents, n_images);
			n_images = used = 0;
		}
	}
	if (n_images)
		walk_images(referents, n_images);
}
