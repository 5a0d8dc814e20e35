/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier-cost: a built BPF object -> what the kernel's verifier spends on each program, with the
 * facts of each row of the layout table; run by tools/verifier-cost.
 *
 * The facts are constants to the verifier, so the cost is another for each CPython. All programs of
 * one load are verified; one line each: instructions processed, states, size after the JIT.
 *
 * exit 0, 1: the kernel refused a program (its last words are printed)
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/facts.h"
#include "probe/facts.h"
#include "python/layout.h"

#define LOG_STATS    4 /* BPF_LOG_STATS of the kernel's bpf_verifier.h */
#define LOG_BYTES    (1 << 20)
#define MAX_PROGRAMS 32

struct cost {
	const char *program;
	unsigned instructions, states, jited;
	char row[24]; /* the CPython that costs most */
};

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* What a real session would write, with one way of each kind that needs reads. */
static int fill_facts(struct bpf_object *object, const struct py_layout *layout, bool native)
{
	static const struct py_tstate_way ways[] = {{PY_TSTATE_DTV, 16, 0, 3},
						    {PY_TSTATE_TSS, 784, 3, 0},
						    {PY_TSTATE_GLOBAL, 0x7000, 0, 0}};
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	struct py_runtime *runtime = calloc(1, sizeof(*runtime));
	struct abi_facts facts = {.tgid = 1, .domains = 7, .max_size = ~0ull};
	struct err err = ERR_INIT;
	size_t size = 0;
	int result;

	runtime->layout = *layout;
	memcpy(runtime->ways, ways, sizeof(ways));
	runtime->n_ways = 3;
	facts.max_sites = 1 << 16;
	facts.max_chunks = 1 << 17;
	facts.code_frees = 1;
	facts.native = native;
	facts.by_thread = 1;
	result = facts_fill(&facts.python, runtime, &err);
	free(runtime);
	if (result) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	/* the only variable in it (bpf/maps.bpf.h) */
	if (!map || !bpf_map__initial_value(map, &size) || size < sizeof(facts))
		return -1;
	memcpy((void *)bpf_map__initial_value(map, &size), &facts, sizeof(facts));
	return 0;
}

static unsigned jited_bytes(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length)
		       ? 0
		       : info.jited_prog_len;
}

/*
 * "processed 812 insns (limit 1000000) max_states_per_insn 2 total_states 60 peak_states 60
 * mark_read 9"
 */
static void keep_cost(struct cost *cost, const struct bpf_program *program, const char *log,
		      const char *row)
{
	const char *line = strstr(log, "processed ");
	const char *total = strstr(log, "total_states ");
	unsigned instructions = line ? (unsigned)strtoul(line + strlen("processed "), NULL, 10) : 0;

	if (instructions < cost->instructions)
		return;
	cost->program = bpf_program__name(program);
	cost->instructions = instructions;
	cost->states = total ? (unsigned)strtoul(total + strlen("total_states "), NULL, 10) : 0;
	cost->jited = jited_bytes(program);
	snprintf(cost->row, sizeof(cost->row), "%s", row);
}

static int measure(const char *path, const struct py_layout *layout, bool native,
		   struct cost *costs)
{
	char *logs[MAX_PROGRAMS] = {0}, row[24];
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	unsigned n = 0;
	int result;

	snprintf(row, sizeof(row), "3.%u%s", layout->minor, layout->free_threaded ? "t" : "");
	if (!object || fill_facts(object, layout, native))
		return -1;
	bpf_object__for_each_program(program, object)
	{
		if (n == MAX_PROGRAMS)
			return -1;
		logs[n] = calloc(1, LOG_BYTES);
		bpf_program__set_log_level(program, LOG_STATS);
		bpf_program__set_log_buf(program, logs[n++], LOG_BYTES);
	}
	result = bpf_object__load(object);
	n = 0;
	bpf_object__for_each_program(program, object)
	{
		if (result && strlen(logs[n]) > 0)
			fprintf(stderr, "CPython %s, %s:\n%.2000s\n", row,
				bpf_program__name(program), logs[n]);
		else if (!result)
			keep_cost(&costs[n], program, logs[n], row);
		n++;
	}
	/* names belong to the object: keep them */
	for (unsigned i = 0; i < n; i++) {
		if (costs[i].program)
			costs[i].program = strdup(costs[i].program);
		free(logs[i]);
	}
	bpf_object__close(object);
	if (result)
		fprintf(stderr, "CPython %s: the kernel refuses the object: %s\n", row,
			strerror(-result));
	return result;
}

int main(int argc, char **argv)
{
	struct cost costs[MAX_PROGRAMS] = {0};
	const struct py_layout *layout;
	int failed = 0;

	if (argc != 3)
		return 64;
	libbpf_set_print(print_nothing);
	for (unsigned i = 0; (layout = layout_row(i)) != NULL; i++)
		failed |= measure(argv[1], layout, *argv[2] == '1', costs) != 0;
	printf("%-18s %12s %8s %12s  %s\n", "program", "instructions", "states", "JIT bytes",
	       "dearest");
	for (unsigned i = 0; i < MAX_PROGRAMS && costs[i].program; i++)
		printf("%-18s %12u %8u %12u  CPython %s\n", costs[i].program, costs[i].instructions,
		       costs[i].states, costs[i].jited, costs[i].row);
	return failed;
}
