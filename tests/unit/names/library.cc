/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The C++ that test_native_names.c compiles and looks at: templates, members, operators, lambdas, what has no name.
 */
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

namespace shop {

struct Item {
	explicit Item(const char *text) : name(text) {}
	virtual ~Item() = default;
	virtual std::size_t weight() const { return name.size() * 3; }
	bool operator<(const Item &other) const { return name < other.name; }
	std::string name;
};

template <typename T, int N> struct Shelf {
	std::vector<T> items;
	void fill(const T &item)
	{
		for (int i = 0; i < N; i++)
			items.push_back(item);
	}
	template <typename F> std::size_t each(F &&f) const
	{
		std::size_t sum = 0;
		for (const T &item : items)
			sum += f(item);
		return sum;
	}
};

namespace {

__attribute__((noinline)) std::size_t hidden(const std::string &text)
{
	std::size_t sum = 0;
	for (char c : text)
		sum = sum * 31 + static_cast<unsigned char>(c);
	return sum;
}

} // namespace

std::size_t run(const char *text)
{
	Shelf<std::string, 3> words;
	Shelf<int, 7> numbers;

	words.fill(text);
	numbers.fill(static_cast<int>(words.items.size()));
	return words.each([](const std::string &word) { return hidden(word); }) +
	       numbers.each([](int number) { return static_cast<std::size_t>(number) * 2; });
}

std::size_t weigh(const Item &item)
{
	return item.weight() + (item < Item("x") ? 1 : 0);
}

} // namespace shop

extern "C" std::size_t names_cxx(const char *text)
{
	shop::Item item(text);

	return shop::run(text) + shop::weigh(item);
}
