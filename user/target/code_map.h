/* SPDX-License-Identifier: BSD-2-Clause
 *
 * code_map: where a process has executable memory, and which file is behind it, over time.
 *
 * Place      layer 1; filled by probe (code tables for BPF), read by symbol (names).
 * Source     /proc/PID/maps. A module is one copy of an ELF file in memory (device, inode, load
 *            bias), a file that is no ELF file, the vdso, or all anonymous executable memory
 *            together (JIT code, trampolines).
 * Shapes     a module's id is its index; ids are never used again, so that an address that was seen
 *            keeps its meaning (id, address) when its module has been unmapped and another one lies
 *            there. Ranges are what is executable now, in address order, one per mapping.
 * Ownership  code_map_init()/code_map_fini(); modules and strings are the map's, valid until
 *            code_map_fini(). Each file is held open (fd), so that it can be read when it is
 *            deleted, unmapped, or its process has ended.
 * Errors     code_map_update(): as maps_read(); the map stays as it was.
 * Bounds     CODE_MAX_MODULES modules and CODE_MAX_RANGES ranges; what comes after is left out and
 *            counted.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_TARGET_CODE_MAP_H
#define PYLEAKTRACE_TARGET_CODE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "target/maps.h"

#define CODE_MAX_MODULES 4096
#define CODE_MAX_RANGES  8192
#define CODE_NO_MODULE   UINT32_MAX

enum code_kind {
	CODE_FILE,
	CODE_VDSO,
	CODE_ANONYMOUS, /* no file: generated code */
};

struct code_module {
	enum code_kind kind;
	char *path; /* as the target sees it; "[vdso]"; "generated code"; "[uprobes]", the kernel's
		       own */
	bool deleted;
	int fd; /* CODE_FILE: the file, open for reading; -1: could not be opened. Else -1 */
	uint64_t start, end; /* lowest and highest address of its executable ranges */
	uint64_t bias;       /* CODE_FILE: address = vaddr + bias; CODE_VDSO: its start */
	bool elf; /* CODE_FILE: is an ELF file whose headers fit its mapping: `bias` holds */
	/* identity */
	uint32_t dev_major, dev_minor;
	uint64_t inode;
};

struct code_range {
	uint64_t start, end;
	uint32_t module;
};

struct code_map {
	pid_t pid;
	struct code_module *modules;
	uint32_t n_modules, capacity;
	struct code_range *ranges; /* as of the last update */
	uint32_t n_ranges;
	uint32_t left_out; /* ranges for which there was no room */
};

void code_map_init(struct code_map *map, pid_t pid);
void code_map_fini(struct code_map *map);

/*
 * Read the mappings again.
 *
 * return 1 when ranges changed, 0 when all is as it was, or -code
 */
int code_map_update(struct code_map *map, struct err *err);

#endif
