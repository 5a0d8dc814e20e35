/* SPDX-License-Identifier: BSD-2-Clause
 *
 * format: what a recording is: reports of a trace, one after the other, in a file that grows.
 *
 *     file      frames of zstd, one after the other, each with its size and a checksum
 *     frame     one report: lines of JSON
 *     segment   up to RECORD_SEGMENT frames; only the first has line 1
 *
 *     1  {"pyleaktrace_recording":1,"segment":0,"version":"0.1.0","target":{...},"mode":{...}}
 *     2  {"look":0,"segment":0,"at_s":5.02,"time":1770127387,"last":false}
 *     3  {"columns":"stacks","are":["site","outstanding_bytes",...]}     names, where they are
 *        {"stack":0,"is":{"domain":"object","frames":[["python","f","a.py",3],...]}}   first needed
 *     4  {"profile":{"totals":{...},"stacks":[[0,4096,...],...],...}}
 *
 * Place      record; the manual of the file, and the numbers that writer and readers share.
 * Why so     One frame for each report, written with one pwrite(2): after a kill -9 at most the
 * last frame is broken, and no step at the end is needed. `zstdcat FILE | jq` reads it, without us.
 * The checksum is zstd's, so a damaged frame is known for what it is, and reading goes on at the
 * next one, found by its magic number. A stack's frames are many times as long as its figures, and
 * the same in all reports: so they are named once. All names together would be lost with one frame,
 * and each report would need all before it: so after RECORD_SEGMENT reports all that is needed is
 * named again. A database (SQLite) would need its journal, a binary format a tool of its own.
 * Shapes     An array of structs is rows, of which the columns are named once in a segment; a
 * struct alone is an object (shapes.h has both). Zeros and nulls are left out where they can be: of
 * objects, and at the ends of rows. Text is JSON; what is not UTF-8 is
 *            {"latin1":"..."} with a character for each byte. Counts above INT64_MAX are negative
 *            (two's complement). A reader passes over names that it does not know, and what is
 *            missing is zero: so a field more needs no new version. RECORD_VERSION rises when an
 *            old reader would understand something wrongly.
 * Units      at_s: since the recording began; else as in the model.
 * Bounds     RECORD_FRAME_MAX bytes of JSON in a frame, RECORD_NAMES_MAX in the names of a segment.
 */
#ifndef PYLEAKTRACE_RECORD_FORMAT_H
#define PYLEAKTRACE_RECORD_FORMAT_H

#define RECORD_VERSION   1
#define RECORD_SEGMENT   128
#define RECORD_FRAME_MAX ((size_t)64 << 20)
#define RECORD_NAMES_MAX ((size_t)128 << 20)
#define RECORD_NAME_IDS  (1u << 22) /* of each kind, in a segment */
/* Memory that one report may take in the model. */
#define RECORD_MODEL_MAX ((size_t)512 << 20)

#define RECORD_MAGIC     "\x28\xb5\x2f\xfd" /* of zstd: a frame begins with it */
#define RECORD_MAGIC_LEN 4
#define RECORD_CHECKSUM  4 /* bit of the byte behind it: the frame ends with a checksum */

#endif
