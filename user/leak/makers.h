/* SPDX-License-Identifier: BSD-2-Clause
 *
 * makers: what grows -> the stack that makes it, if that is certain: a false line is worse than
 * none.
 *
 * What watchpoints have counted comes first: containers, classes, pools of a size, lists of the
 * interpreter's. Then come stacks of the trace.
 *
 * Place      leak, private to it. Pure.
 * Ownership  stacks are the profile's. NULL: not known.
 */
#ifndef PYLEAKTRACE_LEAK_MAKERS_H
#define PYLEAKTRACE_LEAK_MAKERS_H

#include "model/profile.h"
#include "model/retention.h"

/* Who puts things into a container; of many alike, into the one that got most. */
const struct stack *makers_filler(const struct profile *profile, const struct retention *retention);

/* Who makes the items of what grows, or what they hold. */
const struct stack *makers_item(const struct profile *profile, const struct retention *row);

/* Who allocates most in a domain of what stays. type: NULL: of any */
const struct stack *makers_block(const struct profile *profile, enum domain domain,
				 const char *type);

/* Who starts the threads that stay, as far as they run Python. */
const struct stack *makers_thread(const struct profile *profile);

/* Who makes the sub-interpreters that stay. */
const struct stack *makers_interpreter(const struct profile *profile);

#endif
