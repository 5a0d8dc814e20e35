/* SPDX-License-Identifier: BSD-2-Clause
 *
 * time: growth over time: RSS, memory in use, the findings; a brush chooses the span of what is below.
 */
import { by, drawn, element, table } from "./dom.js";
import { chosenSpan, inUse, over, seriesOf } from "./span.js";
import { change as setState, onChange, state } from "./state.js";
import { bytes, change, count, duration, perMinute } from "./units.js";

const WIDTH = 1000, HEIGHT = 220;
const FINDINGS_DRAWN = 4;

function linesOf(data) {
	const { trend } = data;
	const findings = data.verdicts?.length === 1 ? data.verdicts[0].findings : [];

	return [
		{ name: "RSS", className: "rss", points: seriesOf(trend, "rss_bytes") },
		{ name: "Memory in use", className: "in-use", points: inUse(trend) },
		...findings.map((finding, i) => ({ name: `${i + 1}. ${finding.cause}`, className: `finding${i % FINDINGS_DRAWN}`,
			finding, points: [[0, 0], [trend.span_s, finding.bytes_per_s * trend.span_s]] })),
	].filter((line) => line.points.length > 1);
}

const changes = ({ points }) => points.map(([at, value]) => [at, value - points[0][1]]);

/* Powers of two times 1, 2 or 4 MiB and the like: labels without fractions. */
function ticks(least, most) {
	let step = 1024;

	while ((most - least) / step > 5)
		step *= 2;
	const out = [];

	for (let at = Math.ceil(least / step) * step; at <= most; at += step)
		out.push(at);
	return out;
}

function chart(lines, trend) {
	const values = lines.flatMap((line) => changes(line).map(([, value]) => value));
	const least = Math.min(0, ...values), most = Math.max(least + 1024, ...values) * 1.04;
	const x = (at) => WIDTH * at / (trend.span_s || 1), y = (value) => HEIGHT * (most - value) / (most - least);
	const picture = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
		"aria-label": "Change of memory since the first look; the table below has the figures" });
	const labels = element("div", { className: "ticks", ariaHidden: "true" });

	for (const tick of ticks(least, most)) {
		const label = element("span", {}, tick ? change(tick) : "0");

		label.style.top = `${100 * y(tick) / HEIGHT}%`;
		labels.append(label);
		picture.append(drawn("line", { class: "tick", x1: 0, x2: WIDTH, y1: y(tick), y2: y(tick) }));
	}
	picture.append(drawn("rect", { class: "span", id: "span", y: 0, height: HEIGHT }));
	for (const line of lines)
		picture.append(drawn("polyline", { class: "line " + line.className,
			points: changes(line).map(([at, value]) => `${x(at)},${y(value)}`).join(" ") }));
	return element("div", { className: "chart", id: "chart" }, picture, labels);
}

function slider(id, name, trend) {
	const input = element("input", { type: "range", id, min: 0, max: trend.span_s, step: trend.span_s / 200 });

	return element("label", {}, name, " ", input, " ", element("output", { id: id + "-at" }));
}

/* A drag over the chart chooses a span; a click without one chooses all of it. */
function listenToBrush(trend) {
	const place = by("chart");
	let begin = null;
	const timeAt = (event) => {
		const { left, width } = place.getBoundingClientRect();

		return trend.span_s * Math.min(1, Math.max(0, (event.clientX - left) / width));
	};
	const choose = (event) => {
		const [from, to] = [begin, timeAt(event)].sort((a, b) => a - b);

		setState(to - from < trend.span_s / 100 ? { from: "", to: "" } : { from: from.toFixed(1), to: to.toFixed(1) });
	};

	place.addEventListener("pointerdown", (event) => { begin = timeAt(event); place.setPointerCapture(event.pointerId); });
	place.addEventListener("pointermove", (event) => begin !== null && choose(event));
	place.addEventListener("pointerup", (event) => { choose(event); begin = null; });
	place.addEventListener("pointercancel", () => { begin = null; });
	by("from").addEventListener("input", ({ target }) => setState({ from: target.value }));
	by("to").addEventListener("input", ({ target }) => setState({ to: target.value }));
	by("whole").addEventListener("click", () => setState({ from: "", to: "" }));
}

const COLUMNS = [
	{ title: "What", className: "name", cell: ({ name, className }) =>
		element("span", {}, element("i", { className: "key " + className }), name) },
	{ title: "At its start", cell: (row) => row.figures?.first ?? "" },
	{ title: "At its end", cell: (row) => row.figures?.last ?? "" },
	{ title: "Change", cell: (row) => row.figures?.delta ?? "" },
	{ title: "Rate", cell: (row) => row.rate },
];

function rowOf(line, span) {
	if (line.finding)
		return { ...line, rate: element("span", {}, perMinute(line.finding.bytes_per_s),
			element("small", {}, " whole trace")) };
	const found = over(line.points, span);

	return { ...line, figures: found && { first: bytes(found.first), last: bytes(found.last), delta: change(found.delta) },
		rate: found ? perMinute(found.perSecond) : "not known" };
}

function countRow(trend, name, title, span) {
	const found = over(seriesOf(trend, name), span);
	const signed = (value) => (value > 0 ? "+" : "") + count(value);

	return found && { name: title, className: "none",
		figures: { first: count(found.first), last: count(found.last), delta: signed(found.delta) },
		rate: found.delta ? signed(found.perSecond * 60) + "/min" : "" };
}

function update(lines, trend) {
	const span = chosenSpan(state, trend);
	const rect = by("span");

	rect.setAttribute("x", WIDTH * span.from / (trend.span_s || 1));
	rect.setAttribute("width", WIDTH * (span.to - span.from) / (trend.span_s || 1));
	rect.classList.toggle("all", span.all);
	for (const [id, at] of [["from", span.from], ["to", span.to]]) {
		by(id).value = at;
		by(id + "-at").textContent = duration(at);
	}
	by("whole").disabled = span.all;
	by("by-span").replaceChildren(table("Memory in the chosen span", COLUMNS, [
		...lines.map((line) => rowOf(line, span)),
		countRow(trend, "objects", "Python objects", span),
		countRow(trend, "threads", "Threads", span),
		countRow(trend, "fds", "File descriptors", span),
	].filter(Boolean)));
	document.querySelectorAll(".not-by-span").forEach((note) => { note.hidden = span.all; });
}

/* return elements; watch() is to be called when they are in the document */
export function growth(data) {
	const { trend } = data;

	if (!trend || trend.span_s <= 0)
		return { parts: [element("p", {}, "Not known: memory was looked at less than twice.")], watch() {} };
	const lines = linesOf(data);
	const parts = [
		element("p", { className: "soft" }, `Change since the first of ${count(trend.looks)} looks.`,
			" A finding is a dashed line: it has one rate, that of the whole trace."),
		chart(lines, trend),
		element("div", { className: "bar brush" }, slider("from", "Span from", trend), slider("to", "to", trend),
			element("button", { type: "button", id: "whole" }, "Whole trace")),
		element("div", { id: "by-span", ariaLive: "polite" }),
		...trend.findings.map(({ sentence }) => element("p", { className: "soft" }, sentence)),
	];

	return { parts, watch() {
		listenToBrush(trend);
		update(lines, trend);
		onChange((changed) => (changed.has("from") || changed.has("to")) && update(lines, trend));
	} };
}
