/* SPDX-License-Identifier: BSD-2-Clause
 *
 * load_log: what libbpf and the kernel's verifier say while an object is loaded -> why it was
 * rejected, in a sentence.
 *
 * The verifier is asked for its errors alone (BPF_LOG_STATS): with all its steps the log of a
 * program that is too large has hundreds of MiB, and kernels before 6.4 keep its beginning and fail
 * with ENOSPC since the rest does not fit. Before 6.1 some steps come with these too, so that a
 * program that is right could fail: there libbpf asks for a log, with all steps, after a program
 * has been refused without one.
 *
 * Place      layer 3; session has one for each load.
 * Source     libbpf 1.1, bpf_object_load_prog() and bpf_object__create_maps(): "prog '%s': BPF
 *            program load failed", "map '%s': failed to create"; btf__load_vmlinux_btf(): "loading
 *            kernel BTF '%s': %d"; kernel/bpf/verifier.c,
 *            bpf_check(): -ENOSPC of a full log; where it looks at log.level alone and not at
 *            BPF_LOG_LEVEL.
 * Ownership  load_log_begin() gives, load_log_end() takes.
 * Bounds     LOAD_LOG_BYTES; of a line LOAD_LOG_LINE bytes. Text of the kernel's is made printable.
 * Threads    libbpf has one printer for all threads: each thread's words go to the log that it has
 *            begun.
 */
#ifndef PYLEAKTRACE_PROBE_LOAD_LOG_H
#define PYLEAKTRACE_PROBE_LOAD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

#define LOAD_LOG_BYTES (1 << 20)
#define LOAD_LOG_LINE  160
#define LOAD_LOG_TAIL  8

struct load_log {
	bool verbose;     /* libbpf's own words go to stderr too */
	char program[32]; /* that was refused; "": none */
	char map[32];     /* that could not be made; "": none */
	int btf_error; /* errno of reading the kernel's BTF, which the load then hides; 0: none */
	char *text;    /* of the verifier, on the program that was loaded last; "": nothing */
};

/* How much libbpf asks for: kernel_log_level of its options. in  kernel: as in struct features */
unsigned load_log_level(unsigned kernel);

/* return false: memory is out */
bool load_log_begin(struct load_log *log, bool verbose);
void load_log_end(struct load_log *log);

/*
 * The verifier's last word in a log: the last line that is no figure.
 *
 * out    line: "" when it said nothing
 */
void load_log_last(const char *text, char line[LOAD_LOG_LINE]);

/*
 * "the verifier rejects program on_return: R2 unbounded memory access, ..." or "the map blocks
 * cannot be made: Cannot allocate memory"; of neither what the error says.
 *
 * in     error: > 0, of the load; ENOSPC is that of a full log
 */
void load_log_reason(const struct load_log *log, int error, char *reason, size_t size);

/* What that is: a limit of this shell is no lack of the kernel's. */
enum err_code load_log_code(const struct load_log *log, int error);

/* The last LOAD_LOG_TAIL lines of the verifier, indented, below the name of the program; nothing
 * where it said nothing. */
void load_log_tail(const struct load_log *log, FILE *out);

#endif
