/* SPDX-License-Identifier: BSD-2-Clause */
#include "containers/class_code.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "target/remote_mem.h"
#include "unwind/functions.h"

/* The function of CPython's file that is at this address. */
static bool find_function(struct class_code *code, const struct module *module, uint64_t address)
{
	struct unwind_functions functions;
	const struct unwind_function *function = NULL;
	int fd = open(module->host_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (unwind_functions_load(&functions, fd, NULL) == 0) {
		function = unwind_functions_find(&functions, address - module->bias);
		if (function) {
			code->dealloc_start = function->start + module->bias;
			code->dealloc_end = function->end + module->bias;
		}
		unwind_functions_fini(&functions);
	}
	close(fd);
	return code->dealloc_end != 0;
}

int class_code_find(struct class_code *code, const struct target *target, uint64_t class,
		    struct err *err)
{
	const struct py_runtime *runtime = &target->runtime;
	/* tp_dealloc is behind tp_itemsize in all versions */
	uint64_t field = class + (uint64_t)runtime->layout.type.itemsize + 8, dealloc;

	memset(code, 0, sizeof(*code));
	eval_loop_find(&code->loop, runtime);
	if (remote_read_u64(target->process.pid, field, &dealloc))
		return err_set(err, ERR_TARGET, "pid %d: the class cannot be read",
			       (int)target->process.pid);
	if (dealloc >= runtime->python.start && dealloc < runtime->python.end &&
	    find_function(code, &runtime->python, dealloc))
		return 0;
	return err_set(err, ERR_TARGET,
		       "pid %d: where instances of the class die cannot be determined",
		       (int)target->process.pid);
}
