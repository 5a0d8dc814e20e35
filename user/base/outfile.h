/* SPDX-License-Identifier: BSD-2-Clause
 *
 * outfile: an output file that is there completely or not at all.
 *
 * Place      layer 0; cli opens one for each -o, an exporter writes to its stream, cli commits.
 * Shapes     the bytes go to a temporary file (".NAME.XXXXXXXX~") in the folder of the file.
 *            Committing flushes it to the disk and renames it over the file, in one step: a reader
 *            sees the old file or the new one.
 * Ownership  outfile_open() gives; outfile_commit() and outfile_abandon() take, whatever they
 *            return. The stream belongs to the outfile, which alone closes it.
 * Errors     -ERR_USAGE: the name is wrong (a folder, a link, a device; an unknown % in it).
 *            -ERR_PERMISSION, -ERR_FAILED: the cause and the path are in the sentence.
 *            On every failure the file is as it was, and the temporary file is gone.
 * Bounds     a program that is killed leaves its temporary file behind, never a half written one.
 * Needs      write permission for the folder. The tool runs as root, so the folder may be another
 *            user's: a symbolic link in the file's place is never followed, neither seen before nor
 *            put there meanwhile.
 * Threads    one at a time per outfile.
 * Example    struct outfile *file = outfile_open(path, err);
 *            if (!file)
 *                    return -(int)err->code;
 *            fputs("...", outfile_stream(file));
 *            return outfile_commit(file, err);
 */
#ifndef PYLEAKTRACE_BASE_OUTFILE_H
#define PYLEAKTRACE_BASE_OUTFILE_H

#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

struct outfile;

/*
 * Write a name with its % parts filled in: %p the pid, %t the local time (20260203T140307), %% a
 * percent sign.
 *
 * out    path: terminated; not to be used on failure
 * return 0, or -ERR_USAGE: empty, another letter after a %, longer than size
 */
int outfile_name(const char *pattern, pid_t pid, time_t time, char *path, size_t size,
		 struct err *err);

/* Begin a file; NULL, with err set, when it cannot be. Mode 0666 less the umask. */
struct outfile *outfile_open(const char *path, struct err *err);

/* The stream to write to; writing errors need not be looked at, outfile_commit() does. */
FILE *outfile_stream(struct outfile *file);

/* Put the file in its place; 0, or negative with nothing changed (a full disk shows here). */
int outfile_commit(struct outfile *file, struct err *err);

/* Forget the file; may be NULL. */
void outfile_abandon(struct outfile *file);

#endif
