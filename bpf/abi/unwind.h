/* SPDX-License-Identifier: BSD-2-Clause
 *
 * unwind: compact unwind tables. User space compiles them from .eh_frame (user/unwind); BPF
 * searches them.
 *
 * Where a caller's frame is depends on the instruction that the callee has reached. A *rule* says
 * how to find it; a *row* says from which instruction on a rule holds, until the next row.
 * Functions of all programs share few rules (some thousands), so a row is 4 bytes: an offset within
 * a page of text and the number of a rule.
 *
 *   pc ──▶ range of the process ──▶ page (pc / 4096) ──▶ rows, sorted ──▶ rule ──▶ registers
 *          abi_code_range           abi_unwind_page       u32             abi_unwind_rule
 *
 * A page's first row holds from the page's first byte on, so that the search never leaves the page.
 *
 * Source     DWARF 5 section 6.4, LSB .eh_frame. The registers are those of registers.h.
 */
#ifndef PYLEAKTRACE_ABI_UNWIND_H
#define PYLEAKTRACE_ABI_UNWIND_H

#include "abi/ints.h"
#include "abi/registers.h"

#define ABI_TEXT_PAGE 4096u

/* A row: offset in the page (12 bits) | number of its rule (20 bits). Rows are sorted as
 * numbers. */
#define ABI_ROW(offset, rule) ((__u32)(offset) << 20 | (__u32)(rule))
#define ABI_ROW_OFFSET(row)   ((row) >> 20)
#define ABI_ROW_RULE(row)     ((row)&ABI_RULES_MAX_ID)
#define ABI_RULES_MAX_ID      0xfffffu
/* rows in a page: one for each byte at most */
#define ABI_MAX_PAGE_ROWS 4096u

/* Rows are kept 16 to an element of their map: array maps round the size of an element up to 8
 * bytes. */
#define ABI_ROW_BLOCK 16u
struct abi_row_block {
	__u32 rows[ABI_ROW_BLOCK];
};

struct abi_unwind_page {
	__u32 first_row; /* index of a row, not of a block */
	__u32 n_rows;    /* 0: there is no unwind information for this page */
};

enum abi_rule_kind {
	ABI_RULE_NONE = 0, /* no unwind information here */
	ABI_RULE_CFA,      /* cfa = reg + offset */
	ABI_RULE_DEREF,    /* cfa = *(reg + offset) + add: realigned stacks (gcc's DRAP), OpenSSL's
			      assembly */
	ABI_RULE_PLT,      /* cfa = sp + offset + ((pc & 15) >= add ? 8 : 0): lazy binding stubs */
	ABI_RULE_SIGNAL,   /* a struct ucontext lies at sp + offset: all registers come from it */
	ABI_RULE_END,      /* the outermost frame: it has no return address */
	ABI_RULE_UNSUPPORTED, /* there is information, in a form that rules cannot say */
};

/* Where a register of the caller is; two bits per register in abi_unwind_rule.saved */
enum abi_saved {
	ABI_SAVED_SAME = 0, /* still in its register */
	ABI_SAVED_CFA = 1,  /* at cfa + 8 * at[] */
	ABI_SAVED_BP = 2,   /* at (the callee's) frame pointer + 8 * at[] */
	ABI_SAVED_LOST = 3, /* undefined */
};

#define ABI_RULE_BYTES 32 /* two rules to a cache line */

/* The zero bytes at the end are part of it: rules are compared as bytes. */
struct abi_unwind_rule {
	__u8 kind;   /* enum abi_rule_kind */
	__u8 reg;    /* enum abi_unwind_reg: base of CFA and DEREF */
	__u16 saved; /* bits 2(r-1), 2(r-1)+1: abi_saved of register r, r = ABI_REG_BP ... */
	__s32 offset;
	__s32 add;
	__s16 ra;                      /* the return address is at cfa + 8 * ra */
	__s16 at[ABI_UNWIND_REGS - 1]; /* [r - 1]: where register r is, in words, signed */
	__u8 zero[ABI_RULE_BYTES - 14 - 2 * (ABI_UNWIND_REGS - 1)];
};

_Static_assert(sizeof(struct abi_unwind_rule) == ABI_RULE_BYTES,
	       "nothing lies between the members");

#define ABI_RULE_SAVED(rule, r) ((rule)->saved >> (2 * ((r)-1)) & 3)

/* Executable memory of the target, in address order. */
struct abi_code_range {
	__u64 start, end; /* [start, end); start is a multiple of ABI_TEXT_PAGE */
	__u32 first_page; /* index of the abi_unwind_page of `start`; ABI_NO_PAGES: no table */
	__u32 module;     /* id in user space's list of modules (user/target/code_map.h) */
};

#define ABI_NO_PAGES 0xffffffffu

#endif
