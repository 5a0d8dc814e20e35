/* SPDX-License-Identifier: BSD-2-Clause
 *
 * plan: a runtime and the user's wishes -> which probe goes where, and which words are steered.
 * Nothing is changed yet; the plan can be printed (-v, doctor) and carried out by session.
 *
 * Why steering: PGO builds of CPython inline the allocator behind `if (table.malloc ==
 * _PyObject_Malloc)`, so a probe on that function sees a fraction of the calls. When the table
 * holds another address with the same meaning (an alias: padding nops before the function, behind
 * its endbr64, a jmp to it), every guard fails and every call goes through the table. One data word
 * per function changes; the code that runs is the target's own, with or without us. Measured on
 * Debian's python3.11: 7 of 2,791,490 allocations seen without, all with.
 *
 * Place      layer 3; made by cli through session; printed by cli.
 * Units      addresses in the target.
 * Bounds     PLAN_MAX_PROBES probes, PLAN_MAX_WORDS steered words, PLAN_MAX_MODULES files.
 * Errors     -ERR_KERNEL: return probes are not safe for this target (seccomp_hazard() in
 *            features.h); -ERR_TARGET: an allocator cannot be found at all.
 * Degrades   objects that cannot be traced completely: `coverage` says in a sentence what is seen.
 */
#ifndef PYLEAKTRACE_PROBE_PLAN_H
#define PYLEAKTRACE_PROBE_PLAN_H

#include <stdio.h>

#include "abi/records.h"
#include "probe/features.h"
#include "probe/native_allocators.h"
#include "probe/place.h"
#include "python/runtime.h"

#define PLAN_MAX_PROBES  384
#define PLAN_MAX_WORDS   12
#define PLAN_MAX_MODULES 4

struct plan_probe {
	char name[64]; /* "malloc", "_PyObject.malloc" */
	enum abi_call_kind kind;
	unsigned domain;   /* enum abi_domain; ABI_DOMAINS: only brackets what happens inside */
	uint64_t function; /* entry */
	struct place place;
	bool returns; /* a return probe goes there too */
	const struct module *module;
};

struct plan_word {
	char name[32];    /* "_PyObject.malloc" */
	uint64_t address; /* of the pointer in the target's data */
	uint64_t plain;   /* the function: what it holds without steering */
	/* what it must hold while we trace (or does already, left by a killed tool) */
	uint64_t alias;
};

struct plan {
	struct plan_probe probes[PLAN_MAX_PROBES];
	unsigned n_probes;
	struct plan_word words[PLAN_MAX_WORDS];
	unsigned n_words; /* 0: nothing is steered */
	unsigned domains; /* bits of enum abi_domain that are recorded */
	bool code_frees;  /* every free of a code object will be seen */
	/*
	 * Objects of at most small_max bytes come from pools that libc does not know, larger ones
	 * from its malloc: each can be recorded without the other
	 */
	bool split;
	uint64_t small_max;
	uint32_t pool_size; /* bytes, a power of two */
	/* the probes of objects are hit by a target that is steered only, and are as cheap there as
	 * anywhere */
	bool switchable;
	char coverage[256]; /* "": objects are traced completely, or were not wanted */
	char notes[8][160]; /* for the user's eyes */
	unsigned n_notes;
	struct native_allocators natives; /* in addition to libc's */
	unsigned n_natives;               /* of them that are in the plan */
	unsigned native_domain;     /* of their probes; ABI_DOMAINS: they only bracket what happens
				       inside */
	bool native;                /* they are probed */
	char malloc_path[PATH_MAX]; /* of the file whose malloc the interpreter calls; "": none */
	struct module modules[PLAN_MAX_MODULES]; /* files other than libc and the interpreter */
	unsigned n_modules;
};

struct plan_options {
	unsigned domains; /* bits of enum abi_domain */
	bool no_steer;
	/*
	 * Objects are to be traced for a moment at a time: plan.split, plan.switchable, where the
	 * target permits it; it is steered also where it needs not be to see all calls
	 */
	bool by_parts;
};

/*
 * Plan for what the target has loaded meanwhile: probes are appended, nothing is changed.
 *
 * return the number of probes that were appended
 */
unsigned plan_update(struct plan *plan, const struct py_runtime *runtime,
		     const struct process *process);

int plan_make(struct plan *plan, const struct py_runtime *runtime, const struct process *process,
	      const struct features *features, const struct plan_options *options, struct err *err);
void plan_fini(struct plan *plan);

/* One line per allocator; a line. */
void plan_print_allocators(FILE *out, const struct plan *plan, unsigned first);

/* The same, and one line per probe and steered word. */
void plan_print(FILE *out, const struct plan *plan);

#endif
