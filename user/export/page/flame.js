/* SPDX-License-Identifier: BSD-2-Clause
 *
 * flame: the tree -> the flame graph, root on top; a click or Enter zooms, arrows move.
 */
import { by, element } from "./dom.js";
import { KINDS, short } from "./frames.js";
import { relative } from "./data.js";
import { change, onChange, state } from "./state.js";
import { METRICS, addUp, buildTree, childrenOf, nodeAt, placeOf, trunkOf } from "./tree.js";
import { bytes, count, percent, plusMinus, rate } from "./units.js";

const NARROWEST = 3; /* px; what is narrower is drawn after a zoom */
const IN_A_ROW = 6;  /* frames that nothing forks off; more are folded */
const SHOW = { bytes, growth: rate, count: (value) => count(value) + " blocks" };

let data, chosen, tree, focus, unfolded = false;
let drawn = [];   /* {element, node, above: its place in drawn} */

/* ---- words ----------------------------------------------------------------------------------------------- */

function certainty(node) {
	if (!node.estimated)
		return "";
	const width = state.show === "growth" ? "" : plusMinus(relative(Math.sqrt(node.variance), node.value));

	return width === "not sure" ? "estimated, not sure" : `estimated ${width}`.trim();
}

function figures(node) {
	const parts = [`${SHOW[state.show](node.value)} (${percent(node.value / tree.root.value)})`, certainty(node)];

	if (state.show !== "bytes")
		parts.push(bytes(node.bytes));
	if (state.show !== "count")
		parts.push(count(node.count) + " blocks");
	if (state.show !== "growth" && node.growth)
		parts.push(rate(node.growth));
	return parts.filter(Boolean).join(", ");
}

/* The same function has the same shade everywhere. */
function shade(text) {
	let hash = 0;

	for (const letter of text.replace(/:\d+\)$|\+0x[0-9a-f]+/, ""))
		hash = (Math.imul(hash, 31) + letter.codePointAt(0)) >>> 0;
	return hash % 4;
}

/* ---- boxes ----------------------------------------------------------------------------------------------- */

function place(node, text, label, level, left, width, above, className) {
	const box = element("div", { className: `frame ${className}`, tabIndex: -1, role: "treeitem" }, text);

	box.ariaLabel = label;
	box.ariaLevel = level + 1;
	box.style.setProperty("--level", level);
	box.style.left = `${100 * left}%`;
	box.style.width = `${100 * width}%`;
	box.dataset.at = drawn.length;
	drawn.push({ element: box, node, above, level });
	return drawn.length - 1;
}

function placeNode(node, level, left, width, above) {
	const { frame } = node;
	const hit = state.q.trim() && frame.text.toLowerCase().includes(state.q.trim().toLowerCase());

	return place(node, short(frame.text), `${frame.text}: ${figures(node)}`, level, left, width, above,
		`${KINDS[frame.kind]} shade${shade(frame.text)}${node.estimated ? " estimated" : ""}${hit ? " match" : ""}`);
}

function placeBelow(node, level, left, width, above) {
	const least = NARROWEST / Math.max(300, by("graph").clientWidth);
	let at = left;

	for (const child of childrenOf(node)) {
		const share = width * child.value / node.value;

		if (share < least)
			break; /* what follows is narrower still */
		placeBelow(child, level + 1, at, share, placeNode(child, level, at, share, above));
		at += share;
	}
}

/* What is above the picture in one row each; a long run that nothing forks off is folded. */
function placeAbove() {
	const row = focus.parent ? [] : trunkOf(focus);
	let above = -1, level = 0;

	for (let at = focus; at && focus.parent; at = at.parent)
		row.unshift(at);
	const middle = row.length > IN_A_ROW && !unfolded ? row.slice(1, -3) : [];

	for (const node of row) {
		if (node === middle[0]) {
			const text = `… ${middle.length} frames that all of this has in common`;

			above = place(null, text, text, level++, 0, 1, above, "fold");
		} else if (!middle.includes(node)) {
			above = placeNode(node, level++, 0, 1, above);
		}
	}
	return { node: row.at(-1), level, above };
}

