/* SPDX-License-Identifier: BSD-2-Clause
 *
 * heap: what is in the heap of a live CPython. Memory is read, without BPF and probes; only
 * heap_watch has watchpoints and a BPF program. Each view is a file of its own.
 */
#include "cli/commands.h"

#include "cli/heap_census.h"
#include "cli/heap_held.h"
#include "cli/heap_options.h"
#include "cli/heap_trend.h"
#include "cli/heap_watch.h"
#include "probe/prober.h"

static int run(const struct heap_options *options)
{
	if (options->watch.n) {
		int result;

		prober_start();
		result = heap_watch(options);
		prober_stop();
		return result;
	}
	if (options->trend)
		return heap_trend(options);
	if (options->chain || options->backrefs || (options->holders && !options->growth))
		return heap_held(options);
	return heap_census(options);
}

int command_heap(int argc, char **argv)
{
	struct heap_options options;
	enum options_result parsed = heap_options_parse(&options, argc, argv);
	int result;

	if (parsed == OPTIONS_RUN)
		result = run(&options);
	else
		result = parsed == OPTIONS_DONE ? 0 : ERR_USAGE;
	heap_options_fini(&options);
	return result;
}
