/* SPDX-License-Identifier: BSD-2-Clause
 *
 * account: where the resident memory is, at the end of the chosen span, as a stacked bar.
 */
import { by, element, table } from "./dom.js";
import { chosenSpan, over, seriesOf, within } from "./span.js";
import { onChange, state } from "./state.js";
import { bytes, change, duration, percent } from "./units.js";

const COLUMNS = [
	{ title: "Part", className: "name",
		cell: (row) => element("span", {}, element("i", { className: `key part${row.index}` }), row.label) },
	{ title: "Bytes", cell: (row) => bytes(row.value) },
	{ title: "Of RSS", cell: (row) => percent(row.share) },
	{ title: "Change", cell: (row) => row.delta === null ? "not known" : row.delta ? change(row.delta) : "" },
];

function rowsOf({ trend, series }, span) {
	const labels = new Map(series);
	const at = (name) => within(seriesOf(trend, name), span).at(-1)?.[1] ?? 0;
	const rss = at("rss_bytes");
	const rows = Object.keys(trend.account).filter((name) => name !== "unexplained_bytes").map((name, index) =>
		({ index, label: labels.get(name) ?? name, value: at(name),
			delta: over(seriesOf(trend, name), span)?.delta ?? null }));
	const rest = rss - rows.reduce((sum, row) => sum + row.value, 0);

	if (rest > 0)
		rows.push({ index: rows.length, value: rest, delta: null,
			label: "not explained: the target ran on between two readings" });
	const all = rows.reduce((sum, row) => sum + row.value, 0) || 1;

	return { rss, rest, rows: rows.filter((row) => row.value)
		.map((row) => ({ ...row, share: row.value / (rss || 1), width: row.value / all })) };
}

function bar(rows) {
	const made = element("div", { className: "account", role: "img" });

	made.ariaLabel = "Resident memory by part; the table below has the figures";
	for (const row of rows) {
		const part = element("i", { className: `part${row.index}`, title: `${row.label}: ${bytes(row.value)}` });

		part.style.width = `${100 * row.width}%`;
		made.append(part);
	}
	return made;
}

function update(data) {
	const span = chosenSpan(state, data.trend), { rss, rest, rows } = rowsOf(data, span);

	by("account").replaceChildren(
		element("p", { className: "soft" }, `RSS ${bytes(rss)} after ${duration(span.to)}`,
			span.all ? "." : `; changes are of the span of ${duration(span.to - span.from)}.`,
			rest < 0 ? ` The parts add up to ${bytes(-rest)} more: the target ran on between two readings.` : ""),
		bar(rows), table("Resident memory by part", COLUMNS, rows));
}

/* return elements; watch() is to be called when they are in the document */
export function account(data) {
	if (!data.trend?.account)
		return { parts: [element("p", { className: "soft" }, "Not known: not every part could be read.")], watch() {} };
	return { parts: [element("div", { id: "account" })], watch() {
		update(data);
		onChange((changed) => (changed.has("from") || changed.has("to")) && update(data));
	} };
}
