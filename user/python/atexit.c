/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/atexit.h"

#include <string.h>

#include "python/dict.h"
#include "target/remote_mem.h"

#define NAME     24 /* PyModuleDef.m_name, behind its PyObject */
#define ROOM     32 /* callback_len: at first, ... */
#define MORE     16 /* ... and what is added when it is full */
#define ROOM_MAX (1u << 28)

/* The state of the module that is written in C, up to 3.9; 0: it was not imported. */
static uint64_t find_state(pid_t pid, const struct py_runtime *runtime, uint64_t interp)
{
	const struct py_layout *layout = &runtime->layout;
	uint64_t modules, module, definition, text, state;
	struct py_dict dict;
	char name[8];

	if (remote_read_u64(pid, interp + (uint64_t)layout->interp.modules, &modules) ||
	    py_dict_open(&dict, pid, layout, modules))
		return 0;
	module = py_dict_find(&dict, pid, layout, "atexit");
	if (!module ||
	    remote_read_u64(pid, module + (uint64_t)layout->module.definition, &definition) ||
	    !definition ||
	    remote_read_u64(pid, definition + (uint64_t)layout->object.ob_type + 8 + NAME, &text) ||
	    remote_read_string(pid, text, name, sizeof(name)) <= 0 || strcmp(name, "atexit") != 0 ||
	    remote_read_u64(pid, module + (uint64_t)layout->module.state, &state))
		return 0;
	return state;
}

bool py_atexit_find(struct py_atexit *found, pid_t pid, const struct py_runtime *runtime,
		    uint64_t interp)
{
	const struct py_layout *layout = &runtime->layout;
	struct {
		uint64_t array;
		uint32_t count, room;
	} state;
	uint64_t address;

	*found = (struct py_atexit){0};
	if (layout->interp.atexit_callbacks == LAYOUT_NONE)
		address = find_state(pid, runtime, interp);
	else
		address = interp + (uint64_t)layout->interp.atexit_callbacks;
	if (address && layout->interp.atexit_callbacks != LAYOUT_NONE &&
	    layout->interp.atexit_count == LAYOUT_NONE) {
		found->list = address;
		return true;
	}
	if (!address || remote_read(pid, address, &state, sizeof(state)) || !state.array ||
	    state.array % 8 || !state.count || state.count > state.room || state.room < ROOM ||
	    state.room > ROOM_MAX || (state.room - ROOM) % MORE)
		return false;
	*found = (struct py_atexit){.array = state.array,
				    .count = state.count,
				    .room = state.room,
				    .count_at = address + sizeof(state.array)};
	return true;
}
