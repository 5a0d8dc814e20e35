/* SPDX-License-Identifier: BSD-2-Clause
 *
 * span: series of the trend -> figures of a part of the time. Pure: no document.
 */

/* What the verdict calls memory in use. */
const IN_USE = ["python_objects_bytes", "pymalloc_other_bytes", "malloc_other_bytes", "stacks_bytes", "mappings_bytes"];

export const seriesOf = (trend, name) => trend.series.find((each) => each.name === name)?.points ?? [];

/* The sum of some series, where each of them has a point. */
export function inUse(trend) {
	const parts = IN_USE.map((name) => new Map(seriesOf(trend, name)));

	return [...parts[0].keys()].filter((at) => parts.every((part) => part.has(at)))
		.map((at) => [at, parts.reduce((sum, part) => sum + part.get(at), 0)]);
}

/* The points from the last one at or before `from` to the first at or after `to`. */
export function within(points, { from, to }) {
	const first = points.findLastIndex(([at]) => at <= from), last = points.findIndex(([at]) => at >= to);

	return points.slice(Math.max(0, first), last < 0 ? undefined : last + 1);
}

/* return {first, last, delta, perSecond} or null where there are fewer than two points */
export function over(points, span) {
	const inside = within(points, span);

	if (inside.length < 2)
		return null;
	const [[begin, first], [end, last]] = [inside[0], inside.at(-1)];

	return { first, last, delta: last - first, perSecond: end > begin ? (last - first) / (end - begin) : 0 };
}

/* The span that the reader chose, in seconds; all of it where there is none. */
export function chosenSpan(state, trend) {
	const inside = (text, otherwise) =>
		text !== "" && isFinite(text) ? Math.min(trend.span_s, Math.max(0, +text)) : otherwise;
	const from = inside(state.from, 0), to = inside(state.to, trend.span_s);

	return from < to ? { from, to, all: from === 0 && to === trend.span_s } : { from: 0, to: trend.span_s, all: true };
}
