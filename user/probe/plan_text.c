/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A plan as -v and doctor print it.
 */
#include "probe/plan.h"

#include <inttypes.h>

#include "base/escape.h"

/* Functions of this file that are probed: their entries. */
static unsigned count_probes(const struct plan *plan, const struct module *module)
{
	unsigned n = 0;

	for (unsigned i = 0; i < plan->n_probes; i++)
		n += plan->probes[i].module == module && plan->probes[i].kind != ABI_CALL_END &&
		     plan->probes[i].kind != ABI_CALL_THROW;
	return n;
}

void plan_print_allocators(FILE *out, const struct plan *plan, unsigned first)
{
	for (unsigned i = first; i < plan->natives.n; i++) {
		const struct native_allocator *native = plan->natives.items[i];

		if (!native->n_functions)
			continue;
		fputs("  allocator ", out);
		escape_terminal(out, native->module->path);
		fprintf(out, ": %s (", native->brand);
		for (unsigned p = 0; p < native->n_prefixes; p++)
			fprintf(out, "%s%smalloc", p ? ", " : "", native->prefixes[p]);
		fprintf(out, "), %u functions probed\n", count_probes(plan, native->module));
	}
}

void plan_print(FILE *out, const struct plan *plan)
{
	static const char *const domains[] = {"malloc", "object", "mmap", "bracket"};

	if (plan->malloc_path[0]) {
		fputs("  malloc of the interpreter: ", out);
		escape_terminal(out, plan->malloc_path);
		fputc('\n', out);
	}
	plan_print_allocators(out, plan, 0);
	for (unsigned i = 0; i < plan->n_probes; i++) {
		const struct plan_probe *p = &plan->probes[i];

		fprintf(out, "  probe %-18s %-8s 0x%" PRIx64 " %-24s%s\n", p->name,
			domains[p->domain], p->place.address, p->place.text,
			p->returns ? " + return" : "");
		if (p->place.cost == COST_STEPPED)
			fprintf(out, "        7 to 20 us a hit; no cheaper place: %s\n",
				p->place.why);
	}
	for (unsigned i = 0; i < plan->n_words; i++) {
		const struct plan_word *w = &plan->words[i];

		fprintf(out,
			"  steer %-18s at 0x%" PRIx64 ": 0x%" PRIx64 " -> 0x%" PRIx64 " (%+lld)\n",
			w->name, w->address, w->plain, w->alias, (long long)(w->alias - w->plain));
	}
	if (plan->split)
		fprintf(out, "  windows of objects: %s\n",
			plan->switchable ? "by steering alone, the probes stay"
					 : "probes are attached for each, where they are cheaper");
	if (plan->coverage[0])
		fprintf(out, "  note: %s\n", plan->coverage);
	for (unsigned i = 0; i < plan->n_notes; i++)
		fprintf(out, "  note: %s\n", plan->notes[i]);
}
