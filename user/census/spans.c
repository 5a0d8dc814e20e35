/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/spans.h"

#include <stdlib.h>
#include <string.h>

#include "census/fields.h"
#include "python/atexit.h"
#include "python/dict.h"
#include "target/remote_mem.h"

#define PIECE     65520u /* of a long span: a multiple of every size of an entry */
#define SET_ENTRY 16
#define BLOCK_ITEMS \
	64 /* BLOCKLEN; before them a word that leads back, behind them one that leads on */
#define BLOCK_BYTES (8 * (BLOCK_ITEMS + 1))
#define SPANS_BATCH 1024
#define CALLBACKS   256u /* that are read in one go */
#define SPAN_COST   256  /* bytes that one read counts in addition to its own: it costs as much */
#define LINK_BYTES  (LRU_RESULT - LRU_NEXT + 8) /* of an entry of an lru_cache, from `next` on */
#define CODES       4096
#define LOCALS_MAX  65536u /* words of a frame */
#define TAG_MASK    3ull   /* of a reference in a frame, from 3.14 on */
#define TAG_INT     3ull   /* it is no reference */

int spans_init(struct spans *spans, struct err *err)
{
	spans->spans = malloc(SPANS_MAX * sizeof(*spans->spans));
	spans->buffer = malloc(SPANS_BUFFER);
	spans->codes = calloc(CODES, sizeof(*spans->codes));
	if (spans->spans && spans->buffer && spans->codes)
		return 0;
	spans_fini(spans);
	return err_set(err, ERR_FAILED, "no memory to read pid %d", (int)spans->pid);
}

void spans_fini(struct spans *spans)
{
	free(spans->spans);
	free(spans->buffer);
	free(spans->codes);
	spans->spans = NULL;
	spans->buffer = NULL;
	spans->codes = NULL;
}

void spans_add(struct spans *spans, const struct span *span)
{
	if (spans->n == SPANS_MAX)
		spans_flush(spans);
	spans->spans[spans->n++] = *span;
}

static uint64_t load(const uint8_t *bytes, int64_t offset, size_t width)
{
	uint64_t value = 0;

	if (offset >= 0)
		memcpy(&value, bytes + offset, width);
	return value;
}

/* ---- arrays --------------------------------------------------------------------------------- */

/* Each of these takes a piece of a span, and says whether the span goes on. */

static bool take_words(const struct spans *spans, struct span *span, const uint8_t *bytes,
		       size_t length)
{
	bool tagged =
		span->place == REF_LOCAL && spans->runtime->layout.frame.code_mask == ~TAG_MASK;

	for (size_t i = 0; i < length; i += 8, span->index++) {
		uint64_t word = load(bytes, (int64_t)i, 8),
			 at = span->place == REF_WORD ? span->address + i : span->index;

		if (tagged)
			word = (word & TAG_MASK) == TAG_INT ? 0 : word & ~TAG_MASK;
		spans_word(spans, span->from, word, span->place, at);
	}
	span->address += length;
	span->left -= length;
	return span->left;
}

static bool take_table(const struct spans *spans, struct span *span, const uint8_t *bytes,
		       size_t length)
{
	for (size_t i = 0; i < length; i += SET_ENTRY)
		spans_word(spans, span->from, load(bytes, (int64_t)i, 8), REF_MEMBER, 0);
	span->address += length;
	span->left -= length;
	return span->left;
}

static bool take_entries(const struct spans *spans, struct span *span, const uint8_t *bytes,
			 size_t length)
{
	for (size_t i = 0; i < length; i += span->aux) {
		const uint8_t *entry = bytes + i + (span->aux - 16);
		uint64_t key = load(entry, 0, 8), value = load(entry, 8, 8);

		if (!key) /* deleted */
			continue;
		spans_word(spans, span->from, key, REF_KEY, value);
		spans_word(spans, span->from, value, REF_VALUE, key);
	}
	span->address += length;
	span->left -= length;
	return span->left;
}

static bool take_keys(const struct spans *spans, struct span *span, const uint8_t *bytes)
{
	const struct py_layout *layout = &spans->runtime->layout;
	uint8_t head[PY_KEYS_HEAD_MAX] = {0};
	uint64_t count = load(bytes, layout->dict.keys_nentries, 8);
	struct py_dict dict;

	memcpy(head, bytes, (size_t)layout->dict.keys_indices);
	if (!py_keys_locate(&dict, layout, span->address, head) || !count || count > UINT32_MAX)
		return false;
	span->kind = SPAN_ENTRIES;
	span->address = dict.entries;
	span->aux = dict.entry_size;
	span->left = count * dict.entry_size;
	return true;
}

