/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/verdict.h"

const char *verdict_state_name(enum verdict_state state)
{
	static const char *const names[] = {[VERDICT_TOO_EARLY] = "TOO EARLY",
					    [VERDICT_NO_LEAK] = "NO LEAK",
					    [VERDICT_GROWING] = "GROWING",
					    [VERDICT_LEAK] = "LEAK",
					    [VERDICT_FRAGMENTATION] = "FRAGMENTATION"};

	return names[state];
}

const char *finding_cause_name(enum finding_cause cause)
{
	static const char *const names[] = {
		[CAUSE_CONTAINER] = "container", [CAUSE_REFERENCE] = "reference",
		[CAUSE_CYCLE] = "cycle",         [CAUSE_C_MEMORY] = "C memory",
		[CAUSE_PYMALLOC] = "pymalloc",   [CAUSE_MAPPING] = "mapping",
		[CAUSE_THREAD] = "thread",       [CAUSE_INTERPRETER] = "interpreter"};

	return names[cause];
}
