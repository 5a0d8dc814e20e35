/* SPDX-License-Identifier: BSD-2-Clause
 *
 * slips: how far a word that was typed is from one that exists, for "did you mean".
 *
 * Place      layer 0.
 * Source     optimal string alignment: letters left out, added, changed, or swapped with their
 *            neighbour.
 * Bounds     words longer than SLIPS_WORD_MAX are near nothing.
 */
#ifndef PYLEAKTRACE_BASE_SLIPS_H
#define PYLEAKTRACE_BASE_SLIPS_H

#define SLIPS_WORD_MAX 63

/* UINT_MAX: a word is too long */
unsigned slips_between(const char *a, const char *b);

/* How many make a word that was meant: one, two in words of six letters and more. */
unsigned slips_forgiven(const char *word);

#endif
