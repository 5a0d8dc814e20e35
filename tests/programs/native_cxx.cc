// SPDX-License-Identifier: BSD-2-Clause
//
// native_cxx: C++ code for the live tests: exceptions in flight, operator new, names that are mangled.
#include <cstdlib>
#include <stdexcept>
#include <string>

extern "C" int take(int size);

namespace shop {

struct Basket {
	int size;
	explicit Basket(int n) : size(n) {}
	// runs while the exception is on its way
	__attribute__((noinline)) ~Basket() { take(size); }
};

template <typename T> struct Shelf {
	T *items;
	__attribute__((noinline)) void fill(int n) { items = new T[static_cast<size_t>(n)]; }
};

__attribute__((noinline)) static int descend(int depth, int size)
{
	Basket basket(size);

	if (depth == 0)
		throw std::runtime_error("as it was wanted");
	return descend(depth - 1, size) + basket.size;
}

} // namespace shop

extern "C" int thrown(int depth, int size)
{
	try {
		return shop::descend(depth, size);
	} catch (const std::exception &e) {
		return take(size + static_cast<int>(e.what()[0] & 1));
	}
}

static shop::Shelf<char> kept;

extern "C" void cxx_leak(int size)
{
	kept.fill(size);
	// what comes behind the call keeps it from being a jump
	__asm__ volatile("" : : : "memory");
}
