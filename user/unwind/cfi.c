/* SPDX-License-Identifier: BSD-2-Clause */
#include "unwind/cfi.h"

#include <stdlib.h>
#include <string.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>

#include "unwind/cursor.h"

/* no program is linked to addresses above this: x86-64 has 47 bits of them, or 56 */
#define TEXT_MAX_VADDR (1ull << 57)

/* text that spans more than this is no program's */
#define TEXT_MAX_BYTES (8ull << 30)

struct cfi {
	Elf *elf;
	unsigned char ident[EI_NIDENT];
	Elf_Data *data;
	uint64_t vaddr;     /* of the data */
	uint64_t hdr_vaddr; /* of .eh_frame_hdr: base of DW_EH_PE_datarel; 0: not known */
	bool eh_frame;      /* else .debug_frame */
	uint64_t text_start, text_end;
	struct cfi_function *functions;
	size_t n_functions, capacity;
	uint32_t damaged;
};

/* What a function's entry says of itself, with its common entry (CIE). */
struct entry {
	uint64_t start, end;
	bool signal;
	uint8_t encoding; /* of its pointers */
	uint64_t code_align;
	int64_t data_align;
	unsigned return_register;
	struct cursor initial, instructions;
};

/* ---- finding the section --------------------------------------------------------------------- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int find_text(struct cfi *cfi, struct err *err)
{
	size_t n = 0;

	cfi->text_start = UINT64_MAX;
	elf_getphdrnum(cfi->elf, &n);
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(cfi->elf, (int)i, &p) || p.p_type != PT_LOAD ||
		    !(p.p_flags & PF_X) || p.p_filesz == 0 || p.p_vaddr > TEXT_MAX_VADDR ||
		    p.p_filesz > TEXT_MAX_VADDR)
			continue;
		cfi->text_start = min_u64(cfi->text_start, p.p_vaddr);
		if (p.p_vaddr + p.p_filesz > cfi->text_end)
			cfi->text_end = p.p_vaddr + p.p_filesz;
	}
	if (cfi->text_end <= cfi->text_start)
		return err_set(err, ERR_FAILED, "there is no executable segment");
	if (cfi->text_end - cfi->text_start > TEXT_MAX_BYTES)
		return err_set(err, ERR_FAILED, "the executable segments lie too far apart");
	return 0;
}

static bool take_section(struct cfi *cfi, const char *wanted)
{
	Elf_Scn *section = NULL;
	size_t names = 0;

	if (elf_getshdrstrndx(cfi->elf, &names))
		return false;
	while ((section = elf_nextscn(cfi->elf, section))) {
		GElf_Shdr header;
		const char *name;

		if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(cfi->elf, names, header.sh_name);
		if (!name || strcmp(name, wanted) != 0)
			continue;
		if (header.sh_flags & SHF_COMPRESSED && elf_compress(section, 0, 0) < 0)
			return false;
		cfi->data = elf_rawdata(section, NULL);
		cfi->vaddr = header.sh_addr;
		return cfi->data && cfi->data->d_buf && cfi->data->d_size;
	}
	return false;
}

/* The file offset of a link-time address, and how many bytes of its segment follow there. */
static bool find_offset(const struct cfi *cfi, uint64_t vaddr, uint64_t *offset, uint64_t *size)
{
	size_t n = 0;

	elf_getphdrnum(cfi->elf, &n);
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(cfi->elf, (int)i, &p) || p.p_type != PT_LOAD ||
		    vaddr < p.p_vaddr || vaddr - p.p_vaddr >= p.p_filesz)
			continue;
		*offset = p.p_offset + (vaddr - p.p_vaddr);
		*size = p.p_filesz - (vaddr - p.p_vaddr);
		return true;
	}
	return false;
}

/* Without section headers: PT_GNU_EH_FRAME leads to .eh_frame_hdr, and that to .eh_frame. */
static bool take_segment(struct cfi *cfi)
{
	size_t n = 0;

	elf_getphdrnum(cfi->elf, &n);
	for (size_t i = 0; i < n; i++) {
		uint64_t offset, size, vaddr;
		struct cursor header;
		Elf_Data *data;
		GElf_Phdr p;

		if (!gelf_getphdr(cfi->elf, (int)i, &p) || p.p_type != PT_GNU_EH_FRAME)
			continue;
		cfi->hdr_vaddr = p.p_vaddr;
		data = elf_getdata_rawchunk(cfi->elf, (int64_t)p.p_offset, p.p_filesz, ELF_T_BYTE);
		if (!data || !data->d_buf || data->d_size < 8)
			return false;
		header = cursor_make((const uint8_t *)data->d_buf + 4, data->d_size - 4);
		header.vaddr = p.p_vaddr + 4;
		vaddr = cursor_pointer(&header, ((const uint8_t *)data->d_buf)[1], p.p_vaddr);
		if (header.failed || !find_offset(cfi, vaddr, &offset, &size))
			return false;
		cfi->data = elf_getdata_rawchunk(cfi->elf, (int64_t)offset, size, ELF_T_BYTE);
		cfi->vaddr = vaddr;
		return cfi->data && cfi->data->d_buf;
	}
	return false;
}

