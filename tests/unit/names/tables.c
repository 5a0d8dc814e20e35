/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What test_unnamed.c compiles and looks at: the tables that C code hands to CPython, laid out as
 * its headers have them, and what only looks like one.
 */
#include <stddef.h>
#include <stdlib.h>

typedef void *(*function)(void *);

struct method {
	const char *name;
	function call;
	int flags;
	const char *doc;
};
struct getset {
	const char *name;
	function get, set;
	const char *doc;
	void *closure;
};
struct number {
	function add, rest[35];
};
struct type {
	long refs;
	const void *of;
	long n_items;
	const char *name;
	long basicsize, itemsize;
	function dealloc;
	long vectorcall_offset;
	function getattr, setattr;
	void *as_async;
	function repr;
	const struct number *as_number;
	void *as_sequence, *as_mapping;
	function hash, call, str, getattro, setattro;
	void *as_buffer;
	unsigned long flags;
	const char *doc;
	function traverse, clear, richcompare;
	long weaklistoffset;
	function iter, iternext;
	const struct method *methods;
	void *members;
	const struct getset *getset;
	const struct type *base;
	void *dict;
	function descr_get, descr_set;
	long dictoffset;
	function init, alloc, new, free, is_gc;
	void *bases, *mro, *cache, *subclasses, *weaklist;
	function del;
	unsigned version_tag;
	function finalize, vectorcall;
};
struct slot {
	int number;
	const void *value;
};
struct spec {
	const char *name;
	int basicsize, itemsize;
	unsigned flags;
	const struct slot *slots;
};
struct module {
	long refs;
	void *of, *init;
	long index;
	void *copy;
	const char *name, *doc;
	long size;
	const struct method *methods;
	const struct slot *slots;
	function traverse, clear, free;
};

/* functions of which only their address is used, none like another */
volatile unsigned tables_sink;
#define F(name)                                                                   \
	static __attribute__((noinline, noclone, noipa)) void *name(void *object) \
	{                                                                         \
		tables_sink += sizeof(#name) + __LINE__ * 100;                    \
		return object;                                                    \
	}
F(bag_new)
F(bag_dealloc)
F(bag_add)
F(bag_put)
F(bag_size)
F(set_size)
F(both)
F(twice)
F(sack_new)
F(sack_put)
F(module_open)
F(module_exec)
F(alone)
F(wrong_flags)
F(wrong_name)
F(wrong_doc)
F(wrong_type)
F(untabled)

/* its error path lies elsewhere */
static __attribute__((noinline)) void *bag_take(void *object)
{
	object = bag_add(object);
	if (__builtin_expect_with_probability(tables_sink > 1000, 0, 1.0)) {
		tables_sink++;
		abort();
	}
	return (char *)object + tables_sink;
}

#define VARARGS 1
#define NOARGS  4
#define O       8
#define STATIC  0x20

static struct method bag_methods[] = {{"put", bag_put, O, "put(x)"},
				      {"take", bag_take, NOARGS, NULL},
				      {"both", both, VARARGS, NULL},
				      {NULL, NULL, 0, NULL}};
static struct getset bag_getset[] = {{"size", bag_size, set_size, NULL, NULL},
				     {NULL, NULL, NULL, NULL, NULL}};
static const struct number bag_number = {.add = bag_add};
struct type PyBag_Type = {.refs = 1,
			  .name = "shop.Bag",
			  .basicsize = 32,
			  .dealloc = bag_dealloc,
			  .as_number = &bag_number,
			  .methods = bag_methods,
			  .getset = bag_getset,
			  .new = bag_new,
			  .repr = twice,
			  .str = twice};

static struct method sack_methods[] = {{"put", sack_put, O | STATIC, NULL}, {NULL, NULL, 0, NULL}};
static struct slot sack_slots[] = {{64, sack_methods}, {65, (void *)sack_new}, {0, NULL}};
static struct spec sack_spec = {"shop.Sack", 16, 0, 1 << 10, sack_slots};

static struct method module_methods[] = {
	{"open", module_open, VARARGS, NULL}, {"both", both, VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct slot module_slots[] = {{2, (void *)module_exec}, {0, NULL}};
static struct module module = {
	.refs = 1, .name = "shop", .methods = module_methods, .slots = module_slots};

static struct method of_nothing = {"alone", alone, NOARGS, NULL};

/* what cannot be one */
static struct method wrong[] = {{"wrong_flags", wrong_flags, 0x10000, NULL},
				{"wrong name", wrong_name, O, NULL},
				{"wrong_doc", wrong_doc, O, (const char *)0x1234567890}};
static struct type wrong_one = {
	.n_items = 0, .name = "shop.Wrong", .basicsize = 16, .new = wrong_type, .dict = &wrong};

void *tables_all[] = {&PyBag_Type, &sack_spec, &module,         &of_nothing,
		      wrong,       &wrong_one, (void *)untabled};

/* calls another file's function through the table for that */
void *tables_copy(size_t size)
{
	return malloc(size);
}

/* one that says nothing of its end, before functions without symbols; one that says too little */
__asm__(".text\n"
	".globl tables_unsized, tables_short\n"
	".type tables_short, @function\n"
	"tables_short:\n"
	"	.cfi_startproc\n"
	"	nop\n"
	".size tables_short, . - tables_short\n"
	"	nop\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"tables_unsized:\n"
	"	nop\n"
	"	ret\n");

int main(void)
{
	return 0;
}
