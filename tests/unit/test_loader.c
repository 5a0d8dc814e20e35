/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include "target/loader.h"

/* As a debugger finds it: in our own dynamic section. (To name _r_debug would have the linker make
 * a copy of it.) */
static const struct r_debug *own_debug(void)
{
	for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
		if (entry->d_tag == DT_DEBUG)
			return (const struct r_debug *)entry->d_un.d_ptr;
	return NULL;
}

/* Our own loader: it says itself where it keeps its state, and where its function is. */
static void our_own_loader_is_found(void **state)
{
	const struct r_debug *debug = own_debug();
	struct loader loader;
	uint64_t offset;
	Dl_info info;

	(void)state;
	assert_non_null(debug);
	assert_true(loader_find(&loader, getpid()));
	assert_int_equal(loader.state, (uintptr_t)&debug->r_state);
	/* tests are built for glibc 2.36 at least */
	assert_int_equal(loader.version, (uintptr_t)&debug->r_version);
	assert_int_equal(debug->r_version, 1);
	assert_true(module_offset(&loader.module, (uintptr_t)debug->r_brk, &offset));
	assert_int_equal(loader.offset, offset);
	assert_true(dladdr((void *)(uintptr_t)debug->r_brk, &info));
	assert_int_equal(loader.module.bias, (uintptr_t)info.dli_fbase);
	loader_close(&loader);
	assert_int_equal(loader.state, 0);
	loader_close(&loader);
}

/* No such process; and one without memory of its own. */
static void without_a_process_or_memory_there_is_no_loader(void **state)
{
	struct loader loader;

	(void)state;
	assert_false(loader_find(&loader, 0));
	assert_null(loader.module.elf);
	assert_false(loader_find(&loader, 2));
	loader_close(&loader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_loader_is_found),
		cmocka_unit_test(without_a_process_or_memory_there_is_no_loader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
