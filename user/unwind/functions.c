/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/functions.h"

#include <libelf.h>
#include <stdlib.h>

#include "unwind/cfi.h"
#include "unwind/section.h"

static int look_at_first_row(void *arg, uint64_t start, const struct cfi_state *state)
{
	struct unwind_function *function = arg;

	(void)start;
	function->called = !state->signal && state->cfa_how == CFI_REGISTER &&
			   cfi_reg(state->cfa_reg) == ABI_REG_SP &&
			   state->cfa_offset == ABI_CFA_AT_ENTRY;
	return 1; /* enough */
}

static int add(struct unwind_functions *functions, size_t *capacity,
	       const struct cfi_function *found)
{
	struct unwind_function *function;

	if (functions->n == *capacity) {
		size_t wanted = *capacity ? *capacity * 2 : 256;
		struct unwind_function *all = realloc(functions->all, wanted * sizeof(*all));

		if (!all)
			return -1;
		functions->all = all;
		*capacity = wanted;
	}
	function = &functions->all[functions->n++];
	*function =
		(struct unwind_function){.start = found->start, .end = found->end, .called = true};
	cfi_run(&found->program, found->initial, found->start, found->end, look_at_first_row,
		function);
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct unwind_function *one = a, *other = b;

	if (one->start != other->start)
		return one->start < other->start ? -1 : 1;
	return one->end < other->end ? -1 : one->end > other->end;
}

static int collect(struct unwind_functions *functions, const struct unwind_section *section,
		   struct err *err)
{
	struct cfi_function found;
	size_t capacity = 0;
	struct cfi cfi;
	int result = cfi_init(&cfi, section, err), more;

	if (result)
		return result;
	while (!result && (more = cfi_next(&cfi, &found)))
		if (more > 0 && add(functions, &capacity, &found))
			result = err_set(err, ERR_FAILED, "out of memory");
	cfi_fini(&cfi);
	if (functions->n)
		qsort(functions->all, functions->n, sizeof(*functions->all), by_start);
	return result;
}

int unwind_functions_load(struct unwind_functions *functions, int fd, struct err *err)
{
	struct unwind_section section = {0};
	int result;
	Elf *elf;

	*functions = (struct unwind_functions){0};
	elf = section_open(fd, err);
	if (!elf)
		return -(int)ERR_FAILED;
	result = section_load(&section, elf, err);
	elf_end(elf);
	if (!result)
		result = collect(functions, &section, err);
	section_fini(&section);
	if (result)
		unwind_functions_fini(functions);
	return result;
}

void unwind_functions_fini(struct unwind_functions *functions)
{
	free(functions->all);
	*functions = (struct unwind_functions){0};
}

const struct unwind_function *unwind_functions_find(const struct unwind_functions *functions,
						    uint64_t vaddr)
{
	size_t low = 0, high = functions->n; /* all below `low` begin at or below the address */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (functions->all[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && vaddr < functions->all[low - 1].end ? &functions->all[low - 1] : NULL;
}
