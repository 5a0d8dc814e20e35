/* SPDX-License-Identifier: BSD-2-Clause */
#include "symbol/unnamed.h"

#include <stdlib.h>

#include "symbol/cold_parts.h"

void unnamed_load(struct unnamed *unnamed, Elf *elf, int fd)
{
	struct elf_words words;

	if (unnamed->loaded)
		return;
	unnamed->loaded = true;
	if (unwind_functions_load(&unnamed->functions, fd, NULL) ||
	    !elf_words_load(&words, elf, fd))
		return;
	api_tables_load(&unnamed->tables, elf, &words, &unnamed->functions);
	unnamed->owners = cold_parts_find(&words, &unnamed->functions);
	elf_words_fini(&words);
}

void unnamed_fini(struct unnamed *unnamed)
{
	unwind_functions_fini(&unnamed->functions);
	api_tables_fini(&unnamed->tables);
	free(unnamed->owners);
	*unnamed = (struct unnamed){0};
}

const struct unwind_function *unnamed_function(const struct unnamed *unnamed, uint64_t vaddr)
{
	return unwind_functions_find(&unnamed->functions, vaddr);
}

const struct unwind_function *unnamed_owner(const struct unnamed *unnamed,
					    const struct unwind_function *part)
{
	uint32_t owner =
		unnamed->owners ? unnamed->owners[part - unnamed->functions.all] : COLD_PARTS_NONE;

	return owner == COLD_PARTS_NONE ? NULL : &unnamed->functions.all[owner];
}
