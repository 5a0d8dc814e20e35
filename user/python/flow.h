/* SPDX-License-Identifier: BSD-2-Clause
 *
 * flow: one small function of the target, followed on paper -> the data that it touches.
 *
 * A stripped CPython still exports functions that read its private data: PyMem_GetAllocator copies
 * an allocator table, PyGILState_GetThisThreadState reads the thread-local state, Py_GetVersion
 * prints the version. What compilers make of them differs (rip-relative or absolute, switch by
 * compare or by jump table, cold parts far away, position-independent access through the GOT), so
 * the code is not matched against patterns: it is followed, instruction by instruction, with the
 * registers that are known.
 *
 * Place      layer 2; used by version, allocators, thread_state and runtime.
 * Source     instruction decoding by Zydis; System V AMD64 ABI (first argument in rdi, result in
 *            rax).
 * Shapes     flow.events: in the order of execution. Memory whose address is known is read in the
 *            target, so that jumps go as they would go there now; a jump that depends on something
 *            unknown is not taken; a called function is not entered, its result is unknown.
 * Units      addresses in the target.
 * Errors     none: what cannot be decoded or read ends the path, and the events until there remain.
 *            Callers check what they take.
 * Bounds     FLOW_STEPS_MAX instructions, FLOW_EVENTS_MAX events, within the module's own text.
 *            x86-64 only: no events on other machines.
 */
#ifndef PYLEAKTRACE_PYTHON_FLOW_H
#define PYLEAKTRACE_PYTHON_FLOW_H

#include <stdint.h>
#include <sys/types.h>

#include "target/module.h"

#define FLOW_STEPS_MAX  192
#define FLOW_EVENTS_MAX 96

enum flow_kind {
	FLOW_READ,    /* memory at `address` is read */
	FLOW_ADDRESS, /* an address or another constant comes into a register */
	FLOW_TLS,     /* memory at thread pointer + `offset` is read */
	FLOW_TLS_GET, /* memory at call(`address`) + `offset` is read, as __tls_get_addr(address)
			 wants it */
};

struct flow_event {
	enum flow_kind kind;
	unsigned size; /* bytes read, 0 with FLOW_ADDRESS */
	uint64_t address;
	int64_t offset;
};

struct flow {
	struct flow_event events[FLOW_EVENTS_MAX];
	unsigned n_events;
};

/*
 * Follow the function until it returns or its path is lost.
 *
 * in     name: of the function in the module; argument: its first argument
 * out    flow: empty when there is no such function
 */
void flow_trace(struct flow *flow, const struct module *module, pid_t pid, const char *name,
		uint64_t argument);

#endif