static int find_section(struct cfi *cfi, struct err *err)
{
	cfi->eh_frame = true;
	if (take_section(cfi, ".eh_frame") || take_segment(cfi))
		return 0;
	cfi->eh_frame = false;
	if (take_section(cfi, ".debug_frame"))
		return 0;
	return err_set(err, ERR_FAILED, "there is no unwind information");
}

/* ---- entries --------------------------------------------------------------------------------- */

/* A cursor over a stretch of the section's data; empty when it is none. */
static struct cursor part(const struct cfi *cfi, const uint8_t *start, const uint8_t *end)
{
	const uint8_t *base = cfi->data->d_buf;
	struct cursor cursor;

	if (!start || start < base || end < start || end > base + cfi->data->d_size)
		return cursor_make(base, 0);
	cursor = cursor_make(start, (size_t)(end - start));
	cursor.vaddr = cfi->vaddr + (uint64_t)(start - base);
	return cursor;
}

/* The augmentation of a CIE: encoding of pointers, signal frame. false: it says what we do not know. */
static bool read_augmentation(const struct cfi *cfi, const Dwarf_CIE *cie, struct entry *entry)
{
	const char *letters = cie->augmentation ? cie->augmentation : "";
	struct cursor data = part(cfi, cie->augmentation_data,
				  cie->augmentation_data + cie->augmentation_data_size);

	entry->encoding = DW_EH_PE_absptr;
	if (*letters == '\0')
		return true;
	if (*letters != 'z')
		return false;
	while (*++letters) {
		switch (*letters) {
		case 'L':
			cursor_u8(&data);
			break;
		case 'P':
			cursor_pointer(&data, cursor_u8(&data), cfi->hdr_vaddr);
			break;
		case 'R':
			entry->encoding = cursor_u8(&data);
			break;
		case 'S':
			entry->signal = true;
			break;
		default:
			return false;
		}
	}
	return !data.failed;
}

static bool read_cie(const struct cfi *cfi, uint64_t offset, struct entry *entry)
{
	Dwarf_CFI_Entry found;
	Dwarf_Off next;
	const Dwarf_CIE *cie = &found.cie;

	if (offset >= cfi->data->d_size ||
	    dwarf_next_cfi(cfi->ident, cfi->data, cfi->eh_frame, offset, &next, &found) != 0 ||
	    !dwarf_cfi_cie_p(&found))
		return false;
	entry->code_align = cie->code_alignment_factor;
	entry->data_align = cie->data_alignment_factor;
	entry->return_register = (unsigned)cie->return_address_register;
	entry->initial = part(cfi, cie->initial_instructions, cie->initial_instructions_end);
	return read_augmentation(cfi, cie, entry);
}

static bool read_fde(const struct cfi *cfi, const Dwarf_FDE *fde, struct entry *entry)
{
	struct cursor cursor;

	memset(entry, 0, sizeof(*entry));
	if (!read_cie(cfi, fde->CIE_pointer, entry))
		return false;
	cursor = part(cfi, fde->start, fde->end);
	entry->start = cursor_pointer(&cursor, entry->encoding, cfi->hdr_vaddr);
	/* the length has the form of the address, but is no address */
	entry->end = entry->start + cursor_pointer(&cursor, entry->encoding & 0x0f, 0);
	/* libdw has looked whether the CIE's augmentation begins with z: then there is a length here */
	if (cfi->eh_frame)
		cursor_skip(&cursor, cursor_uleb(&cursor));
	entry->instructions = cursor;
	return !cursor.failed;
}

static bool add_function(struct cfi *cfi, const struct entry *entry, uint64_t offset)
{
	if (cfi->n_functions == cfi->capacity) {
		size_t capacity = cfi->capacity ? 2 * cfi->capacity : 1024;
		struct cfi_function *larger;

		if (capacity > CFI_MAX_FUNCTIONS)
			return false;
		larger = realloc(cfi->functions, capacity * sizeof(*larger));
		if (!larger)
			return false;
		cfi->functions = larger;
		cfi->capacity = capacity;
	}
	cfi->functions[cfi->n_functions++] =
		(struct cfi_function){entry->start, entry->end, offset};
	return true;
}

