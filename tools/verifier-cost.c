/* SPDX-License-Identifier: BSD-2-Clause
 *
 * verifier-cost: a built BPF object -> what the running kernel's verifier spends on each program
 * and how much stack it finds, with the facts of each row of the layout table; run by
 * tools/verifier-cost.
 *
 * usage: verifier-cost OBJECT NATIVE [CPYTHON]
 *
 *   OBJECT    pyleaktrace.bpf.o
 *   NATIVE    1: C frames are walked, 0: they are not
 *   CPYTHON   only this row (3.11, 3.14t); all
 *
 * The facts are constants to the verifier, so the cost differs from one CPython to the next. All
 * programs of one load are verified; one line each: instructions processed, states, bytes of stack
 * along the deepest chain of calls, size after the JIT, the CPython that is the most expensive.
 *
 * exit 0; 1: the kernel refuses a program (its last words are printed), or a program is beyond
 *      STEPS_MOST or STACK_MOST: the kernel takes more today, another kernel may not
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
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
#define ROW_NAME     24
#define MAX_SUBPROGS 64 /* functions of one program; the kernel takes 256 */

/* What leaves room for the verifiers and compilers that nobody here has tried: the kernel's own
 * limits are 1,000,000 steps, and 512 bytes for all frames of a chain of calls, each rounded up to
 * 32 bytes. */
#define STEPS_MOST  400000
#define STACK_MOST  448
#define STACK_ROUND 32

struct cost {
	const char *program;
	unsigned instructions, states, stack, jited;
	char row[ROW_NAME]; /* the CPython that costs most */
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

/* ---- stack ---------------------------------------------------------------------------------- */

/* The functions of one program, in the order of their instructions: the first one is its entry. */
struct functions {
	unsigned n;
	unsigned start[MAX_SUBPROGS + 1]; /* of each, and behind the last */
	unsigned depth[MAX_SUBPROGS];     /* bytes of stack */
};

/*
 * The instruction that this one calls or passes as a callback; -1: it does neither.
 *
 * Source     jit_subprogs() of the kernel's kernel/bpf/verifier.c: what it leaves for those who ask
 *            for the program
 */
static long callee(const struct bpf_insn *code, unsigned at)
{
	if (code[at].code == (BPF_JMP | BPF_CALL) && code[at].src_reg == BPF_PSEUDO_CALL)
		return (long)at + code[at].off + 1;
	if (code[at].code == (BPF_LD | BPF_IMM | BPF_DW) && code[at].src_reg == BPF_PSEUDO_FUNC)
		return (long)at + code[at].imm + 1;
	return -1;
}

static void add_function(struct functions *functions, unsigned start)
{
	unsigned i = functions->n;

	for (unsigned known = 0; known < functions->n; known++)
		if (functions->start[known] == start)
			return;
	if (functions->n == MAX_SUBPROGS)
		return;
	for (; i > 0 && functions->start[i - 1] > start; i--)
		functions->start[i] = functions->start[i - 1];
	functions->start[i] = start;
	functions->n++;
}

/* Bytes of stack of the deepest chain of calls that begins with this function. */
static unsigned chain_depth(const struct functions *functions, const struct bpf_insn *code,
			    unsigned function)
{
	unsigned own = functions->depth[function] ? functions->depth[function] : 1, deepest = 0;

	for (unsigned at = functions->start[function]; at < functions->start[function + 1]; at++) {
		long to = callee(code, at);

		for (unsigned i = 0; to >= 0 && i < functions->n; i++) {
			unsigned depth = functions->start[i] == (unsigned)to
						 ? chain_depth(functions, code, i)
						 : 0;

			deepest = depth > deepest ? depth : deepest;
		}
	}
	return (own + STACK_ROUND - 1) / STACK_ROUND * STACK_ROUND + deepest;
}

/* The program as the kernel has it, without what it found to be dead; NULL: it does not say. */
static struct bpf_insn *loaded_code(const struct bpf_program *program, unsigned *n)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);
	struct bpf_insn *code;
	int fd = bpf_program__fd(program);

	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return NULL;
	*n = info.xlated_prog_len / sizeof(*code);
	code = calloc(*n + 1, sizeof(*code));
	info = (struct bpf_prog_info){.xlated_prog_len = *n * (__u32)sizeof(*code),
				      .xlated_prog_insns = (uintptr_t)code};
	length = sizeof(info);
	if (code && bpf_obj_get_info_by_fd(fd, &info, &length) == 0)
		return code;
	free(code);
	return NULL;
}

