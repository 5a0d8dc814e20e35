/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/owned.h"

#include <string.h>

#include "census/fields.h"

#define COUNT_MAX       (1ull << 40)
#define DEQUE_BLOCK     528 /* of 64 items, and two links */
#define DEQUE_ITEMS     64
#define ODICT_NODE      32 /* key, hash, next, previous */

#define FRAME_WORDS_MAX (1u << 20)

/* 0 where the object is not known so far. */
static uint64_t word_at(const struct owned_object *object, int64_t offset)
{
	uint64_t value = 0;

	if (offset >= 0 && (uint64_t)offset + 8 <= object->length)
		memcpy(&value, object->bytes + offset, 8);
	return value;
}

/* A word behind the object's head. */
static uint64_t field(const struct owned_object *object, int64_t offset)
{
	return word_at(object, py_head_bytes(object->layout) + offset);
}

static uint64_t believed(uint64_t count)
{
	return count < COUNT_MAX ? count : 0;
}

/* ---- deque ---------------------------------------------------------------------------------- */

/* But for the few free ones that it keeps. An empty one has a block, too. */
static uint64_t deque_blocks(const struct owned_object *object)
{
	uint64_t length = believed(field(object, 0)), left = field(object, DEQUE_LEFT_INDEX),
		 n = (left + length + DEQUE_ITEMS - 1) / DEQUE_ITEMS;

	if (left >= DEQUE_ITEMS)
		return 0;
	return n ? n : 1;
}

/* ---- OrderedDict ---------------------------------------------------------------------------- */

/* A word behind the dict that it is. */
static uint64_t behind_dict(const struct owned_object *object, int64_t offset)
{
	return word_at(object, object->layout->dict.values + 8 + offset);
}

static uint64_t odict_nodes(const struct owned_object *object)
{
	return believed(word_at(object, object->layout->dict.used));
}

static uint64_t odict_slots(const struct owned_object *object)
{
	return believed(behind_dict(object, ODICT_SLOTS));
}

static uint64_t odict_table(const struct owned_object *object)
{
	return behind_dict(object, ODICT_TABLE);
}

/* ---- code ----------------------------------------------------------------------------------- */

/* Up to 3.10 each code object that has run keeps a frame for its next call, which is no object
 * meanwhile. Offsets in PyCodeObject, bytes of a PyFrameObject. */
static const struct {
	uint16_t zombie, nlocals, stacksize, frame;
} kept_frames[] = {[6] = {120, 24, 28, 384},
		   [7] = {120, 24, 28, 368},
		   [8] = {128, 28, 32, 368},
		   [9] = {128, 28, 32, 368},
		   [10] = {128, 28, 32, 360}};

#define N_KEPT_FRAMES (sizeof(kept_frames) / sizeof(kept_frames[0]))

static uint64_t code_frame(const struct owned_object *object)
{
	unsigned minor = object->layout->minor;

	return minor < N_KEPT_FRAMES && kept_frames[minor].zombie
		       ? word_at(object, kept_frames[minor].zombie)
		       : 0;
}

/* Words of it; cells and free variables, of which there are few, are not counted. */
static uint64_t code_frame_words(const struct owned_object *object)
{
	unsigned minor = object->layout->minor;
	uint32_t locals, stack;

	if (!code_frame(object))
		return 0;
	locals = (uint32_t)word_at(object, kept_frames[minor].nlocals);
	stack = (uint32_t)word_at(object, kept_frames[minor].stacksize);
	return locals < FRAME_WORDS_MAX && stack < FRAME_WORDS_MAX
		       ? (kept_frames[minor].frame + (uint64_t)object->layout->gc_head_size) / 8 +
				 locals + stack
		       : 0;
}

/* ---- all ------------------------------------------------------------------------------------ */

static const struct owned rows[] = {
	{"collections.deque", true, {{deque_blocks, NULL, DEQUE_BLOCK}}},
	{"collections.OrderedDict",
	 false,
	 {{odict_nodes, NULL, ODICT_NODE}, {odict_slots, odict_table, 8}}},
	{"code", false, {{code_frame_words, code_frame, 8}}},
};

const struct owned *owned_find(const char *type, bool made)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((!made || rows[i].may_be_made) && !strcmp(type, rows[i].type))
			return &rows[i];
	return NULL;
}
