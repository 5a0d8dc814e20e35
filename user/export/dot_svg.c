/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "export/formats.h"

/* The child: in and out are its standard input and output. */
static void become_dot(int in, int out)
{
	const struct rlimit limit = {EXPORT_DOT_CPU_S, EXPORT_DOT_CPU_S};

	setrlimit(RLIMIT_CPU, &limit);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execlp("dot", "dot", "-Tsvg", (char *)NULL);
	_exit(127);
}

static const char not_installed[] = "it is not installed (package graphviz)";

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
		return "it cannot be started";
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return "its exit status was lost";
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return not_installed;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? NULL : "it failed";
}

static const char *copy(FILE *out, FILE *from)
{
	char buffer[65536];
	size_t n;

	rewind(from);
	while ((n = fread(buffer, 1, sizeof(buffer), from)))
		fwrite(buffer, 1, n, out);
	return ferror(from) ? "a temporary file cannot be read" : NULL;
}

int export_dot_svg(FILE *out, const struct document *document, struct err *err)
{
	FILE *graph = tmpfile(), *picture = tmpfile();
	const char *wrong = "no temporary file for it";

	if (graph && picture) {
		export_dot(graph, document, err);
		wrong = run_dot(graph, picture);
		if (!wrong)
			wrong = copy(out, picture);
	}
	if (graph)
		fclose(graph);
	if (picture)
		fclose(picture);
	if (!wrong)
		return 0;
	err_set(err, ERR_FAILED, "SVG needs dot of Graphviz: %s", wrong);
	return wrong == not_installed ? EXPORT_NO_PROGRAM : -ERR_FAILED;
}
