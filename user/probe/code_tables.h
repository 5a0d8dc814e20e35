/* SPDX-License-Identifier: BSD-2-Clause
 *
 * code_tables: the executable memory of a target -> the unwind tables in the BPF maps.
 *
 * Place      layer 3; target_code has them; session sizes and maps the maps, and publishes changes
 *            of the code map.
 * Source     tables from unwind/cache.h; the maps' form in bpf/abi/unwind.h and bpf/abi/records.h
 *            (code_state).
 * Shapes     tables are appended: a module's pages, rows and rules stay where they are once they
 *            are there, also when it has been unmapped (its pages are used again when it comes
 *            back). Only the ranges change, on the side that does not count, and then the sides are
 *            changed.
 * Ownership  the code map is borrowed. A compiled table is freed as soon as it is in the maps.
 * Errors     none that would stop a trace: a module without a table ends the C part of a stack in a
 *            gap frame, and is counted in code_tables_stats().
 * Bounds     the maps' capacities: what is needed at the start, and room for as much again and 64
 *            MiB of text (CODE_TABLES_ROOM_*) for what is loaded later.
 * Threads    one at a time.
 */
#ifndef PYLEAKTRACE_PROBE_CODE_TABLES_H
#define PYLEAKTRACE_PROBE_CODE_TABLES_H

#include "abi/records.h"
#include "target/code_map.h"

/* room for what is loaded later */
#define CODE_TABLES_ROOM_PAGES (64u << 8) /* 64 MiB of text */
#define CODE_TABLES_ROOM_ROWS  (512u << 10)
#define CODE_TABLES_ROOM_RULES (16u << 10)

struct code_tables;

struct code_tables *code_tables_new(const struct code_map *map);
void code_tables_free(struct code_tables *tables);

/* Compile the tables of the modules that have come since the last call. */
void code_tables_compile(struct code_tables *tables);

/* Elements that the maps must have for what is compiled, and the room. */
struct code_tables_size {
	uint32_t pages, row_blocks, rules;
};
void code_tables_size(const struct code_tables *tables, struct code_tables_size *size);

/* The maps' memory, mapped for writing; `size` is their capacity, `state` the BPF side's
 * code_state. */
struct code_tables_maps {
	struct code_tables_size size;
	struct abi_code_range *ranges; /* 2 * ABI_MAX_RANGES */
	struct abi_unwind_page *pages;
	struct abi_row_block *rows;
	struct abi_unwind_rule *rules;
	__u64 *state;
};

/* Put what is compiled into the maps, and the code map's ranges as they are now. */
void code_tables_publish(struct code_tables *tables, const struct code_tables_maps *maps);

struct code_tables_stats {
	uint32_t modules; /* with a table */
	uint32_t without; /* executable memory without one: generated code, files without unwind
			     information */
	uint32_t no_room; /* left out because the maps are full */
	uint32_t pages, rows, rules;
};
void code_tables_stats(const struct code_tables *tables, struct code_tables_stats *stats);

#endif
