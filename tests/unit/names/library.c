/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What test_native_names.c compiles and looks at: functions that are exported and not, inlined in
 * each other, split, with several names, without a size, with a version, chosen at load time.
 */
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))
#define LOCAL  static __attribute__((noinline, noclone))

volatile unsigned names_sink;

INLINE unsigned innermost(unsigned x)
{
	names_sink += x;
	return x * 3 + names_sink;
}

INLINE unsigned middle(unsigned x)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < x; i++)
		sum += innermost(i) ^ innermost(sum);
	return sum;
}

LOCAL unsigned local_function(unsigned x)
{
	unsigned y = middle(x);

	return y + middle(y & 7);
}

/* split into a hot and a cold part: GCC 14 keeps what is only unlikely where it is */
__attribute__((noinline)) unsigned names_split(unsigned x)
{
	if (__builtin_expect_with_probability(x > 1000, 0, 1.0)) {
		names_sink = middle(x);
		abort();
	}
	return x + names_sink;
}

unsigned names_first(unsigned x)
{
	return local_function(x) + names_split(x);
}

LOCAL unsigned another_local(unsigned x)
{
	return names_first(x) * innermost(x);
}

unsigned names_last(unsigned x)
{
	return another_local(x) + 1;
}

/* deeper than there is room for */
#define LEVEL(n, below)                       \
	INLINE unsigned level_##n(unsigned x) \
	{                                     \
		names_sink += x;              \
		return below(x + n) * 2;      \
	}
LEVEL(1, innermost)
LEVEL(2, level_1)
LEVEL(3, level_2)
LEVEL(4, level_3)
LEVEL(5, level_4)
LEVEL(6, level_5)
LEVEL(7, level_6)
LEVEL(8, level_7)
LEVEL(9, level_8)
LEVEL(10, level_9)

unsigned names_deep(unsigned x)
{
	return level_10(x);
}

static unsigned (*choose(void))(unsigned)
{
	return names_first;
}
unsigned names_chosen(unsigned) __attribute__((ifunc("choose")));

/* many names: the readable one is taken; one inside another; some without a size */
__asm__(".text\n"
	".globl __names_alias, names_alias, _names_alias\n"
	".weak names_alias_weak\n"
	".type __names_alias, @function\n"
	".type names_alias, @function\n"
	".type _names_alias, @function\n"
	".type names_alias_weak, @function\n"
	".type a_local, @function\n"
	"a_local:\n_names_alias:\n__names_alias:\nnames_alias_weak:\nnames_alias:\n"
	"	nop\n"
	".globl names_label\n"
	"names_label:\n" /* no type, no size: it is still the function around it */
	"	nop\n"
	"	ret\n"
	".size names_alias, . - names_alias\n"
	".size _names_alias, . - names_alias\n"
	".size __names_alias, . - names_alias\n"
	".size names_alias_weak, . - names_alias\n"
	".size a_local, . - a_local\n"
	"	int3\n"
	"	int3\n" /* nobody's */
	".globl names_unsized\n"
	"names_unsized:\n"
	"	nop\n"
	"	nop\n"
	".globl names_outer, names_inner\n"
	".type names_outer, @function\n"
	".type names_inner, @function\n"
	"names_outer:\n"
	"	nop\n"
	"names_inner:\n"
	"	nop\n"
	".size names_inner, . - names_inner\n"
	"	nop\n"
	"	ret\n"
	".size names_outer, . - names_outer\n"
	".globl names_versioned_1, names_versioned_2\n"
	".type names_versioned_1, @function\n"
	".type names_versioned_2, @function\n"
	"names_versioned_1:\n"
	"	nop\n"
	"	ret\n"
	".size names_versioned_1, . - names_versioned_1\n"
	"names_versioned_2:\n"
	"	nop\n"
	"	ret\n"
	".size names_versioned_2, . - names_versioned_2\n"
	".symver names_versioned_1, names_versioned@NAMES_1, remove\n"
	".symver names_versioned_2, names_versioned@@NAMES_2, remove\n");
