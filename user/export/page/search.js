/* SPDX-License-Identifier: BSD-2-Clause
 *
 * search: a term -> which stacks have it in a frame, a type or the allocator. Pure: no document.
 */

/* return a function: term -> function of a stack */
export function makeSearch(data) {
	const names = data.frames.map((frame) => frame.text.toLowerCase());
	const domains = data.domains.map((name) => name.toLowerCase());

	return (term) => {
		const wanted = term.trim().toLowerCase();
		const hit = names.map((name) => name.includes(wanted));

		if (!wanted)
			return () => true;
		return (stack) => stack.indexes.some((i) => hit[i]) || domains[stack.domain].includes(wanted) ||
			stack.types.some(([name]) => name.toLowerCase().includes(wanted));
	};
}