/* Later entries of equal start come later: sorting must not depend on chance. */
static int by_start(const void *a, const void *b)
{
	const struct cfi_function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static void remove_overlaps(struct cfi *cfi)
{
	uint64_t end = 0;
	size_t n = 0;

	if (cfi->n_functions)
		qsort(cfi->functions, cfi->n_functions, sizeof(*cfi->functions), by_start);
	for (size_t i = 0; i < cfi->n_functions; i++) {
		struct cfi_function function = cfi->functions[i];

		if (function.start < end)
			function.start = end;
		if (function.start >= function.end)
			continue;
		end = function.end;
		cfi->functions[n++] = function;
	}
	cfi->n_functions = n;
}

static int read_functions(struct cfi *cfi, struct err *err)
{
	Dwarf_Off offset = 0, next = 0;
	Dwarf_CFI_Entry found;

	for (;; offset = next) {
		struct entry entry;
		int result =
			dwarf_next_cfi(cfi->ident, cfi->data, cfi->eh_frame, offset, &next, &found);

		/* a damaged length: where the next entry begins is not known. Some linkers put a terminator in
		 * the middle, which libdw steps over as an entry of its own. */
		if (result > 0 || next <= offset)
			break;
		if (result < 0) {
			cfi->damaged++;
			if (next == (Dwarf_Off)-1)
				break;
			continue;
		}
		if (dwarf_cfi_cie_p(&found))
			continue;
		if (!read_fde(cfi, &found.fde, &entry)) {
			cfi->damaged++;
			continue;
		}
		/* a function that the linker has dropped has no address */
		if (entry.start < cfi->text_start || entry.end > cfi->text_end ||
		    entry.end <= entry.start)
			continue;
		if (!add_function(cfi, &entry, offset))
			return err_set(err, ERR_FAILED, "too many functions, or out of memory");
	}
	remove_overlaps(cfi);
	return 0;
}

static int open_elf(struct cfi **out, Elf *elf, struct err *err)
{
	struct cfi *cfi = calloc(1, sizeof(*cfi));
	const char *ident = elf ? elf_getident(elf, NULL) : NULL;
	GElf_Ehdr header;
	int result;

	*out = NULL;
	if (!cfi) {
		elf_end(elf);
		return err_set(err, ERR_FAILED, "out of memory");
	}
	cfi->elf = elf;
	if (!ident || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header) ||
	    header.e_machine != EM_X86_64 || header.e_ident[EI_CLASS] != ELFCLASS64) {
		cfi_close(cfi);
		return err_set(err, ERR_FAILED, "this is no ELF file of x86-64");
	}
	memcpy(cfi->ident, ident, EI_NIDENT);
	result = find_text(cfi, err);
	if (!result)
		result = find_section(cfi, err);
	if (!result)
		result = read_functions(cfi, err);
	if (result) {
		cfi_close(cfi);
		return result;
	}
	*out = cfi;
	return 0;
}

int cfi_open(struct cfi **cfi, int fd, struct err *err)
{
	elf_version(EV_CURRENT);
	/* read, not mapped: a file that is cut meanwhile must not kill us */
	return open_elf(cfi, elf_begin(fd, ELF_C_READ, NULL), err);
}

int cfi_open_image(struct cfi **cfi, void *image, size_t size, struct err *err)
{
	elf_version(EV_CURRENT);
	return open_elf(cfi, elf_memory(image, size), err);
}

void cfi_close(struct cfi *cfi)
{
	if (!cfi)
		return;
	elf_end(cfi->elf);
	free(cfi->functions);
	free(cfi);
}

const struct cfi_function *cfi_functions(const struct cfi *cfi, size_t *n_functions)
{
	*n_functions = cfi->n_functions;
	return cfi->functions;
}

const struct cfi_function *cfi_find(const struct cfi *cfi, uint64_t vaddr)
{
	size_t low = 0, high = cfi->n_functions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cfi->functions[middle].end <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < cfi->n_functions && cfi->functions[low].start <= vaddr ? &cfi->functions[low]
									    : NULL;
}

uint32_t cfi_damaged(const struct cfi *cfi)
{
	return cfi->damaged;
}

bool cfi_text(const struct cfi *cfi, uint64_t *start, uint64_t *end)
{
	*start = cfi->text_start;
	*end = cfi->text_end;
	return cfi->text_end > cfi->text_start;
}

/* ---- instructions ---------------------------------------------------------------------------- */

