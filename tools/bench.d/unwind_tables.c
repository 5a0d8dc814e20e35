/* SPDX-License-Identifier: BSD-2-Clause
 *
 * unwind_tables: what tools/bench-unwind-tables prints. Usage: unwind_tables CACHE-FOLDER ROUNDS
 * FILE...
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "unwind/cache.h"
#include "unwind/cache_folder.h"

enum way { COMPILE, CACHE_FIRST, CACHED, WAYS };

struct measured {
	double seconds[WAYS];
	unsigned long rows, rules, pages, functions, unsupported;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Seconds that one way takes; negative: there is no table. */
static double take(enum way way, int fd, int folder, struct measured *measured)
{
	struct unwind_table table;
	double begin = now(), seconds;
	int result = way == COMPILE ? unwind_table_build(&table, fd, NULL)
				    : unwind_cache_get(folder, &table, fd, NULL);

	if (result)
		return -1;
	seconds = now() - begin;
	measured->rows = table.n_rows;
	measured->rules = table.n_rules;
	measured->pages = table.n_pages;
	measured->functions = table.n_functions;
	measured->unsupported = table.unsupported;
	unwind_table_fini(&table);
	return seconds;
}

static int measure(const char *path, int folder, int rounds, struct measured *measured)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	memset(measured, 0, sizeof(*measured));
	for (int round = 0; fd >= 0 && round < rounds; round++)
		for (int way = 0; way < WAYS; way++) {
			double seconds;

			/* only the first time does it write */
			if (way == CACHE_FIRST && round > 0)
				continue;
			seconds = take(way, fd, folder, measured);
			if (seconds < 0) {
				close(fd);
				return -1;
			}
			if (round == 0 || seconds < measured->seconds[way])
				measured->seconds[way] = seconds;
		}
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static void print(const char *name, const struct measured *measured)
{
	unsigned long bytes = 4 * measured->rows +
			      sizeof(struct abi_unwind_rule) * measured->rules +
			      sizeof(struct abi_unwind_page) * measured->pages;

	printf("%-28.28s %9.2f %9.2f %9.2f %9lu %7lu %9lu %7.2f %6.3f %%\n", name,
	       measured->seconds[COMPILE] * 1e3, measured->seconds[CACHE_FIRST] * 1e3,
	       measured->seconds[CACHED] * 1e3, measured->functions, measured->rules,
	       measured->rows, (double)bytes / (double)measured->rows,
	       100.0 * (double)measured->unsupported / (double)measured->rows);
}

int main(int argc, char **argv)
{
	struct measured total = {.rows = 0}, one;
	int folder = argc > 3 ? cache_folder_open_below(argv[1]) : -1;

	if (folder < 0) {
		fprintf(stderr, "usage: unwind_tables CACHE-FOLDER ROUNDS FILE...\n");
		return 64;
	}
	printf("%-28s %9s %9s %9s %9s %7s %9s %7s %8s\n", "file", "compile", "and keep", "cached",
	       "functions", "rules", "rows", "B/row", "no rule");
	printf("%-28s %9s %9s %9s\n", "", "ms", "ms", "ms");
	for (int i = 3; i < argc; i++) {
		const char *name = strrchr(argv[i], '/');

		if (measure(argv[i], folder, atoi(argv[2]), &one)) {
			printf("%-28.28s no table\n", name ? name + 1 : argv[i]);
			continue;
		}
		print(name ? name + 1 : argv[i], &one);
		for (int way = 0; way < WAYS; way++)
			total.seconds[way] += one.seconds[way];
		total.rows += one.rows;
		total.rules += one.rules;
		total.pages += one.pages;
		total.functions += one.functions;
		total.unsupported += one.unsupported;
	}
	if (total.rows)
		print("all of them", &total);
	close(folder);
	return total.rows ? 0 : 1;
}
