/* SPDX-License-Identifier: BSD-2-Clause
 *
 * completion: the tables of verbs and options -> a file that completes command lines in a shell.
 *
 * Place      cli; the build prints them (tools/gen-manual.c).
 * Source     bash(1): Programmable Completion; zshcompsys(1): _arguments; complete(1) of fish.
 */
#ifndef PYLEAKTRACE_CLI_COMPLETION_H
#define PYLEAKTRACE_CLI_COMPLETION_H

#include <stdbool.h>
#include <stdio.h>

/* For bash, zsh or fish; false: there is none for that shell. */
bool completion_print(FILE *out, const char *shell);

#endif
