/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe/load_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/escape.h"
#include "probe/features.h"

#define ERRORS_ALONE 4 /* BPF_LOG_STATS */
#define LOADING_BTF  "loading kernel BTF"

static _Thread_local struct load_log *current;

/* What stands in quotes behind `before`, when `after` is in the text. */
static void take_name(const char *text, const char *before, const char *after, char *name,
		      size_t size)
{
	const char *begin = strstr(text, before);
	size_t length;

	if (!begin || !strstr(text, after))
		return;
	begin += strlen(before);
	length = strcspn(begin, "'");
	snprintf(name, size, "%.*s", length < size ? (int)length : (int)size - 1, begin);
}

/* "loading kernel BTF '/sys/kernel/btf/vmlinux': -12", or with the name of the error. */
static void take_btf_error(const char *text)
{
	const char *colon = strstr(text, LOADING_BTF) ? strrchr(text, ':') : NULL;

	if (!colon)
		return;
	current->btf_error = (int)-strtol(colon + 1, NULL, 10);
	if (strstr(colon, "ENOMEM"))
		current->btf_error = ENOMEM;
	if (strstr(colon, "EMFILE"))
		current->btf_error = EMFILE;
}

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[512];

	if (!current || (level == LIBBPF_DEBUG && !strstr(format, LOADING_BTF)))
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	take_btf_error(text);
	if (level == LIBBPF_DEBUG)
		return 0;
	if (current->verbose)
		fputs(text, stderr);
	take_name(text, "prog '", "load failed", current->program, sizeof(current->program));
	take_name(text, "map '", "failed to create", current->map, sizeof(current->map));
	return 0;
}

unsigned load_log_level(unsigned kernel)
{
	return kernel >= KERNEL(6, 1) ? ERRORS_ALONE : 0;
}

bool load_log_begin(struct load_log *log, bool verbose)
{
	memset(log, 0, sizeof(*log));
	log->verbose = verbose;
	log->text = calloc(1, LOAD_LOG_BYTES);
	libbpf_set_print(print);
	if (log->text)
		current = log;
	return log->text != NULL;
}

void load_log_end(struct load_log *log)
{
	if (current == log)
		current = NULL;
	free(log->text);
	log->text = NULL;
}

/* Figures of what it took, at the end of each log (BPF_LOG_STATS); lines of the source, where an
 * instruction is from. */
static bool is_figure(const char *line)
{
	static const char *const begins[] = {"processed ", "verification time ", "stack depth ",
					     ";"};
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (strncmp(line, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

void load_log_last(const char *text, char line[LOAD_LOG_LINE])
{
	char copy[LOAD_LOG_LINE];

	line[0] = '\0';
	while (*text) {
		size_t length = strcspn(text, "\n");

		if (length && !is_figure(text)) {
			snprintf(copy, sizeof(copy), "%.*s",
				 length < sizeof(copy) ? (int)length : (int)sizeof(copy) - 1, text);
			escape_copy(line, LOAD_LOG_LINE, copy);
		}
		text += length + (text[length] == '\n');
	}
}

enum err_code load_log_code(const struct load_log *log, int error)
{
	if (error == EPERM)
		return ERR_PERMISSION;
	return err_is_limit(error) || err_is_limit(log->btf_error) ? ERR_FAILED : ERR_KERNEL;
}

void load_log_reason(const struct load_log *log, int error, char *reason, size_t size)
{
	char last[LOAD_LOG_LINE];

	load_log_last(log->text, last);
	if (error == ENOSPC)
		snprintf(last, sizeof(last), "it is too large (its log has more than %d bytes)",
			 LOAD_LOG_BYTES);
	/* reading kernel memory is what a lockdown takes away; securityfs, which says so, may not
	 * be mounted */
	if (log->program[0])
		snprintf(reason, size, "the kernel's verifier rejects program %s: %s%s",
			 log->program, last[0] ? last : strerror(error),
			 strstr(last, "bpf_probe_read_kernel") ? " (lockdown=confidentiality?)"
							       : "");
	else if (log->map[0])
		snprintf(reason, size, "the kernel refuses the map %s: %s%s", log->map,
			 strerror(error), err_remedy(error));
	else if (log->btf_error)
		snprintf(reason, size, "the kernel's BTF cannot be read: %s%s",
			 strerror(log->btf_error), err_remedy(log->btf_error));
	else
		snprintf(reason, size, "the kernel refuses the BPF object: %s%s", strerror(error),
			 err_remedy(error));
}

void load_log_tail(const struct load_log *log, FILE *out)
{
	const char *at = log->text + strlen(log->text);
	unsigned lines = 0;

	if (!log->program[0] || at == log->text)
		return;
	/* the line break at the very end ends the last line */
	while (at > log->text && lines < LOAD_LOG_TAIL)
		if (*--at == '\n' && at[1])
			lines++;
	at += lines == LOAD_LOG_TAIL;
	fprintf(out, "  the verifier's last words on %s:\n", log->program);
	while (*at) {
		size_t length = strcspn(at, "\n");
		char line[LOAD_LOG_LINE], copy[LOAD_LOG_LINE];

		snprintf(copy, sizeof(copy), "%.*s",
			 length < sizeof(copy) ? (int)length : (int)sizeof(copy) - 1, at);
		fprintf(out, "    %s\n", escape_copy(line, sizeof(line), copy));
		at += length + (at[length] == '\n');
	}
}
