/* SPDX-License-Identifier: BSD-2-Clause
 *
 * embedding: a program with a Python in its inside, which the live tests link with an allocator of
 * its own.
 */
int Py_BytesMain(int argc, char **argv);

int main(int argc, char **argv)
{
	return Py_BytesMain(argc, argv);
}