struct machine {
	const struct cfi *cfi;
	const struct cfi_function *function;
	const struct entry *entry;
	uint64_t at; /* address of the row that is being made */
	struct cfi_state state, initial;
	struct cfi_state remembered[CFI_MAX_REMEMBERED];
	unsigned n_remembered;
	bool damaged;
	cfi_row *row; /* NULL: the common entry's instructions, which make no rows */
	void *context;
	int result; /* of the callback */
};

static void set_register(struct machine *machine, uint64_t reg, struct cfi_rule rule)
{
	/* vector registers and the like are of no interest */
	if (reg < CFI_REGISTERS)
		machine->state.registers[reg] = rule;
}

static void set_offset(struct machine *machine, uint64_t reg, enum cfi_how how, int64_t factored)
{
	set_register(machine, reg,
		     (struct cfi_rule){.how = how,
				       .offset = (int64_t)((uint64_t)factored *
							   (uint64_t)machine->entry->data_align)});
}

static void set_expression(struct machine *machine, struct cursor *cursor, struct cfi_rule *rule,
			   enum cfi_how how)
{
	uint64_t size = cursor_uleb(cursor);

	*rule = (struct cfi_rule){.how = how, .expression = cursor->at, .expression_size = size};
	cursor_skip(cursor, size);
	(void)machine;
}

/* The row is complete: the next one begins at `to`. */
static void advance(struct machine *machine, uint64_t to)
{
	uint64_t start = machine->at, end = to;

	if (!machine->row || to < machine->at || to > machine->function->end) {
		/* a row may begin at the function's end, where nothing follows */
		machine->damaged = !machine->row || to < machine->at;
		end = machine->function->end;
	}
	machine->at = to;
	if (start < machine->function->start)
		start = machine->function->start;
	if (!machine->damaged && start < end && !machine->result)
		machine->result = machine->row(machine->context, start, end, machine->entry->signal,
					       &machine->state);
}

static void advance_by(struct machine *machine, uint64_t units)
{
	advance(machine, machine->at + units * machine->entry->code_align);
}

static void restore_register(struct machine *machine, uint64_t reg)
{
	if (reg < CFI_REGISTERS)
		machine->state.registers[reg] = machine->initial.registers[reg];
}

static void remember(struct machine *machine)
{
	if (machine->n_remembered == CFI_MAX_REMEMBERED)
		machine->damaged = true;
	else
		machine->remembered[machine->n_remembered++] = machine->state;
}

static void restore_state(struct machine *machine)
{
	if (machine->n_remembered == 0)
		machine->damaged = true;
	else
		machine->state = machine->remembered[--machine->n_remembered];
}

static void define_cfa(struct machine *machine, uint64_t reg, int64_t offset)
{
	machine->state.cfa = (struct cfi_rule){.how = CFI_OFFSET, .offset = offset};
	machine->state.cfa_register = reg < CFI_REGISTERS ? (unsigned)reg : CFI_REGISTERS;
}

/* Change only the register or only the offset of a CFA that is register + offset. */
static void change_cfa(struct machine *machine, const uint64_t *reg, const int64_t *offset)
{
	if (machine->state.cfa.how != CFI_OFFSET)
		machine->damaged = true;
	else
		define_cfa(machine, reg ? *reg : machine->state.cfa_register,
			   offset ? *offset : machine->state.cfa.offset);
}

static void execute_cfa(struct machine *machine, struct cursor *cursor, uint8_t operation)
{
	int64_t align = machine->entry->data_align, offset;
	uint64_t reg;

	switch (operation) {
	case DW_CFA_def_cfa:
		reg = cursor_uleb(cursor);
		define_cfa(machine, reg, (int64_t)cursor_uleb(cursor));
		break;
	case DW_CFA_def_cfa_sf:
		reg = cursor_uleb(cursor);
		define_cfa(machine, reg,
			   (int64_t)((uint64_t)cursor_sleb(cursor) * (uint64_t)align));
		break;
	case DW_CFA_def_cfa_register:
		reg = cursor_uleb(cursor);
		change_cfa(machine, &reg, NULL);
		break;
	case DW_CFA_def_cfa_offset:
		offset = (int64_t)cursor_uleb(cursor);
		change_cfa(machine, NULL, &offset);
		break;
	case DW_CFA_def_cfa_offset_sf:
		offset = (int64_t)((uint64_t)cursor_sleb(cursor) * (uint64_t)align);
		change_cfa(machine, NULL, &offset);
		break;
	case DW_CFA_def_cfa_expression:
		set_expression(machine, cursor, &machine->state.cfa, CFI_VALUE_EXPRESSION);
		break;
	}
}

