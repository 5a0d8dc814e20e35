/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/heap_picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "export/outputs.h"
#include "export/dot.h"

static int write_dot(FILE *out, const void *context, struct err *err)
{
	(void)err;
	export_dot(out, context);
	return 0;
}

static int write_copy(FILE *out, const void *context, struct err *err)
{
	FILE *from = (FILE *)context;
	char buffer[65536];
	size_t n;

	rewind(from);
	while ((n = fread(buffer, 1, sizeof(buffer), from)))
		fwrite(buffer, 1, n, out);
	return ferror(from) ? err_set(err, ERR_FAILED, "a temporary file cannot be read") : 0;
}

/* The child: in and out are its standard input and output. */
static void become_dot(int in, int out)
{
	const struct rlimit limit = {PICTURE_CPU_S, PICTURE_CPU_S};

	setrlimit(RLIMIT_CPU, &limit);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execlp("dot", "dot", "-Tsvg", (char *)NULL);
	_exit(127);
}

/* return what went wrong; NULL: nothing */
static const char *run_dot(FILE *in, FILE *out)
{
	int status;
	pid_t child;

	if (fflush(in) || fseek(in, 0, SEEK_SET))
		return "a temporary file cannot be written";
	fflush(NULL);
	child = fork();
	if (child == 0)
		become_dot(fileno(in), fileno(out));
	if (child < 0)
		return "no process for it";
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return "it was lost";
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return "it is not installed (package graphviz)";
	return WIFEXITED(status) && !WEXITSTATUS(status) ? NULL : "it failed";
}

/* chain.svg -> chain.dot */
static int write_instead(const struct heap_held *held, const struct heap_output *output, pid_t pid,
			 time_t time, const char *why, struct err *err)
{
	char *name = strdup(output->pattern);
	int result;

	if (!name)
		return err_set(err, ERR_FAILED, "no memory for a name");
	memcpy(name + strlen(name) - 3, "dot", 3);
	fprintf(stderr, "pyleaktrace: %s needs dot of Graphviz: %s; %s is written instead\n",
		output->pattern, why, name);
	result = outputs_write(name, pid, time, write_dot, held, err);
	free(name);
	return result;
}

int heap_picture_write(const struct heap_held *held, const struct heap_output *output, pid_t pid,
		       time_t time, struct err *err)
{
	FILE *in = NULL, *out = NULL;
	const char *wrong = "no temporary file for it";
	int result;

	if (output->picture == PICTURE_DOT)
		return outputs_write(output->pattern, pid, time, write_dot, held, err);
	in = tmpfile();
	out = tmpfile();
	if (in && out) {
		export_dot(in, held);
		wrong = run_dot(in, out);
	}
	result = wrong ? write_instead(held, output, pid, time, wrong, err)
		       : outputs_write(output->pattern, pid, time, write_copy, out, err);
	if (in)
		fclose(in);
	if (out)
		fclose(out);
	return result;
}
