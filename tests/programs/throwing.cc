// SPDX-License-Identifier: BSD-2-Clause
//
// throwing: C++ code that is not given the memory it asks for, for the live tests.
#include <cstddef>
#include <new>

// How deep the frames are between operator new and whoever catches.
__attribute__((noinline)) static void *ask(int depth, std::size_t size)
{
	void *result = depth ? ask(depth - 1, size) : ::operator new(size);

	// what comes behind the call keeps it from being a jump
	__asm__ volatile("" : : : "memory");
	return result;
}

// 1, when operator new has thrown.
extern "C" int new_fails(std::size_t size)
{
	try {
		::operator delete(ask(20, size));
		return 0;
	} catch (const std::bad_alloc &) {
		return 1;
	}
}
