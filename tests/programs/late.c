/* SPDX-License-Identifier: BSD-2-Clause
 *
 * late: a library with one function, NAME; built several times, with the same layout. The live
 * tests load, unload, replace and delete them.
 */
#include <stdlib.h>

void *NAME(int size);

void *NAME(int size)
{
	void *volatile block = malloc((size_t)size);

	return block;
}
