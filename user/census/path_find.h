/* SPDX-License-Identifier: BSD-2-Clause
 *
 * path_find: a path as reports write it -> the container, or the object, that it leads to, now.
 *
 *      app.cache.SESSIONS                      a global; the longest name of a module that fits
 *      app.web.Server.pools['eu'][0].waiting   attributes, keys (str, int), indices
 *      app.web.render                          an lru_cache: the dict of its results
 *      app.web.config                          any object: the dict of its attributes, if it has
 *                                              one
 *      local `batch` of worker                 of a frame that runs; "(file:line)" behind it is
 *                                              left out
 *      0x7fb487f96600                          the address (id()) of a container
 *
 * It goes the way that chain.h describes, backwards: every reference of the object that was reached
 * is called what a chain would call it, and that is compared with what is left of the text.
 *
 * Place      the census; called by cli.
 * Errors     -ERR_TARGET: it leads nowhere, to several objects, to what has no size field (an
 *            object that keeps its attributes in itself, from 3.11 on, has no dict); the sentence
 *            says which. -ERR_FAILED: memory is out.
 * Bounds     PATH_STEPS_MAX objects on a way, PATH_BRANCHES_MAX references of one object that fit.
 * Degrades   what came into being after the scan is not found.
 */
#ifndef PYLEAKTRACE_CENSUS_PATH_FIND_H
#define PYLEAKTRACE_CENSUS_PATH_FIND_H

#include "census/edges.h"

#define PATH_STEPS_MAX    64
#define PATH_BRANCHES_MAX 16

struct path_found {
	uint32_t named;     /* index in objects: what the path names */
	uint32_t container; /* the same, or a part of it: a dict */
	uint64_t field;     /* address of its size, 8 bytes */
};

int path_find(struct path_found *found, struct edges *edges, const char *path, struct err *err);

/* The same for any object: named and container are it, field is its reference count. */
int path_find_object(struct path_found *found, struct edges *edges, const char *path,
		     struct err *err);

/* The same, of the object at an address; any: it need not be a container, as path_find_object(). */
int path_find_address(struct path_found *found, struct edges *edges, uint64_t address, bool any,
		      struct err *err);

/* Is that container still at its place in memory? */
bool path_is_there(const struct edges *edges, const struct path_found *found);

#endif
