/* SPDX-License-Identifier: BSD-2-Clause
 *
 * facts_of_test: the facts of the target (bpf/maps.bpf.h), to be changed by tests. Include it after
 * pyleaktrace.bpf.c.
 *
 * They are const volatile. GCC up to 12 puts that into writable memory, later ones and clang into
 * .rodata, which is made writable here.
 */
#ifndef PYLEAKTRACE_HOST_BPF_FACTS_OF_TEST_H
#define PYLEAKTRACE_HOST_BPF_FACTS_OF_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <sys/mman.h>
#include <unistd.h>

static struct abi_facts *facts_of_test(void)
{
	static bool writable;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)&facts & -page;
	uintptr_t end = (uintptr_t)&facts + sizeof(facts);

	if (!writable && mprotect((void *)first, end - first, PROT_READ | PROT_WRITE)) {
		perror("the facts of the target cannot be made writable");
		abort();
	}
	writable = true;
	return (struct abi_facts *)(uintptr_t)&facts;
}

#endif
