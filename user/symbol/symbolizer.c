/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/symbolizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "python/code.h"
#include "symbol/eval_loop.h"
#include "symbol/interleave.h"

enum outcome {
	CODE_NAMED,
	CODE_REPLACED,
	CODE_GONE,
	CODE_FORBIDDEN,
};

/* A code object as a frame means it: the address alone may have been used again since. */
struct code_key {
	uint64_t address;
	uint64_t signature;
};

struct known_code {
	struct code_key key;
	enum outcome outcome;
	unsigned used;       /* round in which it was asked for again; 0: never */
	unsigned kept;       /* `keeping` when it was last asked for */
	struct py_code code; /* of CODE_NAMED */
	UT_hash_handle hh;
};

struct symbolizer {
	pid_t pid;
	const struct py_runtime *runtime;
	const struct code_map *code; /* NULL: C frames are not known */
	struct native_names *native; /* NULL: C frames get no names */
	struct eval_loop loop;
	struct known_code *codes; /* iterates in order of insertion */
	unsigned round;           /* from 1; grows by 1 with each eviction */
	unsigned keeping;         /* grows by 1 with each symbolizer_keep_begin() */
	struct symbolizer_losses losses;
};

static struct code_key key_of(const struct abi_frame *frame)
{
	return (struct code_key){frame->where, ABI_FRAME_SIGNATURE(frame->tag)};
}

/* The interpreter's allocators: that of objects is the leaf of many stacks, and seldom exported. */
static void name_allocators(struct native_names *native, const struct py_runtime *runtime)
{
	const struct py_allocator *obj = &runtime->obj, *raw = &runtime->raw;
	const struct native_known known[NATIVE_KNOWN] = {
		{obj->malloc, "obj.malloc"},   {obj->calloc, "obj.calloc"},
		{obj->realloc, "obj.realloc"}, {obj->free, "obj.free"},
		{raw->malloc, "raw.malloc"},   {raw->calloc, "raw.calloc"},
		{raw->realloc, "raw.realloc"}, {raw->free, "raw.free"},
	};

	native_names_set_known(native, known);
}

struct symbolizer *symbolizer_new(pid_t pid, const struct py_runtime *runtime,
				  const struct code_map *code)
{
	struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));

	if (!symbolizer)
		return NULL;
	symbolizer->pid = pid;
	symbolizer->runtime = runtime;
	symbolizer->round = 1;
	symbolizer->code = code;
	if (!code)
		return symbolizer;
	eval_loop_find(&symbolizer->loop, runtime);
	symbolizer->native = native_names_new(code);
	if (!symbolizer->native) {
		free(symbolizer);
		return NULL;
	}
	name_allocators(symbolizer->native, runtime);
	return symbolizer;
}

static void forget(struct symbolizer *symbolizer, struct known_code *known)
{
	HASH_DEL(symbolizer->codes, known);
	py_code_fini(&known->code);
	free(known);
}

void symbolizer_free(struct symbolizer *symbolizer)
{
	struct known_code *known, *next;

	if (!symbolizer)
		return;
	HASH_ITER (hh, symbolizer->codes, known, next)
		forget(symbolizer, known);
	native_names_free(symbolizer->native);
	free(symbolizer);
}

/*
 * Drop half: first, oldest first, what was not asked for again since the last time, then the
 * oldest.
 */
static void evict(struct symbolizer *symbolizer)
{
	unsigned keep = SYMBOLIZER_MAX_CODES / 2;
	struct known_code *known, *next;

	for (int pass = 0; pass < 2; pass++) {
		HASH_ITER (hh, symbolizer->codes, known, next) {
			if (HASH_COUNT(symbolizer->codes) <= keep)
				break;
			if (pass == 1 || known->used != symbolizer->round)
				forget(symbolizer, known);
		}
	}
	symbolizer->round++;
}

