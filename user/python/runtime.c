/* SPDX-License-Identifier: BSD-2-Clause */
#include "python/runtime.h"

#include <string.h>

#include "python/allocators.h"
#include "python/flow.h"
#include "python/locate.h"
#include "python/thread_state.h"
#include "python/version.h"
#include "target/remote_mem.h"

#define DEBUG_OFFSETS_BYTES 1024 /* more than any version's block */
#define INTERPRETERS_MAX    65536
#define CHECK_ATTEMPTS      8

/* What the search hands from step to step. */
struct search {
	const struct process *process;
	struct maps maps;
	struct py_runtime *runtime;
	struct err *err;
};

static uint64_t data_address(const struct search *search, const char *name)
{
	return py_locate_data(&search->runtime->python, &search->maps, search->process, name);
}

static void find_runtime_struct(struct search *search)
{
	struct py_runtime *runtime = search->runtime;
	uint64_t vaddr, size;

	runtime->runtime = data_address(search, "_PyRuntime");
	if (!runtime->runtime && elf_file_section(runtime->python.elf, ".PyRuntime", &vaddr, &size))
		runtime->runtime = vaddr + runtime->python.bias;
}

/* Decide whether this version is supported, and take its row. */
static int choose_layout(struct search *search, const struct py_version *version)
{
	struct py_runtime *runtime = search->runtime;
	unsigned minor = PY_VERSION_MINOR(version->hex), level = version->hex >> 4 & 0xf;
	int pid = (int)search->process->pid;
	uint8_t block[DEBUG_OFFSETS_BYTES];
	const struct py_layout *row;
	char range[PY_VERSION_RANGE_BYTES];

	py_version_supported(range, sizeof(range));
	row = PY_VERSION_MAJOR(version->hex) == 3 ? layout_find(minor, version->free_threaded)
						  : NULL;
	if (!row)
		return err_set(search->err, ERR_TARGET,
			       "pid %d runs CPython %s; CPython %s are supported", pid,
			       version->text, range);
	if (level == 0xa || level == 0xb)
		return err_set(search->err, ERR_TARGET,
			       "pid %d runs CPython %s; alpha and beta releases are not supported",
			       pid, version->text);
	runtime->layout = *row;
	if (minor < 13)
		return 0;
	if (!runtime->runtime ||
	    remote_read(search->process->pid, runtime->runtime, block, sizeof(block)) != 0)
		return err_set(search->err, ERR_TARGET,
			       "_PyRuntime of pid %d (CPython %s) is not readable", pid,
			       version->text);
	if (layout_refine(&runtime->layout, block, sizeof(block), search->err) != 0)
		return err_prefix(search->err, "pid %d, CPython %s: ", pid, version->text);
	return 0;
}

static int find_version(struct search *search)
{
	struct py_runtime *runtime = search->runtime;
	struct py_version version;

	if (!py_version_find(&version, &runtime->python, search->process->pid, runtime->runtime))
		return err_set(search->err, ERR_TARGET,
			       "pid %d runs a CPython (%s) whose version cannot be determined",
			       (int)search->process->pid, runtime->python.path);
	runtime->hexversion = version.hex;
	memcpy(runtime->version, version.text, sizeof(runtime->version));
	return choose_layout(search, &version);
}

/* The word that holds the first interpreter: a private variable in 3.6, a field afterwards. */
static void find_interp_head(struct search *search)
{
	struct py_runtime *runtime = search->runtime;
	int32_t offset = runtime->layout.runtime.interpreters_head;
	struct flow flow;

	if (runtime->runtime && offset != LAYOUT_NONE) {
		runtime->interp_head_address = runtime->runtime + (uint64_t)offset;
		return;
	}
	runtime->interp_head_address = module_symbol(&runtime->python, "interp_head");
	if (runtime->interp_head_address)
		return;
	/* nothing but a load and a return: the last word that it reads is the one */
	flow_trace(&flow, &runtime->python, search->process->pid, "PyInterpreterState_Head", 0);
	while (flow.n_events > 0 && !runtime->interp_head_address) {
		const struct flow_event *event = &flow.events[--flow.n_events];

		if (event->kind == FLOW_READ && event->size == 8)
			runtime->interp_head_address = event->address;
	}
}

/*
 * The list of interpreters, to its end.
 *
 * out    last: the main one
 * return how many; 0: there is none, or not all can be read
 */