static bool take_block(const struct spans *spans, struct span *span, const uint8_t *bytes)
{
	while (span->left && span->aux < BLOCK_ITEMS) {
		spans_word(spans, span->from, load(bytes, (int64_t)(8 * span->aux), 8), REF_ITEM,
			   span->index++);
		span->aux++;
		span->left--;
	}
	span->aux = 0;
	span->address = load(bytes, 8 * BLOCK_ITEMS, 8) + 8;
	return span->left && span->address > 8;
}

/* An lru_list_elem: next, hash, key, result; it was read from `next` on. */
static bool take_link(const struct spans *spans, struct span *span, const uint8_t *bytes)
{
	uint64_t next = (uint64_t)py_head_bytes(&spans->runtime->layout) + LRU_NEXT;

	spans_word(spans, span->from, load(bytes, LRU_KEY - LRU_NEXT, 8), REF_CACHED, 1);
	spans_word(spans, span->from, load(bytes, LRU_RESULT - LRU_NEXT, 8), REF_CACHED, 0);
	span->address = load(bytes, 0, 8) + next;
	return span->address != span->aux + next && span->address % 8 == 0 && span->address > next;
}

/* A piece of the array is the addresses of CALLBACKS structs at most. */
static bool take_callbacks(const struct spans *spans, struct span *span, const uint8_t *bytes,
			   size_t length)
{
	uint64_t words[CALLBACKS][PY_ATEXIT_WORDS] = {{0}};
	struct remote_item items[CALLBACKS];
	size_t n = 0;

	for (size_t i = 0; i < length; i += 8, n++)
		items[n] = (struct remote_item){load(bytes, (int64_t)i, 8), words[n],
						sizeof(words[n]), 0};
	/* one that was unregistered has no address */
	remote_read_many(spans->pid, items, n);
	for (size_t i = 0; i < n; i++, span->index++)
		for (unsigned word = 0; !items[i].result && word < PY_ATEXIT_WORDS; word++)
			spans_word(spans, span->from, words[i][word], REF_CALLBACK, span->index);
	span->address += length;
	span->left -= length;
	return span->left;
}

/* ---- frames --------------------------------------------------------------------------------- */

/* How many locals (with cells and free variables) and words of stack a code object wants. */
static bool find_code(const struct spans *spans, uint64_t code, uint32_t *locals, uint32_t *stack)
{
	const struct py_layout *layout = &spans->runtime->layout;
	size_t slot = code / 16 % CODES;
	uint64_t type;

	if (spans->codes[slot].code != code) {
		uint32_t n_locals = 0, n_stack = 0;
		struct remote_item items[] = {
			{code + (uint64_t)layout->object.ob_type, &type, 8, 0},
			{code + (uint64_t)layout->code.stacksize, &n_stack, 4, 0},
			{code + (uint64_t)layout->code.nlocalsplus, &n_locals,
			 layout->code.nlocalsplus == LAYOUT_NONE ? 0 : 4, 0},
		};

		remote_read_many(spans->pid, items, 3);
		if (items[0].result || items[1].result || items[2].result ||
		    type != spans->runtime->code_type || n_locals > LOCALS_MAX ||
		    n_stack > LOCALS_MAX)
			return false;
		spans->codes[slot].code = code;
		spans->codes[slot].nlocalsplus = n_locals;
		spans->codes[slot].stacksize = n_stack;
	}
	*locals = spans->codes[slot].nlocalsplus;
	*stack = spans->codes[slot].stacksize;
	return true;
}

/*
 * How many words of locals and stack are in use. While the frame runs the end of its stack is in a
 * register: all that there is room for is looked at then, or nothing.
 */
static uint64_t count_words(const struct spans *spans, const struct span *span,
			    const uint8_t *bytes, uint64_t locals, uint64_t stack)
{
	const struct py_layout *layout = &spans->runtime->layout;
	uint64_t begin = span->address + (uint64_t)layout->frame.locals,
		 base = layout->frame.value_stack == LAYOUT_NONE ? 0 : locals, used = UINT64_MAX;

	if (layout->frame.stack_pointer != LAYOUT_NONE)
		used = (load(bytes, layout->frame.stack_pointer, 8) - begin) / 8;
	else if (layout->frame.stack_depth != LAYOUT_NONE)
		used = base + (uint64_t)(int32_t)load(bytes, layout->frame.stack_depth, 4);
	if (used >= locals && used <= locals + stack)
		return used;
	return spans->whole_frames ? locals + stack : locals;
}

