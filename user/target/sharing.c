/* SPDX-License-Identifier: BSD-2-Clause */
#include "target/sharing.h"

#include "target/remote_handle.h"

static bool is_by_call(pid_t pid)
{
	int way = remote_handle_get(pid);

	return way == REMOTE_BY_CALL || way == REMOTE_REFUSED;
}

int sharing_check_usage(const struct usage *usage, pid_t pid, struct err *err)
{
	int result = is_by_call(pid) ? usage_refuse_shared(usage, pid, err) : 0;

	remote_handle_refuse(pid, result != 0);
	return result;
}

int sharing_check(pid_t pid, struct err *err)
{
	struct usage usage;
	int result;

	if (!is_by_call(pid))
		return 0;
	result = usage_read(&usage, pid, err);
	if (result) {
		/* it may share everything */
		remote_handle_refuse(pid, true);
		return result;
	}
	result = sharing_check_usage(&usage, pid, err);
	usage_free(&usage);
	return result;
}
