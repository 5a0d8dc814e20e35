/* SPDX-License-Identifier: BSD-2-Clause
 *
 * table: an ELF file -> its compact unwind table (bpf/abi/unwind.h).
 *
 * Place      layer 3; used by probe, which loads the tables of a target's modules into the maps.
 * Source     .eh_frame, or .debug_frame where only that exists: DWARF 5 section 6.4.1-6.4.2, LSB
 *            5.0 chapter "Exception Frames". For the machine of abi/registers.h only.
 * Shapes     pages[i] belongs to link-time addresses [(first_page + i) * 4096, + 4096); they cover
 *            the executable segments. Row numbers count from rows[0]; rule numbers from rules[0] of
 *            this table; rules[0] is always ABI_RULE_NONE.
 * Ownership  unwind_table_build() and unwind_cache_get() allocate; unwind_table_fini() frees.
 * Errors     -ERR_FAILED with a sentence: no unwind information, an ELF file of another machine,
 *            damaged headers. A damaged FDE is left out and counted; what it covers has rule
 *            ABI_RULE_NONE. Where functions overlap, the one that starts first holds.
 * Bounds     the file is hostile: at most UNWIND_MAX_ROWS rows, UNWIND_MAX_RULES rules and
 *            UNWIND_MAX_PAGES pages. Memory: 16 bytes for each byte of unwind information, and up
 *            to 64 MiB for pages, rules and CIEs. Time is linear in the unwind information (n log n
 *            when its functions are not in order).
 */
#ifndef PYLEAKTRACE_UNWIND_TABLE_H
#define PYLEAKTRACE_UNWIND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/unwind.h"
#include "base/err.h"
#include "unwind/section.h"

#define UNWIND_MAX_ROWS  (16u << 20)
#define UNWIND_MAX_RULES (1u << 16)
#define UNWIND_MAX_PAGES (UNWIND_MAX_TEXT / ABI_TEXT_PAGE + 1)

struct unwind_table {
	uint64_t first_page; /* link-time page number (vaddr / ABI_TEXT_PAGE) of pages[0] */
	uint32_t n_pages, n_rows, n_rules;
	struct abi_unwind_page *pages;
	uint32_t *rows;
	struct abi_unwind_rule *rules;
	uint32_t n_functions; /* FDEs that were read */
	uint32_t damaged;     /* FDEs that were left out, and entries that may have been some */
	uint32_t unsupported; /* rows with ABI_RULE_UNSUPPORTED */
};

/* From a file that is open for reading; its offset does not matter and is not changed. */
int unwind_table_build(struct unwind_table *table, int fd, struct err *err);

/* From the image of an ELF object in memory, as the vdso is. */
int unwind_table_build_image(struct unwind_table *table, void *image, size_t size, struct err *err);

/* From unwind information that was loaded before; it is not needed afterwards. */
int unwind_table_compile(struct unwind_table *table, const struct unwind_section *section,
			 struct err *err);

void unwind_table_fini(struct unwind_table *table); /* accepts a zeroed struct */

/* What BPF relies on holds: every number is in range, rows are sorted and begin with their page. */
bool unwind_table_valid(const struct unwind_table *table);

/* The rule for a link-time address: as BPF finds it. Borrowed; never NULL (rules[0] where nothing
 * is known). */
const struct abi_unwind_rule *unwind_table_find(const struct unwind_table *table, uint64_t vaddr);

#endif
