/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/command_words.h"

#include <stddef.h>
#include <string.h>

/* from so many letters on two slips are forgiven */
#define LONG_WORD 6

static const char *const words[] = {"doctor", "heap"};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters to leave out, add, change, or swap with their neighbour: optimal string alignment. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[COMMAND_WORD_MAX + 1][COMMAND_WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	for (size_t i = 0; i <= n; i++)
		rows[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned change = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			rows[i][j] = least(change, least(rows[i - 1][j], rows[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
		}
	}
	return rows[n][m];
}

bool command_word_is(const char *word)
{
	for (size_t i = 0; i < N_WORDS; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

const char *command_word_near(const char *word)
{
	/* nearly "heap", and meant as it stands */
	if (strlen(word) > COMMAND_WORD_MAX || strcmp(word, "help") == 0)
		return NULL;
	for (size_t i = 0; i < N_WORDS; i++)
		if (distance(word, words[i]) <= (strlen(words[i]) >= LONG_WORD ? 2 : 1))
			return words[i];
	return NULL;
}
