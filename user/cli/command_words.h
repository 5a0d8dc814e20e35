/* SPDX-License-Identifier: BSD-2-Clause
 *
 * command_words: the words that name a command, and what a word that is nearly one may have been
 * meant to be.
 *
 * Place      layer 6; main.c dispatches on them, options.c explains a word in the wrong place.
 * Bounds     words longer than COMMAND_WORD_MAX are near nothing.
 */
#ifndef PYLEAKTRACE_CLI_COMMAND_WORDS_H
#define PYLEAKTRACE_CLI_COMMAND_WORDS_H

#include <stdbool.h>

#define COMMAND_WORD_MAX 15

/* Is it a command of this version? */
bool command_word_is(const char *word);

/*
 * The command that is one slip away: a letter left out, added, changed, or two of them swapped; two
 * slips in words of six letters and more.
 *
 * return NULL: none is that near
 */
const char *command_word_near(const char *word);

#endif
