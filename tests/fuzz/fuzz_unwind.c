/* SPDX-License-Identifier: BSD-2-Clause
 *
 * fuzz_unwind: any bytes as an ELF file -> its unwind table, or an error; and nothing else. Run by tools/fuzz-unwind.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind_table table;
	/* the sanitizer sees what is read beyond a block of its own */
	void *image = malloc(size ? size : 1);

	memcpy(image, data, size);
	if (unwind_table_build_image(&table, image, size, NULL) == 0) {
		/* what BPF will do with it */
		for (uint32_t i = 0; i < table.n_pages; i++) {
			const struct abi_unwind_page *page = &table.pages[i];
			uint64_t vaddr = (table.first_page + i) * ABI_TEXT_PAGE;

			if (page->n_rows > ABI_MAX_PAGE_ROWS ||
			    (page->n_rows && page->first_row + page->n_rows > table.n_rows))
				abort();
			for (uint32_t k = 0; k < page->n_rows; k++) {
				uint32_t row = table.rows[page->first_row + k];

				if (ABI_ROW_RULE(row) >= table.n_rules ||
				    unwind_table_find(&table, vaddr + ABI_ROW_OFFSET(row)) !=
					    &table.rules[ABI_ROW_RULE(row)])
					abort();
			}
		}
		unwind_table_fini(&table);
	}
	free(image);
	return 0;
}
