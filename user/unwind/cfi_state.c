/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/cfi_state.h"

#include <dwarf.h>
#include <errno.h>

int cfi_reg(uint64_t number)
{
	static const uint8_t numbers[CFI_REGS] = {
		ABI_DWARF_NUMBERS, [CFI_RA] = ABI_DWARF_RETURN_ADDRESS};

	for (int reg = 0; reg < CFI_REGS; reg++)
		if (numbers[reg] == number)
			return reg;
	return -1;
}

struct machine {
	const struct cfi_program *program;
	const struct cfi_state *initial; /* NULL: a CIE's instructions are executed */
	struct reader reader;            /* `bad` is set by whatever is wrong, here too */
	struct cfi_state state;
	uint64_t at, end; /* addresses: the state holds from `at` on; end of the function */
	cfi_row_fn *row;
	void *arg;
	unsigned depth;
	struct cfi_state remembered[CFI_MAX_DEPTH];
};

static void bad(struct machine *machine)
{
	machine->reader.bad = true;
}

/* ---- operands ------------------------------------------------------------------------------- */

/* A number that is unsigned where it stands, but is one of bytes or words of a frame. */
static int64_t read_offset(struct machine *machine)
{
	uint64_t value = reader_uleb(&machine->reader);

	if (value > INT64_MAX)
		bad(machine);
	return (int64_t)value;
}

/* What is given in units of the data alignment. */
static int64_t scaled(struct machine *machine, int64_t factor)
{
	int64_t offset = 0;

	if (__builtin_mul_overflow(factor, machine->program->data_align, &offset))
		bad(machine);
	return offset;
}

static struct cfi_expression read_expression(struct machine *machine)
{
	uint64_t length = reader_uleb(&machine->reader);
	const uint8_t *start = reader_skip(&machine->reader, length);

	if (!start)
		return (struct cfi_expression){0};
	return (struct cfi_expression){.at = (uint32_t)(start - machine->program->bases->bytes),
				       .length = (uint32_t)length};
}

/* ---- the state changes ---------------------------------------------------------------------- */

static void set(struct machine *machine, uint64_t number, enum cfi_how how, union cfi_value value)
{
	int reg = cfi_reg(number);

	if (reg < 0)
		return;
	machine->state.how[reg] = (uint8_t)how;
	machine->state.value[reg] = value;
}

static void set_offset(struct machine *machine, uint64_t number, enum cfi_how how, int64_t offset)
{
	set(machine, number, how, (union cfi_value){.offset = offset});
}

static void restore(struct machine *machine, uint64_t number)
{
	int reg = cfi_reg(number);

	if (!machine->initial)
		bad(machine); /* before a CIE there is nothing to go back to */
	else if (reg >= 0)
		set(machine, number, machine->initial->how[reg], machine->initial->value[reg]);
}

static void set_cfa(struct machine *machine, uint64_t number, int64_t offset)
{
	machine->state.cfa_how = CFI_REGISTER;
	machine->state.cfa_reg = number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
	machine->state.cfa_offset = offset;
}

static void remember(struct machine *machine)
{
	if (machine->depth == CFI_MAX_DEPTH)
		bad(machine);
	else
		machine->remembered[machine->depth++] = machine->state;
}

static void recall(struct machine *machine)
{
	if (machine->depth == 0)
		bad(machine);
	else
		machine->state = machine->remembered[--machine->depth];
}

/* ---- the address advances ------------------------------------------------------------------- */

/* Give the row that ends here. What lies behind the end of the function is not its own. */
static int advance_to(struct machine *machine, uint64_t address)
{
	uint64_t from = machine->at;

	if (!machine->initial || machine->reader.bad || address < from) {
		bad(machine);
		return 0;
	}
	machine->at = address;
	return from < address && from < machine->end
		       ? machine->row(machine->arg, from, &machine->state)
		       : 0;
}

static int advance(struct machine *machine, uint64_t delta)
{
	uint64_t bytes, address;

	if (__builtin_mul_overflow(delta, machine->program->code_align, &bytes) ||
	    __builtin_add_overflow(machine->at, bytes, &address)) {
		bad(machine);
		return 0;
	}
	return advance_to(machine, address);
}

/* ---- instructions --------------------------------------------------------------------------- */

/* Instructions that say where the CFA is; false: it is none of them. */
static bool step_cfa(struct machine *machine, uint8_t op)
{
	struct cfi_state *state = &machine->state;
	uint64_t number = state->cfa_reg;
	int64_t offset = state->cfa_offset;

	switch (op) {
	case DW_CFA_def_cfa:
		number = reader_uleb(&machine->reader);
		offset = read_offset(machine);
		break;
	case DW_CFA_def_cfa_sf:
		number = reader_uleb(&machine->reader);
		offset = scaled(machine, reader_sleb(&machine->reader));
		break;
	case DW_CFA_def_cfa_register:
		number = reader_uleb(&machine->reader);
		break;
	case DW_CFA_def_cfa_offset:
		offset = read_offset(machine);
		break;
	case DW_CFA_def_cfa_offset_sf:
		offset = scaled(machine, reader_sleb(&machine->reader));
		break;
	case DW_CFA_def_cfa_expression:
		state->cfa_how = CFI_VAL_EXPRESSION;
		state->cfa_expression = read_expression(machine);
		return true;
	default:
		return false;
	}
	/* half of it needs the other half */
	if (op != DW_CFA_def_cfa && op != DW_CFA_def_cfa_sf && state->cfa_how == CFI_UNSAID)
		bad(machine);
	set_cfa(machine, number, offset);
	return true;
}

