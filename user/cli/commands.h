/* SPDX-License-Identifier: BSD-2-Clause
 *
 * commands: what the rows of verbs.c run. Each returns an exit code (base/err.h) and has said on
 * stderr, in one line, why it is not 0.
 *
 * Place      cli.
 */
#ifndef PYLEAKTRACE_CLI_COMMANDS_H
#define PYLEAKTRACE_CLI_COMMANDS_H

struct options;

int command_trace(const struct options *options);  /* the main command */
int command_census(const struct options *options); /* heap, growth */
int command_held(const struct options *options);   /* holders, chain, backrefs, objects */
int command_trend(const struct options *options);  /* trend */
int command_watch(const struct options *options);  /* watch, refs */
int command_report(const struct options *options); /* report */
int command_diff(const struct options *options);   /* diff */
int command_doctor(const struct options *options); /* doctor */

#endif