/* log: it has "stack depth 96+112+0", one number a function that is left; BPF has no recursion. */
static unsigned combined_stack(const struct bpf_program *program, const char *log)
{
	const char *line = strstr(log, "stack depth ");
	struct functions functions = {.n = 1};
	unsigned n_code, result = 0;
	struct bpf_insn *code = loaded_code(program, &n_code);

	if (!line || !code)
		goto done;
	for (unsigned at = 0; at < n_code; at++) {
		long to = callee(code, at);

		if (to >= 0)
			add_function(&functions, (unsigned)to);
	}
	functions.start[functions.n] = n_code;
	line += strlen("stack depth ");
	for (unsigned i = 0; i < functions.n; i++) {
		char *end;

		functions.depth[i] = (unsigned)strtoul(line, &end, 10);
		line = *end == '+' ? end + 1 : end;
	}
	result = chain_depth(&functions, code, 0);
done:
	free(code);
	return result;
}

/* ---- cost ----------------------------------------------------------------------------------- */

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
	unsigned stack = combined_stack(program, log);

	if (stack > cost->stack)
		cost->stack = stack;
	if (instructions < cost->instructions)
		return;
	cost->program = bpf_program__name(program);
	cost->instructions = instructions;
	cost->states = total ? (unsigned)strtoul(total + strlen("total_states "), NULL, 10) : 0;
	cost->jited = jited_bytes(program);
	snprintf(cost->row, sizeof(cost->row), "%s", row);
}

static void row_name(const struct py_layout *layout, char name[ROW_NAME])
{
	snprintf(name, ROW_NAME, "3.%u%s", layout->minor, layout->free_threaded ? "t" : "");
}

/*
 * Before 6.1 a program of a perf event takes maps only that are filled beforehand, and the kernel
 * warns of the others in its log; the programs are the same. Here nothing will be in them.
 */
static void shrink_maps(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		if (bpf_map__type(map) != BPF_MAP_TYPE_HASH)
			continue;
		bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~BPF_F_NO_PREALLOC);
		bpf_map__set_max_entries(map, 64);
	}
}

static int measure(const char *path, const struct py_layout *layout, bool native,
		   struct cost *costs)
{
	char *logs[MAX_PROGRAMS] = {0}, row[ROW_NAME];
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	unsigned n = 0;
	int result;

	row_name(layout, row);
	if (!object || fill_facts(object, layout, native))
		return -1;
	shrink_maps(object);
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

/* Print one line; true when it is beyond a limit. */
static bool print_cost(const struct cost *cost)
{
	bool steps = cost->instructions > STEPS_MOST, stack = cost->stack > STACK_MOST;

	printf("%-18s %12u %8u %6u %10u  CPython %s%s%s\n", cost->program, cost->instructions,
	       cost->states, cost->stack, cost->jited, cost->row, steps ? "  TOO MANY STEPS" : "",
	       stack ? "  TOO MUCH STACK" : "");
	return steps || stack;
}

int main(int argc, char **argv)
{
	struct cost costs[MAX_PROGRAMS] = {0};
	const struct py_layout *layout;
	unsigned measured = 0;
	char row[ROW_NAME];
	int failed = 0;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: verifier-cost OBJECT NATIVE [CPYTHON]\n");
		return 64;
	}
	libbpf_set_print(print_nothing);
	for (unsigned i = 0; (layout = layout_row(i)) != NULL; i++) {
		row_name(layout, row);
		if (argc == 4 && strcmp(row, argv[3]) != 0)
			continue;
		failed |= measure(argv[1], layout, *argv[2] == '1', costs) != 0;
		measured++;
	}
	if (!measured) {
		fprintf(stderr, "verifier-cost: no CPython %s in the layout table\n", argv[3]);
		return 64;
	}
	printf("%-18s %12s %8s %6s %10s  %s\n", "program", "instructions", "states", "stack",
	       "JIT bytes", "most expensive");
	for (unsigned i = 0; i < MAX_PROGRAMS && costs[i].program; i++)
		failed |= print_cost(&costs[i]);
	return failed;
}
