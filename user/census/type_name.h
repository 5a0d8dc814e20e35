/* SPDX-License-Identifier: BSD-2-Clause
 *
 * type_name: does a type have the name that a user gave?
 *
 *      Session               app.cache.Session, and any other class of that name
 *      app.cache.Session     only it
 *      app.*                 all that begins so
 *
 * Place      the census; pure.
 */
#ifndef PYLEAKTRACE_CENSUS_TYPE_NAME_H
#define PYLEAKTRACE_CENSUS_TYPE_NAME_H

#include <stdbool.h>

bool type_name_is(const char *wanted, const char *type);

#endif