function draw() {
	const graph = by("graph");

	drawn = [];
	by("tip").hidden = true;
	if (!tree.root.value) {
		graph.replaceChildren(element("p", { className: "empty" },
			state.q ? "No stack matches." : METRICS[state.show].nothing));
		graph.style.height = "";
		return;
	}
	focus = nodeAt(tree.root, state.zoom);
	const { node, level, above } = placeAbove();

	placeBelow(node, level, 0, 1, above);
	drawn[0].element.tabIndex = 0;
	graph.replaceChildren(...drawn.map((each) => each.element));
	graph.style.setProperty("--levels", 1 + drawn.reduce((most, each) => Math.max(most, each.level), 0));
	by("reset").disabled = !focus.parent;
	describe(focus);
}

const describe = (node) => { by("details").textContent = node ? `${node.frame.text}: ${figures(node)}` : ""; };

/* ---- what the reader does -------------------------------------------------------------------------------- */

const drawnAt = (event) => drawn[event.target.closest?.(".frame")?.dataset.at];

function zoom(each) {
	if (!each.node) {
		unfolded = true;
		draw();
	} else {
		unfolded = false;
		change({ zoom: placeOf(each.node) });
		drawn.find(({ node }) => node === each.node)?.element.focus({ preventScroll: true });
	}
}

function go(from, key) {
	const at = drawn.indexOf(from), beside = drawn.filter((each) => each.level === from.level);
	const to = {
		ArrowUp: () => drawn[from.above],
		ArrowDown: () => drawn.find((each) => each.above === at),
		ArrowLeft: () => beside[beside.indexOf(from) - 1],
		ArrowRight: () => beside[beside.indexOf(from) + 1],
		Home: () => drawn[0],
	}[key]?.();

	if (to) {
		drawn.forEach((each) => { each.element.tabIndex = -1; });
		to.element.tabIndex = 0;
		to.element.focus();
	}
	return to;
}

function showTip(event) {
	const each = drawnAt(event), tip = by("tip");

	tip.hidden = !each?.node;
	if (tip.hidden)
		return;
	tip.replaceChildren(element("b", {}, each.node.frame.text), element("div", {}, figures(each.node)));
	const { offsetWidth: width, offsetHeight: height } = tip;
	const under = event.clientY + 18;

	tip.style.left = `${Math.max(6, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
	tip.style.top = `${under + height + 8 > innerHeight ? Math.max(6, event.clientY - height - 12) : under}px`;
}

function listen(graph) {
	graph.addEventListener("click", (event) => { const each = drawnAt(event); if (each) zoom(each); });
	graph.addEventListener("pointermove", (event) => event.pointerType === "mouse" && showTip(event));
	graph.addEventListener("pointerleave", () => { by("tip").hidden = true; });
	graph.addEventListener("focusin", (event) => describe(drawnAt(event)?.node));
	graph.addEventListener("keydown", (event) => {
		const each = drawnAt(event);

		if (each && (event.key === "Enter" || event.key === " "))
			zoom(each);
		else if (!each || !go(each, event.key))
			return;
		event.preventDefault();
	});
	document.addEventListener("keydown", (event) => event.key === "Escape" && change({ zoom: "" }));
	by("reset").addEventListener("click", () => change({ zoom: "" }));
	new ResizeObserver(([{ contentRect }]) => {
		if (contentRect.width !== listen.width)
			draw();
		listen.width = contentRect.width;
	}).observe(graph);
}

/* ---- start ----------------------------------------------------------------------------------------------- */

const build = () => {
	const choice = ["folded", "all"].includes(state.frames) ? state.frames : "python";

	tree = buildTree(data.stacks, choice, state.inverted !== "");
};
const sum = () => {
	if (!(state.show in METRICS))
		state.show = "bytes";
	addUp(tree, data.stacks, chosen(), state.show);
};

/* filter() gives a function of a stack: is it among those that the reader looks for? */
export function showFlame(from, filter) {
	data = from;
	chosen = filter;
	build();
	sum();
	listen.width = by("graph").clientWidth;
	draw();
	listen(by("graph"));
	onChange((changed) => {
		const has = (...names) => names.some((name) => changed.has(name));

		if (has("frames", "inverted")) {
			build();
			if (!has("zoom"))
				change({ zoom: "" });
		}
		if (has("frames", "inverted", "q", "allocator", "show"))
			sum();
		if (has("frames", "inverted", "q", "allocator", "show", "zoom"))
			draw();
	});
}
