/* SPDX-License-Identifier: BSD-2-Clause
 *
 * tree: stacks -> the tree that the flame graph draws. Pure: no document.
 *
 * A tree is built once for a choice of frames and a direction; a search only adds its figures up anew, along the nodes
 * that each stack remembers.
 */
import { NATIVE, folded } from "./frames.js";

/* What the widths may mean. */
export const METRICS = {
	bytes: { of: (stack) => stack.bytes, nothing: "Nothing is outstanding on these stacks." },
	growth: { of: (stack) => Math.max(0, stack.growth),
		nothing: "None of these stacks grew between the last two reports." },
	count: { of: (stack) => stack.count, nothing: "Nothing is outstanding on these stacks." },
};

/* Which frames of a stack are shown, by the reader's choice. */
const CHOICES = {
	python: (frames) => frames.filter((frame) => frame.kind !== NATIVE),
	folded: (frames) => folded(frames).map((frame) => frame.folded ? { ...frame, text: "… C frames" } : frame),
	all: (frames) => frames,
};

function makeNode(frame, parent) {
	return { frame, parent, below: null, children: [],
		value: 0, bytes: 0, count: 0, growth: 0, estimated: 0, variance: 0 };
}

function childOf(node, frame) {
	const key = frame.index ?? frame.text;
	let child = node.below?.get(key);

	if (!child) {
		child = makeNode(frame, node);
		(node.below ??= new Map()).set(key, child);
		node.children.push(child);
	}
	return child;
}

/* return {root, paths: the nodes of each stack} */
export function buildTree(stacks, choice, inverted) {
	const root = makeNode({ kind: 2, text: "all of it" }, null);
	const paths = stacks.map((stack) => {
		const path = [root];
		let frames = CHOICES[choice](stack.frames);

		if (!frames.length) /* C code alone: what allocated is better than nothing */
			frames = stack.frames.slice(-1);
		if (inverted)
			frames = frames.slice().reverse();
		for (const frame of frames)
			path.push(childOf(path.at(-1), frame));
		return path;
	});

	return { root, paths };
}

function clear(node) {
	node.value = node.bytes = node.count = node.growth = node.estimated = node.variance = 0;
	node.children.forEach(clear);
}

/* Add up those stacks that are in `chosen` (a function of a stack), by a metric. */
export function addUp({ root, paths }, stacks, chosen, metric) {
	const { of } = METRICS[metric];

	clear(root);
	stacks.forEach((stack, i) => {
		const value = chosen(stack) ? of(stack) : 0;
		const error = metric === "bytes" ? stack.bytesError : metric === "count" ? stack.countError : -1;

		if (!value)
			return;
		for (const node of paths[i]) {
			node.value += value;
			node.bytes += stack.bytes;
			node.count += stack.count;
			node.growth += stack.growth;
			if (stack.estimated)
				node.estimated += value;
			if (error > 0)
				node.variance += error * error;
		}
	});
}

/* Those below with a figure, largest first. */
export function childrenOf(node) {
	return node.children.filter((child) => child.value > 0)
		.sort((a, b) => b.value - a.value || (a.frame.text < b.frame.text ? -1 : 1));
}

/* As far as nothing forks below a node: the nodes in a row, the node first. */
export function trunkOf(node) {
	const trunk = [node];

	for (;;) {
		const below = childrenOf(trunk.at(-1));

		if (below.length !== 1 || below[0].value < trunk.at(-1).value)
			return trunk;
		trunk.push(below[0]);
	}
}

/* A node's place as the numbers of its frames, root first: "3.17.4"; what a fragment can carry. */
export function placeOf(node) {
	const keys = [];

	for (let at = node; at.parent; at = at.parent)
		keys.unshift(at.frame.index ?? at.frame.text);
	return keys.join(".");
}

/* The node at such a place, or as near as there is one. */
export function nodeAt(root, place) {
	let node = root;

	for (const key of place ? place.split(".") : []) {
		const child = node.below?.get(/^\d+$/.test(key) ? +key : key);

		if (!child || !child.value)
			break;
		node = child;
	}
	return node;
}
