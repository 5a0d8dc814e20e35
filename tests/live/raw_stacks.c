/* SPDX-License-Identifier: BSD-2-Clause
 *
 * raw_stacks: a process -> every stack that BPF recorded, as it recorded it, also those of which
 * nothing is left. The live tests compare them with a debugger's.
 *
 * usage: raw_stacks PID
 *
 * Prints "functions" and their addresses in libc; attaches after a line on standard input and
 * prints "tracing"; after another line prints one line per stack, and ends:
 *
 *   malloc 20 f 7f12a0 7f12b4 ... | 3 gap 0
 *   |      |  |                     | |
 *   domain |  C frames' addresses   | reason of the gap that ends the C frames, 0: none
 *          |  (!: exact)            activations of the evaluation loop that the Python frames stand
 *                                   for
 *          allocations
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "probe/session.h"
#include "probe/session_maps.h"

struct watch {
	struct process process;
	struct py_runtime runtime;
	struct features features;
	struct plan plan;
	struct code_map code;
	struct code_tables *tables;
	struct session *session;
};

/* where a debugger is to stop: its own idea of `malloc` may be the dynamic linker's */
static void print_functions(const struct watch *watch)
{
	static const char *const functions[] = {"getsid",  "malloc",         "calloc",
						"realloc", "posix_memalign", "aligned_alloc"};

	printf("functions");
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		printf(" %" PRIx64, module_symbol(&watch->runtime.libc, functions[i]));
	puts("");
}

static void wait_for_line(void)
{
	int c;

	fflush(stdout);
	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

static int begin(struct watch *watch, pid_t pid, struct err *err)
{
	const struct plan_options plan_options = {.domains = 7};
	struct session_options options = {
		.max_blocks = 1 << 20, .max_stacks = 32768, .max_size = UINT64_MAX};
	int result = process_open(&watch->process, pid, err);

	if (!result)
		result = py_runtime_find(&watch->runtime, &watch->process, err);
	if (result)
		return result;
	print_functions(watch);
	wait_for_line();
	features_detect(&watch->features);
	if (!result)
		result = plan_make(&watch->plan, &watch->runtime, &watch->process, &watch->features,
				   &plan_options, err);
	code_map_init(&watch->code, pid);
	if (!result)
		result = code_map_update(&watch->code, err) < 0 ? -1 : 0;
	watch->tables = code_tables_new(&watch->code);
	code_tables_compile(watch->tables);
	options.code = watch->tables;
	options.multi = watch->features.uprobe_multi;
	if (!result)
		result = session_open(&watch->session, &watch->process, &watch->runtime,
				      &watch->plan, &options, err);
	if (!result)
		result = session_attach(watch->session, err);
	if (!result)
		session_start(watch->session);
	return result;
}

static void print_site(const struct session_view *view, uint32_t id)
{
	static const char *const domains[] = {"malloc", "object", "mmap"};
	const struct abi_site *site = &view->sites[id];
	const struct abi_frame *frames = view->frames[site->first_chunk].frames;
	unsigned runs = 0, gap = 0, open = 0;

	printf("%s %llu f", domains[site->domain], site->allocated_count);
	for (uint32_t i = 0; i < site->n_frames; i++) {
		unsigned kind = ABI_FRAME_KIND(frames[i].tag);

		if (kind == ABI_FRAME_NATIVE)
			printf(" %llx%s", frames[i].where,
			       frames[i].tag & ABI_FRAME_EXACT ? "!" : "");
		else if (kind == ABI_FRAME_GAP && frames[i].unit >= ABI_GAP_NATIVE_FIRST)
			gap = frames[i].unit;
		else if (kind == ABI_FRAME_PYTHON)
			open = 1;
		if (kind == ABI_FRAME_PYTHON && frames[i].tag & ABI_FRAME_RUN_END) {
			runs++;
			open = 0;
		}
	}
	printf(" | %u gap %u\n", runs + open, gap);
}

int main(int argc, char **argv)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	struct err err = ERR_INIT;
	struct session_view view;

	if (!watch || argc != 2 || begin(watch, atoi(argv[1]), &err)) {
		fprintf(stderr, "raw_stacks: %s\n", err.text);
		return 1;
	}
	puts("tracing");
	wait_for_line();
	session_stop(watch->session);
	session_look(watch->session, &view);
	for (uint32_t id = ABI_FIRST_SITE; id < view.n_sites; id++)
		if (view.sites[id].hash)
			print_site(&view, id);
	session_close(watch->session);
	return 0;
}