static enum outcome read_code(struct py_code *code, const struct symbolizer *symbolizer,
			      const struct code_key *key)
{
	int result = py_code_read(code, symbolizer->pid, symbolizer->runtime, key->address);
	uint32_t signature;

	if (result == -ESRCH)
		return CODE_GONE;
	if (result == -EPERM)
		return CODE_FORBIDDEN;
	if (result)
		return CODE_REPLACED;
	signature = abi_code_signature((uint32_t)code->first_line, code->filename_addr,
				       code->name_addr);
	if (signature == key->signature)
		return CODE_NAMED;
	py_code_fini(code);
	return CODE_REPLACED;
}

/* Never NULL but when memory is out. */
static struct known_code *know(struct symbolizer *symbolizer, const struct abi_frame *frame)
{
	struct code_key key = key_of(frame);
	struct known_code *known;

	HASH_FIND(hh, symbolizer->codes, &key, sizeof(key), known);
	if (known) {
		known->used = symbolizer->round;
		known->kept = symbolizer->keeping;
		return known;
	}
	if (HASH_COUNT(symbolizer->codes) >= SYMBOLIZER_MAX_CODES)
		evict(symbolizer);
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->key = key;
	known->kept = symbolizer->keeping;
	known->outcome = read_code(&known->code, symbolizer, &key);
	if (known->outcome == CODE_REPLACED)
		symbolizer->losses.replaced++;
	else if (known->outcome != CODE_NAMED)
		symbolizer->losses.unreadable++;
	HASH_ADD(hh, symbolizer->codes, key, sizeof(known->key), known);
	return known;
}

void symbolizer_learn(struct symbolizer *symbolizer, const struct abi_frame *frames,
		      size_t n_frames)
{
	for (size_t i = 0; i < n_frames; i++) {
		if (ABI_FRAME_KIND(frames[i].tag) == ABI_FRAME_PYTHON)
			know(symbolizer, &frames[i]);
	}
}

void symbolizer_keep_begin(struct symbolizer *symbolizer)
{
	symbolizer->keeping++;
}

void symbolizer_keep_end(struct symbolizer *symbolizer)
{
	struct known_code *known, *next;

	HASH_ITER (hh, symbolizer->codes, known, next)
		if (known->kept != symbolizer->keeping)
			forget(symbolizer, known);
}

static void set_gap(struct frame *out, struct profile *profile, const char *why)
{
	out->kind = FRAME_GAP;
	out->function = profile_str(profile, why, -1);
}

const char *symbolizer_gap_text(uint32_t gap)
{
	switch (gap) {
	case ABI_GAP_DEPTH:
		return "[deeper stack: outer frames not kept]";
	case ABI_GAP_NO_THREAD:
		return "[not a Python thread]";
	case ABI_GAP_READ:
		return "[next frame could not be read]";
	case ABI_GAP_STACKS_FULL:
		return "[no stack: the stack maps are full]";
	case ABI_GAP_NATIVE_DEPTH:
		return "[more C frames than are kept]";
	case ABI_GAP_UNKNOWN_CODE:
		return "[C frames end: return address in no known code]";
	case ABI_GAP_NO_TABLE:
		return "[C frames end: code without unwind information]";
	case ABI_GAP_NO_RULE:
		return "[C frames end: function without unwind information]";
	case ABI_GAP_UNSUPPORTED:
		return "[C frames end: unwind rule of an unsupported form]";
	case ABI_GAP_STACK:
		return "[C frames end: stack memory could not be read]";
	case ABI_GAP_NOT_ABOVE:
		return "[C frames end: the stack is damaged or was switched]";
	case ABI_GAP_CODE_CHANGED:
		return "[no C frames: code was unloaded just before]";
	case INTERLEAVE_GAP_OTHER_STACK:
		return "[frames of another greenlet or interpreter]";
	case INTERLEAVE_GAP_UNPAIRED:
		return "[C frames end: those of what follows are not known]";
	}
	return "[frame of an unknown kind]";
}

/*
 * A frame that is being set up, which traceback would not show. A generator's frame counts from its
 * creation on.
 */
