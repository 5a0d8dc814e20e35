/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Births and deaths in one pool, from a made pool that is worked on as pymalloc does it: every
 * block that is in use at the end has the change that gave it out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/xorshift.h"
#include "containers/pool_births.h"

#define CHANGES 20000

/* A pool, and what pymalloc does with it (Objects/obmalloc.c). */
struct made {
	uint32_t pool_size, size;
	uint64_t address;
	uint8_t bytes[POOL_SIZE_MAX];
	struct pool_change changes[CHANGES];
	size_t n;
	size_t born[POOL_BLOCKS_MAX]; /* the truth: change + 1; 0: not in use, or before */
	uint64_t used[POOL_BLOCKS_MAX], n_used;
};

static struct abi_pool_header *header(struct made *made)
{
	return (struct abi_pool_header *)made->bytes;
}

static uint64_t *word(struct made *made, uint64_t address)
{
	return (uint64_t *)(made->bytes + (address - made->address));
}

static void begin(struct made *made, uint32_t pool_size, uint32_t size, uint64_t address)
{
	memset(made, 0, sizeof(*made));
	made->pool_size = pool_size;
	made->size = size;
	made->address = address;
	*header(made) = (struct abi_pool_header){.free = address + POOL_HEADER,
						 .size = {.class = size / 16 - 1,
							  .next = POOL_HEADER + size,
							  .last = pool_size - size}};
}

static void set_free(struct made *made, uint64_t address)
{
	header(made)->free = address;
	if (made->n < CHANGES)
		made->changes[made->n++] = (struct pool_change){.free = (uint32_t)address};
}

static size_t index_of(const struct made *made, uint64_t address)
{
	return (address - made->address - POOL_HEADER) / made->size;
}

static void allocate(struct made *made)
{
	uint64_t block = header(made)->free;

	if (!block)
		return;
	made->used[made->n_used++] = block;
	header(made)->n_used++;
	made->born[index_of(made, block)] = made->n + 1;
	set_free(made, *word(made, block));
	if (!header(made)->free && header(made)->size.next <= header(made)->size.last) {
		uint64_t unused = made->address + header(made)->size.next;

		header(made)->size.next += made->size;
		set_free(made, unused);
		*word(made, unused) = 0;
	}
}

static void release(struct made *made, size_t i)
{
	uint64_t block = made->used[i];

	if (!made->n_used)
		return;
	made->used[i] = made->used[--made->n_used];
	header(made)->n_used--;
	made->born[index_of(made, block)] = 0;
	*word(made, block) = header(made)->free;
	set_free(made, block);
}

static void work_on(struct made *made, uint64_t *seed, size_t changes, unsigned leaky)
{
	while (made->n < changes) {
		uint64_t random = xorshift_next(seed);

		if (random % 100 < leaky || !made->n_used)
			allocate(made);
		else
			release(made, random / 128 % made->n_used);
		if (!header(made)->free && made->n_used && random % 100 < leaky)
			release(made, random / 128 % made->n_used);
	}
}

static void every_block_in_use_has_its_birth(void **state)
{
	static const uint32_t sizes[] = {16, 48, 272, 512}, pools[] = {4096, 16384};
	struct made *made = malloc(sizeof(*made));
	struct pool_births births;
	uint8_t before[POOL_SIZE_MAX];
	uint64_t seed = XORSHIFT_SEED;

	(void)state;
	for (unsigned run = 0; run < 400; run++) {
		size_t from;

		begin(made, pools[run & 1], sizes[run / 2 % 4],
		      run % 3 ? 0x7f1234560000 : 0x5555ffffc000);
		work_on(made, &seed, run % 50, 60);
		memcpy(before, made->bytes, sizeof(before));
		memset(made->born, 0, sizeof(made->born));
		from = made->n;
		work_on(made, &seed, from + run * 10, 45 + run % 20);
		pool_births_find(&births, before, made->address, made->pool_size,
				 made->changes + from, made->n - from);
		if (!births.known)
			fail_msg("run %u: not known", run);
		for (size_t i = 0; i < POOL_BLOCKS_MAX; i++) {
			size_t born = made->born[i] ? made->born[i] - 1 - from : POOL_NOT_BORN;

			if (births.born[i] != born)
				fail_msg("run %u, block %zu: %zu, is %zu", run, i, births.born[i],
					 born);
		}
	}
	free(made);
}

/* A change that was missed is noticed, or concerns one block alone. */
static void a_missed_change_makes_nothing_up(void **state)
{
	struct made *made = malloc(sizeof(*made));
	struct pool_births births;
	uint8_t before[POOL_SIZE_MAX];
	uint64_t seed = XORSHIFT_SEED;
	unsigned noticed = 0;

	(void)state;
	for (unsigned run = 0; run < 400; run++) {
		size_t lost, differ = 0;

		begin(made, 4096, 64, 0x7f1234560000);
		memcpy(before, made->bytes, sizeof(before));
		work_on(made, &seed, 300, 55);
		lost = xorshift_next(&seed) % (made->n - 1);
		memmove(&made->changes[lost], &made->changes[lost + 1],
			(made->n - lost - 1) * sizeof(made->changes[0]));
		pool_births_find(&births, before, made->address, 4096, made->changes, made->n - 1);
		noticed += !births.known;
		for (size_t i = 0; i < POOL_BLOCKS_MAX && births.known; i++) {
			size_t born = made->born[i] ? made->born[i] - 1 : POOL_NOT_BORN;

			differ += births.born[i] !=
				  (born != POOL_NOT_BORN && born > lost ? born - 1 : born);
		}
		if (differ > 1)
			fail_msg("run %u: %zu blocks differ", run, differ);
	}
	assert_true(noticed > 300);
	free(made);
}

static void what_is_no_pool_is_not_known(void **state)
{
	struct pool_births births;
	uint8_t bytes[POOL_SIZE_MAX];
	uint64_t seed = XORSHIFT_SEED;
	struct pool_change change = {.free = 0x1000};

	(void)state;
	for (unsigned run = 0; run < 2000; run++) {
		for (size_t i = 0; i < sizeof(bytes); i += 8)
			memcpy(bytes + i, &(uint64_t){xorshift_next(&seed)}, 8);
		/* what agrees, and leads anywhere */
		if (run & 1)
			memcpy(bytes + 32, &(uint32_t[4]){0, 3, (uint32_t)(seed >> 40), 4096 - 64},
			       16);
		pool_births_find(&births, bytes, 0x7f1234560000, 4096, &change, run % 3);
		assert_true(!births.known || run % 3 == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_block_in_use_has_its_birth),
		cmocka_unit_test(a_missed_change_makes_nothing_up),
		cmocka_unit_test(what_is_no_pool_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
