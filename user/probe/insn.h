/* SPDX-License-Identifier: BSD-2-Clause
 *
 * insn: machine code -> what a probe planner has to know of one instruction.
 *
 * Place      layer 3; used by place.c, steer.c and function_ends.c.
 * Source     cost classes: arch/x86/kernel/uprobes.c of the kernel: branch_setup_xol_ops() and
 *            push_setup_xol_ops() list what is emulated; since 6.18 a 5-byte nop is replaced by a
 *            call into a trampoline. Measured: optimised nop 0.3 us, emulated 0.6 us, all else 7-20
 *            us a hit (in a VM).
 * Trap       a 5-byte nop is the cheapest and is not probed all the same: where the kernel has made
 *            a call of it, a child that the target forks meanwhile crashes (seen on 6.18).
 * Units      addresses in the target.
 * Bounds     one instruction, at most 15 bytes.
 */
#ifndef PYLEAKTRACE_PROBE_INSN_H
#define PYLEAKTRACE_PROBE_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* what a probe on it costs, cheapest first */
enum insn_cost {
	COST_EMULATED, /* push reg, nop, jmp, jcc, call rel: the kernel does its work itself */
	COST_STEPPED,  /* everything else: executed out of line under single step */
	COST_UNSAFE,   /* a 5-byte nop (0f 1f 44 00 00): never probed, see above */
};

enum insn_flow {
	FLOW_NEXT,   /* goes on behind itself */
	FLOW_JUMP,   /* unconditional, to a known target */
	FLOW_BRANCH, /* conditional, to a known target or on */
	FLOW_CALL,
	FLOW_STOP, /* ret, indirect jump, int3, hlt, ud2 */
};

/* argument registers of the C calling convention: bit 0 = first argument */
#define INSN_ARG(n) (1u << (n))

/* a frame that is larger than this is not followed */
#define INSN_SUB_MAX 1024

struct insn {
	uint8_t length;
	enum insn_cost cost;
	enum insn_flow flow;
	uint64_t target;      /* of a jump, branch or direct call */
	uint64_t slot;        /* an indirect jump to the address that stands there; 0: elsewhere */
	bool is_ret;          /* back to the caller */
	bool is_trap;         /* nothing comes after it: ud2, hlt, int3 */
	bool jumps_if_zero;   /* a branch that is taken when the test before it gave zero: je */
	unsigned writes_args; /* INSN_ARG bits of the argument registers that it changes */
	int pushed;    /* bytes by which it moves the stack pointer down: of pushes, and of `sub $N,
			  %rsp` */
	bool moves_sp; /* changes the stack pointer in any way */
	bool is_nop;   /* any nop, endbr64 too */
	bool is_endbr;
	int test_arg; /* n when it is `test argN, argN`, else -1 */
};

/*
 * Decode the instruction at the start of `bytes`.
 *
 * in     address: where it lies in the target
 * return false when it is no valid instruction or runs over the end
 */
bool insn_decode(struct insn *insn, const uint8_t *bytes, size_t available, uint64_t address);

#endif
