/* SPDX-License-Identifier: BSD-2-Clause
 *
 * stacks: the table of stacks, as the search and the allocator leave them.
 */
import { by, cell, element } from "./dom.js";
import { relative } from "./data.js";
import { stackOnDemand } from "./frames.js";
import { change, onChange, state } from "./state.js";
import { bytes, count, duration, percent, plusMinus, rate } from "./units.js";

const ROWS_A_PAGE = 50;

const SORTS = {
	bytes: (stack) => stack.bytes,
	count: (stack) => stack.count,
	growth: (stack) => stack.growth,
	age: (stack) => stack.age,
};

let rows = ROWS_A_PAGE;

function types(stack) {
	const all = stack.types.reduce((sum, [, size]) => sum + size, 0) || 1;

	return stack.types.slice(0, 4).map(([name, size]) => `${name} ${percent(size / all)}`).join(" · ");
}

function figure(value, text, error) {
	return error < 0 ? text
		: element("span", { className: "estimate" }, `${text} `, element("small", {}, plusMinus(relative(error, value))));
}

const columns = (data) => [
	{ title: "Allocated by", className: "name", cell: (stack) => element("div", {}, stackOnDemand(stack.frames),
		stack.types.length > 0 && element("div", { className: "soft" }, types(stack))) },
	{ title: "Outstanding", key: "bytes", cell: (stack) => figure(stack.bytes, bytes(stack.bytes), stack.bytesError) },
	{ title: "Blocks", key: "count", cell: (stack) => figure(stack.count, count(stack.count), stack.countError) },
	{ title: "Growth", key: "growth", cell: (stack) =>
		stack.growth ? (stack.estimated ? "≈ " : "") + rate(stack.growth) : "" },
	{ title: "Oldest", key: "age", cell: (stack) => stack.age > 0 ? duration(stack.age) : "" },
	{ title: "Allocator", cell: (stack) => data.domains[stack.domain] },
];

function head({ title, key, className = "" }) {
	const sorted = key && state.sort === key;
	const made = element("th", { scope: "col", className }, key ? element("button", { type: "button", className: "plain",
		onclick: () => change({ sort: key }) }, title + (sorted ? " ▾" : "")) : title);

	if (sorted)
		made.ariaSort = "descending";
	return made;
}

function draw(data, filter) {
	const of = SORTS[state.sort] ?? SORTS.bytes;
	const stacks = data.stacks.filter(filter()).sort((a, b) => of(b) - of(a));
	const all = columns(data), left = stacks.length - rows;
	const row = (stack) => element("tr", {}, ...all.map((column) => cell(column, stack)));
	const sum = stacks.reduce((bytesOfAll, stack) => bytesOfAll + stack.bytes, 0);

	by("stacks").replaceChildren(
		element("caption", { className: "unseen" }, "Stacks with outstanding memory"),
		element("thead", {}, element("tr", {}, ...all.map(head))),
		element("tbody", {}, ...stacks.slice(0, rows).map(row)));
	by("found").textContent = stacks.length === data.stacks.length ? `${count(stacks.length)} stacks`
		: `${count(stacks.length)} of ${count(data.stacks.length)} stacks, ${bytes(sum)}`;
	by("more").hidden = left <= 0;
	by("more").textContent = `Show ${count(Math.min(left, ROWS_A_PAGE))} more`;
}

export function showStacks(data, filter) {
	draw(data, filter);
	by("more").addEventListener("click", () => { rows += ROWS_A_PAGE; draw(data, filter); });
	onChange((changed) => {
		if (changed.has("q") || changed.has("allocator"))
			rows = ROWS_A_PAGE;
		if (changed.has("q") || changed.has("allocator") || changed.has("sort"))
			draw(data, filter);
	});
}