static bool take_frame(const struct spans *spans, struct span *span, const uint8_t *bytes)
{
	const struct py_layout *layout = &spans->runtime->layout;
	uint64_t code = load(bytes, layout->frame.code, 8) & layout->frame.code_mask, end;
	uint32_t locals, stack;

	/* a PyFrameObject is an object: its fields are seen as such */
	if (layout->frame.value_stack == LAYOUT_NONE)
		for (int32_t i = 0; i < layout->frame.locals; i += 8)
			spans_word(spans, span->from, load(bytes, i, 8) & layout->frame.code_mask,
				   REF_FRAME, (uint64_t)i);
	if (!find_code(spans, code, &locals, &stack))
		return false;
	if (layout->frame.value_stack != LAYOUT_NONE) {
		end = load(bytes, layout->frame.value_stack, 8) - span->address;
		if (end < (uint64_t)layout->frame.locals || end > 8 * LOCALS_MAX)
			return false;
		locals = (uint32_t)(end - (uint64_t)layout->frame.locals) / 8;
	}
	span->left = 8 * count_words(spans, span, bytes, locals, stack);
	span->kind = SPAN_WORDS;
	span->place = REF_LOCAL;
	span->address += (uint64_t)layout->frame.locals;
	return span->left;
}

/* ---- all ------------------------------------------------------------------------------------ */

static size_t piece_of(const struct spans *spans, const struct span *span)
{
	switch (span->kind) {
	case SPAN_KEYS:
		return (size_t)spans->runtime->layout.dict.keys_indices;
	case SPAN_BLOCKS:
		return BLOCK_BYTES;
	case SPAN_LINKS:
		return LINK_BYTES;
	case SPAN_FRAME:
		return (size_t)spans->runtime->layout.frame.locals;
	case SPAN_CALLBACKS:
		return span->left < 8 * CALLBACKS ? (size_t)span->left : 8 * CALLBACKS;
	default:
		return span->left < PIECE ? (size_t)span->left : PIECE;
	}
}

static bool take(const struct spans *spans, struct span *span, const uint8_t *bytes, size_t length)
{
	switch (span->kind) {
	case SPAN_WORDS:
		return take_words(spans, span, bytes, length);
	case SPAN_TABLE:
		return take_table(spans, span, bytes, length);
	case SPAN_KEYS:
		return take_keys(spans, span, bytes);
	case SPAN_ENTRIES:
		return take_entries(spans, span, bytes, length);
	case SPAN_BLOCKS:
		return take_block(spans, span, bytes);
	case SPAN_LINKS:
		return take_link(spans, span, bytes);
	case SPAN_FRAME:
		return take_frame(spans, span, bytes);
	case SPAN_CALLBACKS:
		return take_callbacks(spans, span, bytes, length);
	}
	return false;
}

/* One piece of as many spans as the buffer holds; what goes on stays. */
static void flush_once(struct spans *spans)
{
	struct remote_item items[SPANS_BATCH];
	size_t n = 0, used = 0, kept = 0;
	uint64_t cost, more = 0;

	while (n < spans->n && n < SPANS_BATCH) {
		size_t length = piece_of(spans, &spans->spans[n]);

		if (used + length > SPANS_BUFFER)
			break;
		items[n] = (struct remote_item){spans->spans[n].address, spans->buffer + used,
						length, 0};
		used += (length + 7) & ~(size_t)7;
		/* each of its structs is one more */
		if (spans->spans[n].kind == SPAN_CALLBACKS)
			more += length / 8 * (SPAN_COST + 8 * PY_ATEXIT_WORDS);
		n++;
	}
	cost = used + more + n * SPAN_COST;
	if (cost > spans->budget) {
		spans->unread += spans->n;
		spans->n = 0;
		return;
	}
	spans->budget -= cost;
	remote_read_many(spans->pid, items, n);
	for (size_t i = 0; i < n; i++) {
		struct span *span = &spans->spans[i];

		if (items[i].result)
			spans->unread++;
		else if (take(spans, span, items[i].buffer, items[i].length))
			spans->spans[kept++] = *span;
	}
	memmove(spans->spans + kept, spans->spans + n, (spans->n - n) * sizeof(*spans->spans));
	spans->n -= n - kept;
}

void spans_flush(struct spans *spans)
{
	while (spans->n)
		flush_once(spans);
}
