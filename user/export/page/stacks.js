/* SPDX-License-Identifier: BSD-2-Clause
 *
 * stacks: stacks of the page's data -> the tree that d3-flame-graph draws. Pure: no document.
 */
import { bytes, count, rate } from "./units.js";

/* What the widths may mean. */
export const METRICS = [
	{ name: "bytes", title: "outstanding bytes", of: (stack) => stack.bytes, show: bytes,
	  nothing: "Nothing is outstanding: what was allocated during the trace has been freed." },
	{ name: "count", title: "outstanding allocations", of: (stack) => stack.count,
	  show: (value) => count(value) + " allocations",
	  nothing: "Nothing is outstanding: what was allocated during the trace has been freed." },
	{ name: "growth", title: "growth (bytes/s)", of: (stack) => Math.max(0, stack.growth), show: rate,
	  nothing: "No stack grew since the report before this one." },
];

/* More elements than this make a browser slow; the narrowest calls are left out then. */
const NODES_MAX = 40000;

const SORTS = {
	bytes: (stack) => stack.bytes,
	count: (stack) => stack.count,
	growth: (stack) => stack.growth,
	age: (stack) => stack.age,
};

/* Largest first; equal ones keep their order. A new array. */
export function sortStacks(stacks, key) {
	const of = SORTS[key];

	return stacks.slice().sort((a, b) => of(b) - of(a));
}

function makeNode(frame) {
	const [kind, name] = frame;

	return { name, kind, shade: name.replace(/:\d+\)$|\+0x[0-9a-f]+/, ""), value: 0, bytes: 0, count: 0, below: new Map() };
}

function add(node, stack, value) {
	node.value += value;
	node.bytes += stack.bytes;
	node.count += stack.count;
}

/* Children as sorted arrays; what is narrower than least goes. Returns the number of nodes kept. */
function finish(node, least) {
	let kept = 1;

	node.children = [...node.below.values()].filter((child) => child.value >= least)
		.sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
	for (const child of node.children)
		kept += finish(child, least);
	return kept;
}

/*
 * in     data: with frames [[kind, name], ...] and stacks, whose frames are indexes, root first
 *        options: metric (index), domain (index, -1: all), native (bool), reverse (bool)
 * return the root: name, kind, shade (what its colour comes from), value, bytes, count, children (largest first), least: calls with less are left out
 */
export function buildTree(data, options) {
	const root = makeNode([2, "everything outstanding"]);

	for (const stack of data.stacks) {
		const value = METRICS[options.metric].of(stack);
		let node = root;

		if (!value || (options.domain >= 0 && stack.domain !== options.domain))
			continue;
		add(root, stack, value);
		for (const index of options.reverse ? stack.frames.slice().reverse() : stack.frames) {
			if (!options.native && data.frames[index][0] === 1)
				continue;
			if (!node.below.has(index))
				node.below.set(index, makeNode(data.frames[index]));
			node = node.below.get(index);
			add(node, stack, value);
		}
	}
	root.least = 0;
	while (finish(root, root.least) > NODES_MAX)
		root.least = Math.max(root.least * 2, root.value / 20000);
	return root;
}