static bool is_started(const struct py_code *code, const struct abi_frame *frame)
{
	if (frame->tag & ABI_FRAME_GENERATOR)
		return true;
	return frame->unit != ABI_UNIT_NONE && frame->unit >= (uint32_t)code->first_traceable;
}

/* return false when the frame is to be left out */
static bool name_python(struct symbolizer *symbolizer, struct profile *profile,
			const struct abi_frame *frame, struct frame *out)
{
	struct known_code *known = know(symbolizer, frame);
	const struct py_code *code;

	if (!known || known->outcome != CODE_NAMED) {
		set_gap(out, profile,
			!known                             ? "[not read: out of memory]"
			: known->outcome == CODE_REPLACED  ? "[code object was replaced]"
			: known->outcome == CODE_FORBIDDEN ? "[not read: no permission]"
							   : "[not read: the process had ended]");
		return true;
	}
	code = &known->code;
	if (!is_started(code, frame))
		return false;
	out->kind = FRAME_PYTHON;
	out->function = profile_str(profile, code->name, -1);
	out->file = profile_str(profile, code->filename, -1);
	if (frame->unit != ABI_UNIT_NONE)
		out->line = py_code_line(code, frame->unit);
	if (!out->line)
		out->line = (uint32_t)code->first_line;
	return true;
}

static size_t name_native(struct symbolizer *symbolizer, struct profile *profile,
			  const struct abi_frame *frame, struct frame *out)
{
	if (symbolizer->native)
		return native_names_lookup(symbolizer->native, profile, frame->unit, frame->where,
					   frame->tag & ABI_FRAME_EXACT, out);
	out->kind = FRAME_NATIVE;
	out->offset = frame->where;
	return 1;
}

/* Is this the module that switches greenlets? `greenlet` was its name before greenlet 1.0. */
static bool is_greenlet(const struct symbolizer *symbolizer, uint32_t module)
{
	static const char *const names[] = {"_greenlet.", "greenlet."};
	const char *path, *slash;

	if (!symbolizer->code || module >= symbolizer->code->n_modules)
		return false;
	path = symbolizer->code->modules[module].path;
	slash = strrchr(path, '/');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slash && strncmp(slash + 1, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static enum interleave_role role_of(void *context, const struct abi_frame *frame)
{
	const struct symbolizer *symbolizer = context;

	/* a return address lies in the function that made the call, but for a call at its very
	 * end */
	if (eval_loop_holds(&symbolizer->loop, frame->where - !(frame->tag & ABI_FRAME_EXACT)))
		return INTERLEAVE_LOOP;
	return is_greenlet(symbolizer, frame->unit) ? INTERLEAVE_SWITCH : INTERLEAVE_PLAIN;
}

size_t symbolizer_name(struct symbolizer *symbolizer, struct profile *profile,
		       const struct abi_frame *frames, size_t n_frames, struct frame *out)
{
	struct abi_frame joined[ABI_MAX_ENTRIES + 1];
	size_t n = 0, n_joined;

	if (n_frames > ABI_MAX_ENTRIES)
		n_frames = ABI_MAX_ENTRIES;
	n_joined = interleave(frames, n_frames, role_of, symbolizer, joined);
	for (size_t i = 0; i < n_joined; i++) {
		const struct abi_frame *frame = &joined[i];

		memset(&out[n], 0, sizeof(out[n]));
		switch (ABI_FRAME_KIND(frame->tag)) {
		case ABI_FRAME_PYTHON:
			n += name_python(symbolizer, profile, frame, &out[n]);
			break;
		case ABI_FRAME_NATIVE:
			n += name_native(symbolizer, profile, frame, &out[n]);
			break;
		default:
			set_gap(&out[n++], profile,
				symbolizer_gap_text(ABI_FRAME_KIND(frame->tag) == ABI_FRAME_GAP
							    ? frame->unit
							    : 0));
		}
	}
	return n;
}

struct symbolizer_losses symbolizer_losses(const struct symbolizer *symbolizer)
{
	return symbolizer->losses;
}
