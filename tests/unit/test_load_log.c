/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <cmocka.h>

#include "probe/features.h"
#include "probe/load_log.h"

static libbpf_print_fn_t printer; /* that the log has set */

static void say(enum libbpf_print_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* As libbpf says something. */
static void say(enum libbpf_print_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printer(level, format, args);
	va_end(args);
}

static void begin(struct load_log *log)
{
	assert_true(load_log_begin(log, false));
	printer = libbpf_set_print(NULL);
	assert_non_null(printer);
}

static void the_last_line_is_the_verifiers_word(void **state)
{
	static const struct {
		const char *text, *last;
	} rows[] = {
		{"", ""},
		{"\n\n", ""},
		{"R2 unbounded memory access\n", "R2 unbounded memory access"},
		{"R2 unbounded memory access, make sure to bounds check\nprocessed 812 insns "
		 "(limit "
		 "1000000) max_states_per_insn 2 total_states 60 peak_states 60 mark_read 9\n",
		 "R2 unbounded memory access, make sure to bounds check"},
		{"first\nBPF program is too large. Processed 1000001 insn\nverification time 40 "
		 "usec\nstack depth 96+112\nprocessed 1000001 insns",
		 "BPF program is too large. Processed 1000001 insn"},
		{"processed 1 insns\n", ""},
		{"invalid bpf_context access off=176 size=8\n; i = find_watch(ctx->addr); @ "
		 "watchpoint.bpf.h:132\nprocessed 9 insns\n",
		 "invalid bpf_context access off=176 size=8"},
		{"cut in the mid", "cut in the mid"},
		{"\033[2J evil\n", "\\x1b[2J evil"},
	};
	char line[LOAD_LOG_LINE], longer[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		load_log_last(rows[i].text, line);
		assert_string_equal(line, rows[i].last);
	}
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	load_log_last(longer, line);
	assert_int_equal(strlen(line), LOAD_LOG_LINE - 1);
}

static void check_reason(const struct load_log *log, int error, const char *wanted)
{
	char reason[2 * LOAD_LOG_LINE];

	load_log_reason(log, error, reason, sizeof(reason));
	assert_string_equal(reason, wanted);
}

/* Which program, and the verifier's last word on it. */
static void the_program_and_the_verifiers_word_are_named(void **state)
{
	struct load_log log;

	(void)state;
	begin(&log);
	say(LIBBPF_INFO, "libbpf: prog 'on_entry': found something\n");
	assert_string_equal(log.program, "");
	say(LIBBPF_WARN, "libbpf: prog '%s': BPF program load failed: %s\n", "on_return",
	    "Invalid argument");
	say(LIBBPF_WARN, "libbpf: failed to load object 'pyleaktrace_bpf'\n");
	assert_string_equal(log.program, "on_return");
	strcpy(log.text, "combined stack size of 4 calls is 656. Too large\nprocessed 9 insns\n");
	check_reason(&log, EACCES,
		     "the kernel's verifier rejects program on_return: combined stack size of 4 "
		     "calls is 656. Too large");
	log.text[0] = '\0';
	check_reason(&log, E2BIG,
		     "the kernel's verifier rejects program on_return: Argument list too long");
	load_log_end(&log);
}

/* As many lines as are worth showing, the last of them. */
static void the_last_lines_are_shown(void **state)
{
	char *text = NULL, *wanted = NULL;
	struct load_log log;
	size_t size;
	FILE *out;

	(void)state;
	for (int n = 0; n <= 12; n++) {
		for (int newline = 0; newline < 2; newline++) {
			begin(&log);
			say(LIBBPF_WARN, "libbpf: prog 'p': BPF program load failed: %s\n", "x");
			out = open_memstream(&wanted, &size);
			if (n)
				fputs("  the verifier's last words on p:\n", out);
			for (int i = 0; i < n; i++) {
				sprintf(log.text + strlen(log.text), "line %d%s", i,
					i + 1 < n || newline ? "\n" : "");
				if (i >= n - LOAD_LOG_TAIL)
					fprintf(out, "    line %d\n", i);
			}
			fclose(out);
			out = open_memstream(&text, &size);
			load_log_tail(&log, out);
			fclose(out);
			assert_string_equal(text, wanted);
			free(text);
			free(wanted);
			load_log_end(&log);
		}
	}
}

/* A log that was too short for a program says nothing of its end. */
static void a_log_that_is_full_says_nothing_of_its_end(void **state)
{
	struct load_log log;

	(void)state;
	begin(&log);
	say(LIBBPF_WARN, "libbpf: prog '%s': BPF program load failed: %s\n", "on_return",
	    "No space left on device");
	strcpy(log.text, "0: (b7) r1 = 1\n");
	check_reason(
		&log, ENOSPC,
		"the kernel's verifier rejects program on_return: it is too large (its log has "
		"more than 1048576 bytes)");
	load_log_end(&log);
}

static void a_map_that_is_refused_is_named(void **state)
{
	struct load_log log;

	(void)state;
	begin(&log);
	say(LIBBPF_WARN, "libbpf: map '%s': failed to create: %s(%d)\n", "blocks",
	    "Cannot allocate memory", -12);
	check_reason(
		&log, ENOMEM,
		"the kernel refuses the map blocks: Cannot allocate memory; raise ulimit -v, or "
		"free memory");
	load_log_end(&log);
	begin(&log);
	check_reason(&log, EPERM, "the kernel refuses the BPF object: Operation not permitted");
	load_log_end(&log);
	/* whoever speaks when nobody listens */
	say(LIBBPF_WARN, "libbpf: prog 'x': BPF program load failed: y\n");
}

/* What this shell lacks is no lack of the kernel's. */
static void a_limit_of_this_shell_is_named(void **state)
{
	struct load_log log;

	(void)state;
	begin(&log);
	check_reason(&log, EMFILE,
		     "the kernel refuses the BPF object: Too many open files; raise ulimit -n");
	assert_int_equal(load_log_code(&log, EMFILE), ERR_FAILED);
	assert_int_equal(load_log_code(&log, EINVAL), ERR_KERNEL);
	assert_int_equal(load_log_code(&log, EPERM), ERR_PERMISSION);
	assert_int_equal(load_log_code(&log, ESRCH), ERR_KERNEL);
	/* libbpf then says ESRCH */
	say(LIBBPF_DEBUG, "libbpf: loading kernel BTF '%s': %d\n", "/sys/kernel/btf/vmlinux", -12);
	assert_int_equal(load_log_code(&log, ESRCH), ERR_FAILED);
	check_reason(&log, ESRCH,
		     "the kernel's BTF cannot be read: Cannot allocate memory; raise ulimit -v, or "
		     "free memory");
	load_log_end(&log);
	begin(&log);
	say(LIBBPF_DEBUG, "libbpf: loading kernel BTF '%s': %d\n", "/sys/kernel/btf/vmlinux", 0);
	assert_int_equal(log.btf_error, 0);
	load_log_end(&log);
}

static void the_level_suits_the_kernel(void **state)
{
	(void)state;
	assert_int_equal(load_log_level(KERNEL(5, 15)), 0);
	assert_int_equal(load_log_level(KERNEL(6, 0)), 0);
	assert_int_equal(load_log_level(KERNEL(6, 1)), 4);
	assert_int_equal(load_log_level(KERNEL(7, 3)), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_line_is_the_verifiers_word),
		cmocka_unit_test(the_program_and_the_verifiers_word_are_named),
		cmocka_unit_test(a_log_that_is_full_says_nothing_of_its_end),
		cmocka_unit_test(a_map_that_is_refused_is_named),
		cmocka_unit_test(a_limit_of_this_shell_is_named),
		cmocka_unit_test(the_level_suits_the_kernel),
		cmocka_unit_test(the_last_lines_are_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
