/* SPDX-License-Identifier: BSD-2-Clause
 *
 * place: a function -> the cheapest instruction on which a probe sees every call with its
 * arguments.
 *
 * The trap is what a probe costs, and the probed instruction decides its price tenfold (insn.h). So
 * the head of the function is decoded along the way that every call takes, and the cheapest place
 * is chosen where
 *   * the arguments are still in their registers,
 *   * for a return probe, the stack pointer still points at the return address,
 *   * no jump leads back to it from inside the function (a loop would be counted).
 *
 *      free:   test %rdi,%rdi    7 us      all arguments there
 *              je   out          0.6 us    all arguments there, sees free(NULL)
 *              push %rbp         0.6 us    behind the NULL test: free(NULL) is free  <- chosen
 *
 * Place      layer 3; pure: works on bytes, not on a process. Used by plan.c.
 * Source     insn.h.
 * Units      addresses in the target.
 * Bounds     PLACE_MAX_INSNS instructions of the head, PLACE_SCAN_BYTES of the body.
 */
#ifndef PYLEAKTRACE_PROBE_PLACE_H
#define PYLEAKTRACE_PROBE_PLACE_H

#include "probe/insn.h"
#include "target/module.h"

#define PLACE_MAX_INSNS  24
#define PLACE_SCAN_BYTES 4096

struct place {
	uint64_t address;
	uint64_t offset; /* in the file */
	enum insn_cost cost;
	unsigned pushed; /* bytes the stack pointer has moved down since the function's entry */
	bool skips_null; /* behind the test for NULL of argument place_need.null_arg */
	char text[48];   /* "+9 emulated" */
	/* COST_STEPPED: why there is nothing cheaper on the way; static. "": it is the cheapest */
	const char *why;
};

struct place_need {
	unsigned args;  /* INSN_ARG bits that must still be there */
	bool returns;   /* a return probe goes on the same place */
	int null_arg;   /* calls with 0 in this argument need not be seen; -1: all must */
	uint64_t until; /* the place is to be before this address on the way; 0: anywhere */
};

/*
 * Choose the place on the way that begins at `start` (an entry, or a landing that falls or jumps
 * into one).
 *
 * return false when nothing decodes there, or it is not text of the module
 */
bool place_find(struct place *place, const struct module *module, uint64_t start,
		const struct place_need *need);

/*
 * Another address with the meaning of `entry`: it executes nothing but nops, or one jump, and
 * arrives at it (design: steering). Candidates, in this order: behind an endbr64; in the nop
 * padding before the entry; a jmp to it elsewhere in the text. That padding is padding, and a jmp a
 * jmp, is confirmed by decoding straight on from the function symbol before it: a probe may be put
 * there.
 *
 * in     index: 0, 1, ... for the first, second, ... candidate
 * return 0 when there are no more
 */
uint64_t place_alias(const struct module *module, uint64_t entry, unsigned index);

/* The function that an alias stands for: `address` itself when it is none, 0 when it is not
 * text. */
uint64_t place_alias_entry(const struct module *module, uint64_t address);

/*
 * Are there inlined copies of this function, guarded by a comparison with its address? Counts the
 * instructions of the text that load or compare with the address; an upper bound that never misses
 * one.
 */
unsigned place_count_guards(const struct module *module, uint64_t entry);

#endif
