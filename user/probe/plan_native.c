/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "base/escape.h"
#include "probe/function_ends.h"
#include "probe/plan_impl.h"

static bool frees(enum abi_call_kind kind)
{
	return kind == ABI_CALL_FREE || kind == ABI_CALL_DELETE;
}

static bool is_probed(const struct plan *plan, uint64_t function)
{
	for (unsigned i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].function == function)
			return true;
	return false;
}

/* Probes on the ends of a function that may throw; false: not all of them are known. */
static bool plan_ends(struct plan *plan, const struct native_function *function,
		      const struct module *module)
{
	uint64_t ends[FUNCTION_ENDS_MAX];
	unsigned n = function_ends(ends, module, function->address);

	if (!n || plan->n_probes + n >= PLAN_MAX_PROBES)
		return false;
	for (unsigned i = 0; i < n; i++) {
		struct plan_probe *probe = &plan->probes[plan->n_probes];

		/* functions share their ends when both jump to a third one */
		if (is_probed(plan, ends[i]))
			continue;
		memset(probe, 0, sizeof(*probe));
		if (!module_offset(module, ends[i], &probe->place.offset))
			continue;
		snprintf(probe->name, sizeof(probe->name), "end of %.40s", function->name);
		snprintf(probe->place.text, sizeof(probe->place.text), "ret single-stepped");
		probe->place.address = probe->function = ends[i];
		probe->place.cost = COST_STEPPED;
		probe->place.why = "each way out ends in its ret";
		probe->kind = ABI_CALL_END;
		probe->domain = plan->native_domain;
		probe->module = module;
		plan->n_probes++;
	}
	return true;
}

/* Is this function nothing but a jump to another one of them? Its calls are seen there. */
static bool only_jumps(const struct native_allocator *native, uint64_t function)
{
	uint64_t target = function_jumps_to(native->module, function);

	for (unsigned i = 0; i < native->n_functions && target; i++)
		if (native->functions[i].address == target && target != function)
			return true;
	return false;
}

/* All functions of one allocator; what cannot be probed is left out, and said. */
static void plan_native(struct plan *plan, const struct native_allocator *native)
{
	for (unsigned i = 0; i < native->n_functions; i++) {
		const struct native_function *function = &native->functions[i];
		char file[40];
		struct err err = ERR_INIT;

		/* a call that only brackets others has no use for frees */
		if ((plan->native_domain == ABI_DOMAINS && frees(function->kind)) ||
		    only_jumps(native, function->address))
			continue;
		if ((function->kind == ABI_CALL_NEW && !is_probed(plan, function->address) &&
		     !plan_ends(plan, function, native->module)) ||
		    plan_add_probe(plan, native->module, function->name, function->kind,
				   plan->native_domain, function->address, function->address, &err))
			plan_note(plan, "%s of %s is not traced: %s", function->name,
				  escape_copy(file, sizeof(file),
					      plan_base_name(native->module->path)),
				  err.text[0] ? err.text : "not all its ends are known");
	}
}

/* Where exceptions are thrown, if there is a function that one may leave. */
static void plan_throws(struct plan *plan)
{
	bool needed = false;

	for (unsigned i = 0; i < plan->n_probes; i++)
		needed |= plan->probes[i].kind == ABI_CALL_NEW;
	for (unsigned i = 0; i < plan->natives.n && needed; i++) {
		const struct native_allocator *native = plan->natives.items[i];

		if (native->throws)
			plan_add_probe(plan, native->module, "_Unwind_RaiseException",
				       ABI_CALL_THROW, plan->native_domain, native->throws,
				       native->throws, NULL);
	}
}

unsigned plan_update(struct plan *plan, const struct py_runtime *runtime,
		     const struct process *process)
{
	unsigned before = plan->n_probes;
	struct maps maps;

	if (!plan->native || maps_read(&maps, process->pid, NULL))
		return 0;
	native_allocators_update(&plan->natives, &maps, &runtime->libc, &runtime->python);
	maps_fini(&maps);
	for (; plan->n_natives < plan->natives.n; plan->n_natives++)
		plan_native(plan, plan->natives.items[plan->n_natives]);
	plan_throws(plan);
	return plan->n_probes - before;
}
