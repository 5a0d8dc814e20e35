/* SPDX-License-Identifier: BSD-2-Clause
 *
 * commands: one function per command; argv[0] is the command's own name. Each returns an exit code
 * (base/err.h) and has said on stderr, in one line, why it is not 0.
 */
#ifndef PYLEAKTRACE_CLI_COMMANDS_H
#define PYLEAKTRACE_CLI_COMMANDS_H

/* pyleaktrace [OPTIONS] -p PID[,PID...] [INTERVAL [COUNT]] */
int command_watch(int argc, char **argv);

/* pyleaktrace doctor [-p PID [--restore] [--no-steer]] */
int command_doctor(int argc, char **argv);

/* pyleaktrace heap [OPTIONS] -p PID, or with --growth [TIME [INTERVAL [COUNT]]] */
int command_heap(int argc, char **argv);

#endif
