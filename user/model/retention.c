/* SPDX-License-Identifier: BSD-2-Clause */
#include "model/retention.h"

#include <stdlib.h>

void retention_fini(struct retention *retention)
{
	free(retention->path);
	free(retention->type);
	free(retention->item_type);
	*retention = (struct retention){0};
}
