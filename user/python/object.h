/* SPDX-License-Identifier: BSD-2-Clause
 *
 * object: addresses in the target -> strings, types, and what lies in an allocator's block.
 *
 * Place      layer 2; the three headers below in one.
 */
#ifndef PYLEAKTRACE_PYTHON_OBJECT_H
#define PYLEAKTRACE_PYTHON_OBJECT_H

#include "python/block_type.h"
#include "python/str.h"
#include "python/types.h"

#endif
