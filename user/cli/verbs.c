/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/verbs.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/slips.h"
#include "cli/commands.h"

#define ENDS " Ctrl-C ends it with a final report."
#define LOOKS                                                                               \
	"USR1 makes a report now, USR2 forgets the past, INT and TERM end it with a final " \
	"report."
#define RUNS_ON                                                                               \
	"The process runs on and nothing in it is changed: its memory is read from outside. " \
	"No BPF is needed."
#define READS                                                                                  \
	"The process runs on (except with --frozen) and nothing in it is changed: its memory " \
	"is read from outside. No BPF is needed."
#define TYPE                                                                                     \
	"TYPE is a name with or without its module, or a pattern (app.*); ADDRESS is what id() " \
	"gives."

const struct verb verbs[VERB_COUNT] = {
	[VERB_TRACE] =
		{"", "[OPTIONS] -p PID[,PID...] [INTERVAL [COUNT]]",
		 "what a process leaks, by stack",
		 "Show what a live CPython process leaks, by stack: every INTERVAL seconds (5), "
		 "COUNT "
		 "times (endless)." ENDS
		 " Meanwhile the target has breakpoints and debug registers set, and builds with "
		 "inlined allocators eight pointers changed: all is undone at the end.",
		 "", DOCUMENT_TRACE, 5, command_trace},
	[VERB_HEAP] = {"heap", "-p PID [OPTIONS]", "types in the heap now",
		       "Show what is in the heap of a process now: types by count and bytes.",
		       READS, DOCUMENT_HEAP, 20, command_census},
	[VERB_GROWTH] =
		{"growth", "-p PID [OPTIONS] [TIME [INTERVAL [COUNT]]]",
		 "types and containers that grow",
		 "Scan the heap repeatedly over TIME (30s), and show which types and which named "
		 "containers grow. With INTERVAL keep going, and report every INTERVAL, COUNT "
		 "times, "
		 "what grew over the last TIME.",
		 RUNS_ON "\n\n" LOOKS, DOCUMENT_HEAP, 20, command_census},
	[VERB_HOLDERS] =
		{"holders", "-p PID [OPTIONS]",
		 "large containers by name, and what no root reaches",
		 "Show the large containers of a process by name (app.cache.SESSIONS), and the "
		 "objects that no root reaches: held from C or by a lost reference, or in cycles "
		 "that wait for a collection.",
		 READS, DOCUMENT_HEAP, 20, command_held},
	[VERB_CHAIN] =
		{"chain", "-p PID [OPTIONS] TYPE|ADDRESS", "through what objects are held",
		 "Show what holds the objects of a type: each way from a root, with its shortest "
		 "chain.",
		 TYPE "\n\n" READS, DOCUMENT_GRAPH, 20, command_held},
	[VERB_BACKREFS] = {"backrefs", "-p PID [OPTIONS] TYPE|ADDRESS",
			   "what refers to objects, as a graph",
			   "Show what refers to some objects of a type, and what refers to that.",
			   TYPE "\n\n" READS, DOCUMENT_GRAPH, 20, command_held},
	[VERB_OBJECTS] =
		{"objects", "-p PID [OPTIONS] TYPE|ADDRESS [TIME]",
		 "the newest objects: age, holder, contents (--values)",
		 "Show the newest objects of a type: age, size, how each is held, and with "
		 "--values what is in it. The heap is scanned several times over TIME (2s): an "
		 "object that a scan sees for the first time was made since the one before. An "
		 "ADDRESS shows one object, at once; with TIME with its age.",
		 TYPE "\n\n" READS
		      "\n\nUSR1 scans now, USR2 forgets the past, INT and TERM end it with the "
		      "report.",
		 DOCUMENT_HEAP, 10, command_held},
	[VERB_TREND] = {"trend", "-p PID [OPTIONS] [INTERVAL [COUNT]]",
			"where the memory is, and where it goes",
			"Look at memory, threads and files every INTERVAL (5s), COUNT times (7; "
			"endless with "
			"an INTERVAL alone), and show where the RSS is and what grows.",
			RUNS_ON "\n\n" LOOKS, DOCUMENT_TREND, 20, command_trend},
	[VERB_WATCH] =
		{"watch", "-p PID [OPTIONS] PATH...", "who changes a container",
		 "Show who inserts into a container and who removes from it, by stack, with a "
		 "hardware watchpoint: dicts, lists, sets, deques, bytearrays.",
		 "PATH is what holders prints (app.cache.SESSIONS, app.web.POOLS['eu'][0]), or an "
		 "address; at most four.\n\n"
		 "Debug registers of the target's threads are set, and cleared at the end. Needs "
		 "BPF.",
		 DOCUMENT_WATCH, 20, command_watch},
	[VERB_REFS] =
		{"refs", "-p PID [OPTIONS] PATH|TYPE...", "who takes references and keeps them",
		 "Show who takes references to an object and who drops them, by stack, with a "
		 "hardware watchpoint.",
		 "PATH is what holders prints, or an address; of a TYPE it is the newest object. "
		 "At "
		 "most four.\n\n"
		 "Debug registers of the target's threads are set, and cleared at the end. Needs "
		 "BPF.",
		 DOCUMENT_WATCH, 20, command_watch},
	[VERB_RECORD] =
		{"record", "-p PID -o FILE [OPTIONS] [INTERVAL [COUNT]]",
		 "trace, and keep each report in a file",
		 "Trace a process as pyleaktrace -p PID does, and add each report to a recording, "
		 "FILE (leak.plt): every INTERVAL seconds (5), COUNT times (endless).",
		 "The file grows by some MiB an hour. Each report is in it as soon as it is made, "
		 "so "
		 "a recording can be read while it is written, and after the tool was killed. It "
		 "has names, paths and the command line of the process, and no contents of memory.",
		 DOCUMENT_TRACE, 5, command_trace},
	[VERB_REPORT] =
		{"report", "FILE [OPTIONS]", "show a report of a recording again",
		 "Show the last report of a recording, as it was shown when it was made, or with "
		 "--to or --from the last of a span.",
		 "Needs neither root nor the process. What of the file is damaged or cut is said; "
		 "the reports around it are read.",
		 DOCUMENT_TRACE, 5, command_report},
	[VERB_DIFF] =
		{"diff", "OLD [NEW] [OPTIONS]", "what grew between two reports of recordings",
		 "Show what grew between the last reports of two recordings, or from the first to "
		 "the last report of one, or of a span of it.",
		 "Needs neither root nor the process. Stacks are compared by their frames, so two "
		 "runs of a program can be compared, as long as its lines are the same.",
		 DOCUMENT_DIFF, 5, command_diff},
	[VERB_DOCTOR] =
		{"doctor", "[-p PID] [OPTIONS]", "what works here, what does not, why, what to do",
		 "Say what works here, what does not, why, and what to do; with -p also "
		 "what a trace "
		 "of that process would do and cost. Changes nothing, except with --restore.",
		 "", DOCUMENT_TRACE, 0, command_doctor},
};

const struct verb *verb_by_name(const char *word)
{
	for (size_t i = VERB_TRACE + 1; i < VERB_COUNT; i++)
		if (strcmp(word, verbs[i].name) == 0)
			return &verbs[i];
	return NULL;
}

const struct verb *verb_near(const char *word)
{
	const struct verb *nearest = NULL;
	unsigned best = 3;

	/* nearly "heap", and meant as it stands */
	if (strlen(word) > VERB_WORD_MAX || strcmp(word, "help") == 0)
		return NULL;
	for (size_t i = VERB_TRACE + 1; i < VERB_COUNT; i++) {
		unsigned slips = slips_between(word, verbs[i].name);

		if (slips < best && slips <= slips_forgiven(verbs[i].name)) {
			best = slips;
			nearest = &verbs[i];
		}
	}
	return nearest;
}

void verb_full_name(const struct verb *verb, char *text, size_t size)
{
	snprintf(text, size, "pyleaktrace%s%s", *verb->name ? " " : "", verb->name);
}