static uint64_t follow_interpreters(const struct py_runtime *runtime, pid_t pid, uint64_t *last)
{
	uint64_t interp = 0, next = 0;

	if (!runtime->interp_head_address ||
	    remote_read_u64(pid, runtime->interp_head_address, &interp))
		return 0;
	for (unsigned i = 0; interp && i < INTERPRETERS_MAX; i++, interp = next) {
		*last = interp;
		if (remote_read_u64(pid, interp + (uint64_t)runtime->layout.interp.next, &next))
			return 0;
		if (!next)
			return i + 1;
	}
	return 0;
}

uint64_t py_runtime_main(const struct py_runtime *runtime, pid_t pid)
{
	uint64_t last = 0;

	return follow_interpreters(runtime, pid, &last) ? last : 0;
}

bool py_runtime_interpreters(const struct py_runtime *runtime, pid_t pid, uint64_t *n)
{
	uint64_t last;

	*n = follow_interpreters(runtime, pid, &last);
	return *n;
}

enum health { HEALTHY, NOT_READY, CONTRADICTS };

/* Follow the structs a little way: they must point back at each other. */
static enum health check_structs(const struct search *search)
{
	const struct py_runtime *runtime = search->runtime;
	pid_t pid = search->process->pid;
	uint64_t interp = 0, state = 0, back = 0, modules = 0;

	if (remote_read_u64(pid, runtime->interp_head_address, &interp) != 0)
		return CONTRADICTS;
	if (!interp)
		return NOT_READY;
	/* others may have no thread just now */
	interp = py_runtime_main(runtime, pid);
	if (!interp)
		return CONTRADICTS;
	if (remote_read_u64(pid, interp + (uint64_t)runtime->layout.interp.threads_head, &state) !=
		    0 ||
	    remote_read_u64(pid, interp + (uint64_t)runtime->layout.interp.modules, &modules) != 0)
		return CONTRADICTS;
	if (!state || !modules)
		return NOT_READY;
	if (remote_read_u64(pid, state + (uint64_t)runtime->layout.tstate.interp, &back) != 0 ||
	    back != interp)
		return CONTRADICTS;
	return HEALTHY;
}

static int check_health(const struct search *search)
{
	const struct py_runtime *runtime = search->runtime;
	enum health health = CONTRADICTS;
	unsigned i;

	/* the target goes on meanwhile: a thread state may vanish between two reads */
	for (i = 0; i < CHECK_ATTEMPTS && health == CONTRADICTS; i++)
		health = check_structs(search);
	if (health == NOT_READY)
		return err_set(
			search->err, ERR_TARGET,
			"CPython %s in pid %d is still starting, or already ending; try again",
			runtime->version, (int)search->process->pid);
	if (health == CONTRADICTS)
		return err_set(
			search->err, ERR_TARGET,
			"CPython %s in pid %d does not match the layout of its version: a build "
			"with changed structs, or not started yet",
			runtime->version, (int)search->process->pid);
	return 0;
}

static int find_parts(struct search *search)
{
	struct py_runtime *runtime = search->runtime;
	int result;

	result = py_locate_python(&runtime->python, &search->maps, search->process, search->err);
	if (result)
		return result;
	find_runtime_struct(search);
	result = find_version(search);
	if (result)
		return result;
	result = py_locate_libc(&runtime->libc, &runtime->libc_is_musl, &search->maps,
				search->process, search->err);
	if (result)
		return result;
	runtime->type_type = data_address(search, "PyType_Type");
	runtime->code_type = data_address(search, "PyCode_Type");
	runtime->none = data_address(search, "_Py_NoneStruct");
	runtime->eval_frame = module_symbol(&runtime->python, "_PyEval_EvalFrameDefault");
	find_interp_head(search);
	result = check_health(search);
	if (result)
		return result;
	py_allocators_find(runtime, &search->maps);
	py_tstate_ways_find(runtime, search->process->pid);
	return 0;
}

int py_runtime_find(struct py_runtime *runtime, const struct process *process, struct err *err)
{
	struct err ignored = ERR_INIT;
	struct search search = {
		.process = process, .runtime = runtime, .err = err ? err : &ignored};
	int result;

	memset(runtime, 0, sizeof(*runtime));
	result = maps_read(&search.maps, process->pid, search.err);
	if (result)
		return result;
	result = find_parts(&search);
	maps_fini(&search.maps);
	/* whatever went wrong: when the process is gone, that is why */
	if (result && !process_alive(process))
		result = err_set(search.err, ERR_TARGET, "pid %d (%s) has ended", (int)process->pid,
				 process->comm);
	if (result)
		py_runtime_fini(runtime);
	return result;
}

void py_runtime_fini(struct py_runtime *runtime)
{
	module_unload(&runtime->python);
	module_unload(&runtime->libc);
}
