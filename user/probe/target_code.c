/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/target_code.h"

int target_code_open(struct target_code *code, pid_t pid, bool walked, struct err *err)
{
	int result;

	code->tables = NULL;
	code_map_init(&code->map, pid);
	if (!walked)
		return 0;
	result = code_map_update(&code->map, err);
	if (result < 0)
		return result;
	code->tables = code_tables_new(&code->map);
	if (!code->tables)
		return err_set(err, ERR_FAILED, "out of memory");
	code_tables_compile(code->tables);
	return 0;
}

void target_code_drop(struct target_code *code)
{
	code_tables_free(code->tables);
	code->tables = NULL;
}

void target_code_close(struct target_code *code)
{
	target_code_drop(code);
	code_map_fini(&code->map);
}

int target_code_update(struct target_code *code)
{
	int changed = code->tables ? code_map_update(&code->map, NULL) : 0;

	if (code->tables && changed >= 0)
		code_tables_compile(code->tables);
	return changed;
}

const struct code_map *target_code_map(const struct target_code *code)
{
	return code->tables ? &code->map : NULL;
}
