/* SPDX-License-Identifier: BSD-2-Clause
 *
 * decode: JSON of a recording -> a profile, by shapes. The JSON may be anybody's.
 *
 * Place      record; called by recording.
 * Ownership  everything is in the profile.
 * Errors     -ERR_FAILED: names that it needs are not there (lost with a damaged part of the file),
 * or it would take more than RECORD_MODEL_MAX. A value that is not what the field is (another kind
 * of JSON, out of range, no name of the enum) is zero, and counted. Bounds     recursion is as deep
 * as shapes are; memory is proportional to the JSON, and below RECORD_MODEL_MAX; numbers are
 * finite; texts below PROFILE_STRING_MAX.
 */
#ifndef PYLEAKTRACE_RECORD_DECODE_H
#define PYLEAKTRACE_RECORD_DECODE_H

#include "base/err.h"
#include "model/profile.h"
#include "record/names.h"

/* out  profile: an empty one; strange: how many values are zero for what they are */
int decode_profile(const struct names_in *names, const json_t *from, struct profile *profile,
		   size_t *strange, struct err *err);

#endif
