/* SPDX-License-Identifier: BSD-2-Clause
 *
 * grows: what grows in the heap: types, containers, classes; and the threads. Each function returns elements.
 */
import { element, table } from "./dom.js";
import { fromJson, short, stackOnDemand } from "./frames.js";
import { bytes, change, count, duration, perMinute, sure } from "./units.js";

const NOT_BY_SPAN = "Of the whole trace: these figures are not known by span.";

const plus = (value) => (value > 0 ? "+" : "") + count(value);
const aMinute = (perSecond) => plus(perSecond * 60) + "/min";
const notBySpan = () => element("p", { className: "soft not-by-span", hidden: true }, NOT_BY_SPAN);
const none = (text) => [element("p", { className: "soft" }, text)];

const stacksOf = (stacks, figure) => element("div", {}, ...stacks.map((stack) =>
	element("div", { className: "by" }, figure(stack), stackOnDemand(stack.frames.map(fromJson)))));

/* ---- types ----------------------------------------------------------------------------------------------- */

const TYPES = [
	{ title: "Type", className: "name", cell: (row) => row.name },
	{ title: "Objects", cell: (row) => count(row.count) },
	{ title: "More", cell: (row) => plus(row.count_delta) },
	{ title: "Bytes", cell: (row) => bytes(row.bytes) },
	{ title: "Rate", cell: (row) => `${change(row.bytes_per_min)}/min` },
	{ title: "At least", cell: (row) =>
		row.least_bytes_per_min > 0 ? `${change(row.least_bytes_per_min)}/min` : "not known" },
	{ title: "Grows", cell: (row) => row.confidence > 0 ? sure(row.confidence) : "not known" },
];

export function types({ heap }) {
	if (!heap)
		return none("Not known: the heap was not scanned twice.");
	const { types: rows, scans, span_s: span, no_full_collection: garbage } = heap.growth;

	return [
		element("p", { className: "soft" }, `${count(scans)} scans in ${duration(span)}.`,
			garbage ? " No full collection ran meanwhile: garbage in cycles may be part of it." : ""),
		notBySpan(),
		rows.length ? table("Types that grow", TYPES, rows) : element("p", { className: "soft" }, "No type grows."),
	];
}

/* ---- containers ------------------------------------------------------------------------------------------ */

/* A path from its root, then what it holds: "app.cache › SESSIONS › dict › 120,431 Session". */
function chain({ path, type, containers = 1, items, item_type: holds }) {
	const steps = path.split(/\.(?=[A-Z_a-z][^.]*$)/);

	return element("ol", { className: "chain" }, ...steps.map((step) => element("li", {}, step)),
		element("li", {}, containers > 1 ? `${count(containers)} × ${type}` : type),
		element("li", {}, `${count(items)} ${holds || "items"}`));
}

const changesOf = ({ inserted, removed }) =>
	[inserted && `+${count(inserted)}`, removed && `-${count(removed)}`].filter(Boolean).join(" ");

const CONTAINERS = [
	{ title: "Chain", className: "name", cell: chain },
	{ title: "Items", cell: (row) => aMinute(row.items_per_s) },
	{ title: "Holds", cell: (row) => row.bytes === undefined ? "not known" : bytes(row.bytes) },
	{ title: "Rate", cell: (row) => row.bytes_per_s === undefined ? "not known" : perMinute(row.bytes_per_s) },
	{ title: "90 % sure", cell: (row) =>
		row.least === undefined ? "not known" : `${perMinute(row.least)} to ${perMinute(row.most)}` },
	{ title: "Who changes it", className: "text", cell: ({ watched }) =>
		watched ? stacksOf(watched, changesOf) : "not watched" },
];

/* A row of what is watched as one of what is held. */
const heldAs = ({ container, items_per_s }) =>
	({ path: container.path, type: container.type, items: container.items_after, items_per_s });

export function containers({ retained = [], growing = [] }) {
	const watched = new Map(growing.map((row) => [row.container.path, row.container.stacks]));
	const held = new Set(retained.map((row) => row.path));
	const rows = [...retained, ...growing.filter((row) => !held.has(row.container.path)).map(heldAs)]
		.map((row) => ({ ...row, watched: watched.get(row.path)?.length ? watched.get(row.path) : null }));

	return rows.length ? [notBySpan(), table("Containers that grow", CONTAINERS, rows)] : none("None was seen to grow.");
}

/* ---- classes --------------------------------------------------------------------------------------------- */

const makersOf = ({ stacks, sure: known }) => stacks.length === 0 ? "not known"
	: element("div", {}, known ? null : element("small", {}, "not sure yet"),
		stacksOf(stacks.slice(0, 3), (stack) => count(stack.made)));

const CLASSES = [
	{ title: "Class", className: "name", cell: (row) => row.type },
	{ title: "More", cell: (row) => aMinute(row.per_s) },
	{ title: "Made", cell: (row) => count(row.made) },
	{ title: "Died", cell: (row) => row.sampled ? "not known" : count(row.died) },
	{ title: "Followed", cell: (row) => duration(row.followed_s) },
	{ title: "Made by", className: "text", cell: makersOf },
];

export function classes({ growing_classes: rows = [] }) {
	return rows.length ? [notBySpan(), table("Classes that grow", CLASSES, rows)] : none("None was watched.");
}

/* ---- threads --------------------------------------------------------------------------------------------- */

const placeText = (place) => place ? short(fromJson({ kind: "python", ...place }).text) : "";

const THREADS = [
	{ title: "Thread", className: "name", cell: (row) => row.name ?? (row.tid ? `thread ${row.tid}` : "no name") },
	{ title: "Is at", className: "text", cell: (row) => placeText(row.at) || "not in Python" },
	{ title: "Made for", className: "text", cell: (row) => placeText(row.from) || "not known" },
	{ title: "Started by", className: "text", cell: (row) =>
		row.started ? stackOnDemand(row.started.map(fromJson)) : "not known" },
];

export function threads({ trend }) {
	if (!trend?.threads)
		return none("Not looked at.");
	const { python, all, came, ended } = trend.thread_counts;

	return [
		element("p", { className: "soft" }, `${count(python)} of Python, ${count(all)} in all; `,
			came === undefined ? "how many came and ended is not known."
				: `${count(came)} came and ${count(ended)} ended during the trace.`),
		table("Threads", THREADS, trend.threads.slice(0, 100)),
	];
}
