/* SPDX-License-Identifier: BSD-2-Clause */
#include "census/describe.h"

#include <stdlib.h>
#include <string.h>

struct profile *describe_target(const struct target *target)
{
	const struct process *process = &target->process;
	const struct py_runtime *runtime = &target->runtime;
	struct profile *about = profile_new();
	struct process_stats stats;
	size_t n_words = 0;
	char **words = process_cmdline(process, &n_words);
	const char **copies, *slash;

	if (!about || !words) {
		free(words);
		profile_free(about);
		return NULL;
	}
	clock_gettime(CLOCK_REALTIME, &about->time);
	about->target.pid = process->pid;
	about->target.exe = profile_str(about, process->exe, -1);
	copies = profile_alloc(about, (n_words + 1) * sizeof(*copies));
	for (size_t i = 0; i < n_words; i++)
		copies[i] = profile_str(about, words[i], -1);
	about->target.cmdline = copies;
	about->target.n_cmdline = n_words;
	about->target.python = profile_str(about, runtime->version, -1);
	about->target.implementation = "CPython";
	slash = strrchr(runtime->python.path, '/');
	about->target.python_module =
		profile_str(about, slash ? slash + 1 : runtime->python.path, -1);
	process_stats(process, &stats);
	about->target.threads = stats.threads;
	about->target.rss_bytes = stats.rss_bytes;
	about->target.stopped = process_stopped(process);
	about->target.end = process_alive(process) ? TARGET_RUNS : TARGET_EXITED;
	about->target.end_detail = -1;
	free(words);
	return about;
}