/* Instructions that say where a register is. */
static void step_register(struct machine *machine, uint8_t op)
{
	struct reader *reader = &machine->reader;
	uint64_t number = reader_uleb(reader);

	switch (op) {
	case DW_CFA_offset_extended:
		set_offset(machine, number, CFI_OFFSET, scaled(machine, read_offset(machine)));
		break;
	case DW_CFA_GNU_negative_offset_extended:
		set_offset(machine, number, CFI_OFFSET, scaled(machine, -read_offset(machine)));
		break;
	case DW_CFA_offset_extended_sf:
		set_offset(machine, number, CFI_OFFSET, scaled(machine, reader_sleb(reader)));
		break;
	case DW_CFA_val_offset:
		set_offset(machine, number, CFI_VAL_OFFSET, scaled(machine, read_offset(machine)));
		break;
	case DW_CFA_val_offset_sf:
		set_offset(machine, number, CFI_VAL_OFFSET, scaled(machine, reader_sleb(reader)));
		break;
	case DW_CFA_register:
		set_offset(machine, number, CFI_REGISTER, read_offset(machine));
		break;
	case DW_CFA_undefined:
		set_offset(machine, number, CFI_UNDEFINED, 0);
		break;
	case DW_CFA_same_value:
		set_offset(machine, number, CFI_SAME, 0);
		break;
	case DW_CFA_restore_extended:
		restore(machine, number);
		break;
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		set(machine, number, op == DW_CFA_expression ? CFI_EXPRESSION : CFI_VAL_EXPRESSION,
		    (union cfi_value){.expression = read_expression(machine)});
		break;
	default:
		bad(machine);
	}
}

static int step(struct machine *machine)
{
	struct reader *reader = &machine->reader;
	uint8_t op = (uint8_t)reader_fixed(reader, 1), low = op & 0x3f;

	/* three of them have their operand in the same byte */
	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		return advance(machine, low);
	case DW_CFA_offset:
		set_offset(machine, low, CFI_OFFSET, scaled(machine, read_offset(machine)));
		return 0;
	case DW_CFA_restore:
		restore(machine, low);
		return 0;
	}
	switch (op) {
	case DW_CFA_nop:
		return 0;
	case DW_CFA_set_loc:
		return advance_to(machine,
				  reader_pointer(reader, machine->program->pointer_encoding,
						 machine->program->bases));
	case DW_CFA_advance_loc1:
		return advance(machine, reader_fixed(reader, 1));
	case DW_CFA_advance_loc2:
		return advance(machine, reader_fixed(reader, 2));
	case DW_CFA_advance_loc4:
		return advance(machine, reader_fixed(reader, 4));
	case DW_CFA_MIPS_advance_loc8: /* has become everybody's */
		return advance(machine, reader_fixed(reader, 8));
	case DW_CFA_remember_state:
		remember(machine);
		return 0;
	case DW_CFA_restore_state:
		recall(machine);
		return 0;
	case DW_CFA_GNU_args_size: /* for landing pads, not for unwinding */
		reader_uleb(reader);
		return 0;
	}
	if (!step_cfa(machine, op))
		step_register(machine, op);
	return 0;
}

static int run(struct machine *machine)
{
	int result = 0;

	machine->reader =
		(struct reader){.at = machine->program->start, .end = machine->program->end};
	machine->depth = 0;
	while (!result && !machine->reader.bad && machine->reader.at < machine->reader.end)
		result = step(machine);
	return !result && machine->reader.bad ? -EINVAL : result;
}

int cfi_run_initial(const struct cfi_program *program, struct cfi_state *state)
{
	struct machine machine;
	int result;

	machine.program = program;
	machine.initial = NULL;
	machine.state = *state;
	result = run(&machine);
	*state = machine.state;
	return result;
}

int cfi_run(const struct cfi_program *program, const struct cfi_state *initial, uint64_t start,
	    uint64_t end, cfi_row_fn *row, void *arg)
{
	/* not initialised as a whole: the states put aside are most of it */
	struct machine machine;
	int result;

	machine.program = program;
	machine.initial = initial;
	machine.state = *initial;
	machine.at = start;
	machine.end = end;
	machine.row = row;
	machine.arg = arg;
	result = run(&machine);
	return result || machine.at >= end ? result : advance_to(&machine, end);
}
