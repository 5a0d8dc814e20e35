/* SPDX-License-Identifier: BSD-2-Clause
 *
 * protobuf: fields and messages -> bytes, as Protocol Buffers write them.
 *
 * Place      layer 5, private to export; used by pprof and otlp.
 * Source     protobuf.dev/programming-guides/encoding (proto3). Written here, and not by a library:
 *            protobuf-c would need code that is generated from the formats' .proto files, and has a
 *            copy of the whole message in memory as objects, where we need five kinds of fields.
 * Shapes     fields come in any order. A message inside another, and a packed field, are what is
 *            written between protobuf_begin() and protobuf_end().
 * Ownership  zeroed is empty; protobuf_fini() frees.
 * Errors     failed: memory is out. Nothing more is written then; who writes looks at it once, at
 *            the end.
 * Bounds     memory is what is written, and half of that again. A message's length is known at its
 *            end, so its bytes are moved once by the length of the length.
 * Threads    one at a time.
 * Example    size_t mark = protobuf_begin(&out, 2);
 *            protobuf_uint(&out, 1, 4711);
 *            protobuf_end(&out, mark);
 */
#ifndef PYLEAKTRACE_EXPORT_PROTOBUF_H
#define PYLEAKTRACE_EXPORT_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct protobuf {
	unsigned char *bytes;
	size_t size, room;
	bool failed;
};

void protobuf_fini(struct protobuf *out);

/*
 * A number of any integer type, or a bool. 0 is not written: it is what a reader takes for a field
 * that is missing.
 */
void protobuf_uint(struct protobuf *out, unsigned field, uint64_t value);

/* A number of type fixed64; 0 is not written. */
void protobuf_fixed64(struct protobuf *out, unsigned field, uint64_t value);

/* Bytes, or a string, which has to be valid UTF-8. Empty ones are written: tables have them. */
void protobuf_bytes(struct protobuf *out, unsigned field, const void *bytes, size_t size);

/* An element of a packed field. */
void protobuf_varint(struct protobuf *out, uint64_t value);

/* Begin a message or a packed field; return the mark for protobuf_end(). */
size_t protobuf_begin(struct protobuf *out, unsigned field);
void protobuf_end(struct protobuf *out, size_t mark);

#endif
