/* SPDX-License-Identifier: BSD-2-Clause
 *
 * cost: what the trace lost and what it cost; what is not known says so.
 */
import { element, table } from "./dom.js";
import { count } from "./units.js";

const LOSSES = [
	{ title: "Lost", className: "name", cell: (row) => row.name },
	{ title: "Times", cell: (row) => count(row.count) },
	{ title: "What that means", className: "text", cell: (row) => row.sentence },
];

/* Facts that a reader looks for, and misses where they are not known. */
const EXPECTED = ["Cost to the target", "Allocated during the trace"];

function fact([name, value, more]) {
	return element("div", {}, element("dt", {}, name), element("dd", {}, value, more && element("small", {}, more)));
}

export function cost({ facts, losses, trend }) {
	const known = new Set(facts.map(([name]) => name));

	return [
		element("dl", { className: "facts" }, ...facts.map(fact),
			...EXPECTED.filter((name) => !known.has(name)).map((name) => fact([name, "not known", ""]))),
		losses.length ? table("Losses", LOSSES, losses) : element("p", { className: "soft" }, "Nothing was lost."),
		...(trend?.missing ?? []).map((sentence) => element("p", { className: "soft" }, `Not read: ${sentence}`)),
	];
}