static void execute_register(struct machine *machine, struct cursor *cursor, uint8_t operation)
{
	uint64_t reg = cursor_uleb(cursor);
	struct cfi_rule rule = {0};

	switch (operation) {
	case DW_CFA_offset_extended:
		set_offset(machine, reg, CFI_OFFSET, (int64_t)cursor_uleb(cursor));
		break;
	case DW_CFA_offset_extended_sf:
		set_offset(machine, reg, CFI_OFFSET, cursor_sleb(cursor));
		break;
	case DW_CFA_GNU_negative_offset_extended:
		set_offset(machine, reg, CFI_OFFSET, -(int64_t)(cursor_uleb(cursor) & INT64_MAX));
		break;
	case DW_CFA_val_offset:
		set_offset(machine, reg, CFI_VALUE_OFFSET, (int64_t)cursor_uleb(cursor));
		break;
	case DW_CFA_val_offset_sf:
		set_offset(machine, reg, CFI_VALUE_OFFSET, cursor_sleb(cursor));
		break;
	case DW_CFA_restore_extended:
		restore_register(machine, reg);
		break;
	case DW_CFA_undefined:
		rule.how = CFI_UNDEFINED;
		set_register(machine, reg, rule);
		break;
	case DW_CFA_same_value:
		rule.how = CFI_SAME;
		set_register(machine, reg, rule);
		break;
	case DW_CFA_register:
		rule.how = CFI_REGISTER;
		rule.offset = (int64_t)cursor_uleb(cursor);
		set_register(machine, reg, rule);
		break;
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		set_expression(machine, cursor, &rule,
			       operation == DW_CFA_expression ? CFI_EXPRESSION
							      : CFI_VALUE_EXPRESSION);
		set_register(machine, reg, rule);
		break;
	}
}

static void execute_one(struct machine *machine, struct cursor *cursor)
{
	uint8_t operation = cursor_u8(cursor), low = operation & 0x3f;

	switch (operation & 0xc0) {
	case DW_CFA_advance_loc:
		advance_by(machine, low);
		return;
	case DW_CFA_offset:
		set_offset(machine, low, CFI_OFFSET, (int64_t)cursor_uleb(cursor));
		return;
	case DW_CFA_restore:
		restore_register(machine, low);
		return;
	}
	switch (operation) {
	case DW_CFA_nop:
		break;
	case DW_CFA_set_loc:
		advance(machine,
			cursor_pointer(cursor, machine->entry->encoding, machine->cfi->hdr_vaddr));
		break;
	case DW_CFA_advance_loc1:
		advance_by(machine, cursor_u8(cursor));
		break;
	case DW_CFA_advance_loc2:
		advance_by(machine, cursor_u16(cursor));
		break;
	case DW_CFA_advance_loc4:
		advance_by(machine, cursor_u32(cursor));
		break;
	case DW_CFA_remember_state:
		remember(machine);
		break;
	case DW_CFA_restore_state:
		restore_state(machine);
		break;
	case DW_CFA_GNU_args_size:
		cursor_uleb(cursor);
		break;
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression:
		execute_cfa(machine, cursor, operation);
		break;
	case DW_CFA_offset_extended:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_GNU_negative_offset_extended:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
	case DW_CFA_register:
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		execute_register(machine, cursor, operation);
		break;
	default:
		machine->damaged = true;
	}
}

static void execute(struct machine *machine, struct cursor cursor)
{
	while (cursor.left && !cursor.failed && !machine->damaged && !machine->result)
		execute_one(machine, &cursor);
	if (cursor.failed)
		machine->damaged = true;
}

int cfi_rows(const struct cfi *cfi, const struct cfi_function *function, cfi_row *row,
	     void *context)
{
	struct machine machine;
	Dwarf_CFI_Entry found;
	struct entry entry;
	Dwarf_Off next;

	if (dwarf_next_cfi(cfi->ident, cfi->data, cfi->eh_frame, function->entry, &next, &found) ||
	    dwarf_cfi_cie_p(&found) || !read_fde(cfi, &found.fde, &entry))
		return -1;
	machine.cfi = cfi;
	machine.function = function;
	machine.entry = &entry;
	machine.at = entry.start;
	machine.n_remembered = 0;
	machine.damaged = entry.return_register != CFI_RA;
	machine.row = NULL;
	machine.context = context;
	machine.result = 0;
	memset(&machine.state, 0, sizeof(machine.state));
	execute(&machine, entry.initial);
	machine.initial = machine.state;
	machine.row = row;
	execute(&machine, entry.instructions);
	if (!machine.damaged && !machine.result && machine.at < function->end)
		advance(&machine, function->end);
	return machine.result ? machine.result : machine.damaged ? -1 : 0;
}
