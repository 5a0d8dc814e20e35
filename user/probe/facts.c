/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/facts.h"

#include <string.h>

struct field {
	int32_t offset;
	unsigned size;
};

/*
 * The smallest window from a multiple of 8 that holds all fields; absent fields (LAYOUT_NONE) count
 * not.
 *
 * return false when it is larger than `most`
 */
static bool make_window(struct abi_window *window, const struct field *fields, unsigned n,
			unsigned most)
{
	uint32_t start = UINT32_MAX, end = 0;

	for (unsigned i = 0; i < n; i++) {
		if (fields[i].offset < 0)
			continue;
		if ((uint32_t)fields[i].offset < start)
			start = (uint32_t)fields[i].offset;
		if ((uint32_t)fields[i].offset + fields[i].size > end)
			end = (uint32_t)fields[i].offset + fields[i].size;
	}
	if (end == 0)
		return false;
	window->start = start & ~7u;
	window->size = ((end + 7) & ~7u) - window->start;
	return window->size <= most;
}

static void fill_ways(struct abi_python *facts, const struct py_runtime *runtime)
{
	unsigned n = 0;

	for (unsigned i = 0; i < runtime->n_ways && n < ABI_MAX_WAYS; i++) {
		const struct py_tstate_way *from = &runtime->ways[i];
		struct abi_way *to = &facts->ways[n++];

		switch (from->kind) {
		case PY_TSTATE_TSS:
			/* specific[key / 32] points to a block of 32 entries {seq, data} of 16
			 * bytes */
			to->kind = ABI_WAY_TSS;
			to->a = from->offset + 8 * (int64_t)(from->key / 32);
			to->b = 16 * (int64_t)(from->key % 32) + 8;
			break;
		case PY_TSTATE_TLS:
			to->kind = ABI_WAY_TLS;
			to->a = from->offset;
			break;
		case PY_TSTATE_DTV:
			to->kind = ABI_WAY_DTV;
			to->a = 16 * (int64_t)from->module_id;
			to->b = from->offset;
			break;
		case PY_TSTATE_GLOBAL:
			to->kind = ABI_WAY_GLOBAL;
			to->a = from->offset;
			break;
		}
	}
}

static bool fill_frame(struct abi_python *facts, const struct py_layout *layout)
{
	int32_t position = layout->frame.lasti >= 0 ? layout->frame.lasti : layout->frame.instr_ptr;
	const struct field fields[] = {
		{layout->frame.previous, 8},
		{layout->frame.code, 8},
		{position, layout->frame.lasti >= 0 ? 4 : 8},
		{layout->frame.owner, 1},
		{layout->frame.is_entry, 1},
		{layout->frame.tlbc_index, 4},
	};

	if (position < 0 || !make_window(&facts->frame, fields, 6, ABI_FRAME_WINDOW))
		return false;
	facts->frame_previous = (uint32_t)layout->frame.previous - facts->frame.start;
	facts->frame_code = (uint32_t)layout->frame.code - facts->frame.start;
	facts->adjacent = layout->frame.lasti < 0;
	facts->code_mask = layout->frame.code_mask;
	facts->use_lasti = layout->frame.lasti >= 0;
	facts->frame_position = (uint32_t)position - facts->frame.start;
	facts->lasti_shift = layout->frame.lasti_unit == 1 ? 1 : 0;
	facts->has_owner = layout->frame.owner >= 0;
	if (facts->has_owner)
		facts->frame_owner = (uint32_t)layout->frame.owner - facts->frame.start;
	facts->owner_generator = layout->frame.owner_generator;
	facts->owner_shim = layout->frame.owner_shim;
	facts->run_end = !facts->has_owner             ? ABI_RUN_EACH
			 : layout->frame.is_entry >= 0 ? ABI_RUN_IS_ENTRY
						       : ABI_RUN_SHIM;
	if (layout->frame.is_entry >= 0)
		facts->frame_is_entry = (uint32_t)layout->frame.is_entry - facts->frame.start;
	facts->has_copies = layout->frame.tlbc_index >= 0 && layout->code.tlbc >= 0;
	if (facts->has_copies) {
		facts->frame_copy = (uint32_t)layout->frame.tlbc_index - facts->frame.start;
		facts->code_copies = (uint32_t)layout->code.tlbc;
	}
	return true;
}

int facts_fill(struct abi_python *facts, const struct py_runtime *runtime, struct err *err)
{
	const struct py_layout *layout = &runtime->layout;
	int32_t first = layout->tstate.frame >= 0    ? layout->tstate.frame
			: layout->tstate.cframe >= 0 ? layout->tstate.cframe
						     : layout->tstate.current_frame;
	const struct field tstate[] = {{layout->tstate.thread_id, 8}, {first, 8}};
	const struct field code[] = {
		{layout->code.firstlineno, 4}, {layout->code.filename, 8}, {layout->code.name, 8}};

	memset(facts, 0, sizeof(*facts));
	fill_ways(facts, runtime);
	if (!make_window(&facts->tstate, tstate, 2, ABI_TSTATE_WINDOW) || first < 0 ||
	    !make_window(&facts->code, code, 3, ABI_CODE_WINDOW) || !fill_frame(facts, layout))
		return err_set(err, ERR_TARGET,
			       "the layout of CPython 3.%u does not fit the BPF program",
			       layout->minor);
	facts->tstate_thread_id = (uint32_t)layout->tstate.thread_id - facts->tstate.start;
	facts->tstate_frame = (uint32_t)first - facts->tstate.start;
	facts->use_cframe = layout->tstate.frame < 0 && layout->tstate.cframe >= 0;
	facts->cframe_frame = facts->use_cframe ? (uint32_t)layout->cframe_current_frame : 0;
	facts->code_bytecode = layout->code.code >= 0 ? (uint32_t)layout->code.code : 0;
	facts->code_first_line = (uint32_t)layout->code.firstlineno - facts->code.start;
	facts->code_filename = (uint32_t)layout->code.filename - facts->code.start;
	facts->code_name = (uint32_t)layout->code.name - facts->code.start;
	return 0;
}
