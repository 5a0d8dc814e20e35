/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flame graph page: the data that user/export/html.c puts into #data -> the page.
 *
 * Every text that the target chose is shown by textContent only, never as markup; html.c has made its control
 * characters visible already. Nothing is loaded: the page's Content-Security-Policy forbids it.
 */
import { select } from "d3-selection";
import flamegraph from "d3-flame-graph";
import { buildTree, METRICS, sortStacks } from "./stacks.js";
import { bytes, count, duration, percent, rate } from "./units.js";

const KINDS = ["python", "native", "missing", "group"]; /* a group is what stacks have in common, their first frame */
const ROW = 20;
const ROWS_A_PAGE = 100;

const data = JSON.parse(document.getElementById("data").textContent);
const by = (id) => document.getElementById(id);
const state = { metric: 0, domain: -1, native: true, reverse: false, term: "", sort: "bytes", rows: ROWS_A_PAGE };

/* element("td", {className: "size"}, "text", child, ...) */
function element(name, properties, ...children) {
	const made = Object.assign(document.createElement(name), properties);

	made.append(...children);
	return made;
}

/* ---- head ------------------------------------------------------------------------------------------------ */

function showHead() {
	document.title = data.title;
	by("title").textContent = data.title;
	by("foot").textContent = data.foot;
	data.facts.forEach(([name, value, more], i) => {
		const shown = element("dd", {}, value);

		if (more)
			shown.append(element("small", { title: more }, more));
		by("totals").append(element("div", { className: i ? "" : "main" }, element("dt", {}, name), shown));
	});
	for (const note of data.notes)
		by("notes").append(element("li", {}, note));
	if (!data.notes.length)
		by("notes").append(element("li", { className: "good" }, "Nothing was lost."));
}

/* Light or dark as the system has it, until the button is used. */
function setUpTheme() {
	const system = matchMedia("(prefers-color-scheme: dark)");
	const root = document.documentElement;
	const follow = () => { root.dataset.theme = system.matches ? "dark" : "light"; };
	let own = false;

	follow();
	system.addEventListener("change", () => own || follow());
	by("theme").addEventListener("click", () => {
		own = true;
		root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
	});
}

/* ---- flame graph ----------------------------------------------------------------------------------------- */

let chart = null;
let tree = null;

const metric = () => METRICS[state.metric];

/* The same function has the same shade everywhere. */
function color(node) {
	if (node.highlight)
		return "#ff8ad8";
	const name = node.data.shade;
	let hash = 2166136261;

	for (let i = 0; i < name.length; i++)
		hash = Math.imul(hash ^ name.charCodeAt(i), 16777619) >>> 0;
	if (node.data.kind === 0)
		return `hsl(${26 + (hash >>> 8) % 22}, 90%, ${68 + (hash >>> 20) % 11}%)`;
	if (node.data.kind === 1)
		return `hsl(${197 + (hash >>> 8) % 20}, 60%, ${72 + (hash >>> 20) % 10}%)`;
	if (node.data.kind === 3)
		return "hsl(150, 34%, 76%)";
	return "hsl(48, 8%, 84%)";
}

function describe(node) {
	const part = tree.value ? node.data.value / tree.value : 0;
	const figures = [metric().show(node.data.value) + ` (${percent(part)})`];

	if (metric().name !== "bytes")
		figures.push(bytes(node.data.bytes));
	if (metric().name !== "count")
		figures.push(count(node.data.count) + " allocations");
	return figures.join(", ");
}

/* What d3-flame-graph wants as a tooltip: a function with show() and hide(). */
function makeTip() {
	const tip = by("tip");
	const place = (event) => {
		const { offsetWidth: w, offsetHeight: h } = tip;
		const x = event.clientX + 14, y = event.clientY + 18;

		tip.style.left = Math.max(6, Math.min(x, innerWidth - w - 8)) + "px";
		tip.style.top = (y + h + 8 > innerHeight ? Math.max(6, event.clientY - h - 12) : y) + "px";
	};

	by("graph").addEventListener("mousemove", (event) => tip.hidden || place(event));
	return Object.assign(() => {}, {
		show(event, node) {
			tip.replaceChildren(element("div", { className: "frame" }, node.data.name),
				element("div", {}, describe(node)));
			tip.hidden = false;
			place(event);
		},
		hide() { tip.hidden = true; },
		destroy() { tip.hidden = true; },
	});
}

function graphWidth() {
	return Math.max(320, Math.floor(by("graph").clientWidth));
}

/* Only what the reader does moves: the first picture, and one for a new width, are there at once. */
function atOnce(draw) {
	const usual = chart.transitionDuration();

	chart.transitionDuration(0);
	draw();
	chart.transitionDuration(usual);
	/* the library lets new frames grow to their width and only then names them */
	select(by("graph")).selectAll("g.frame").each(function(node) {
		const frame = select(this);

		frame.select("rect").interrupt().attr("width", frame.attr("width"));
		frame.select(".d3-flame-graph-label").interrupt().text(node.data.name);
	});
}

function makeChart() {
	const still = matchMedia("(prefers-reduced-motion: reduce)").matches || location.hash === "#selfcheck";

	return flamegraph()
		.width(graphWidth())
		.cellHeight(ROW)
		.inverted(true)
		.minFrameSize(0.5)
		.resetHeightOnZoom(true)
		.transitionDuration(still ? 0 : 220)
		.tooltip(makeTip())
		.getName((node) => node.data.name)
		.setLabelHandler((node) => `${node.data.name}: ${describe(node)}`)
		.setDetailsHandler((text) => { by("details").textContent = text || searchResult; })
		.setColorMapper((node) => color(node))
		.setSearchMatch((node, term) => node.data.name.toLowerCase().includes(term))
		.setSearchHandler((found, sum, total) => {
			searchResult = `${count(found.length)} frames match: ${metric().show(sum)} (${percent(total ? sum / total : 0)})`;
			by("details").textContent = searchResult;
		})
		.onClick((node) => { by("reset").disabled = !node.parent; });
}

let searchResult = "";

function search() {
	if (!chart || !tree.value)
		return;
	if (state.term) {
		chart.search(state.term.toLowerCase());
	} else {
		searchResult = "";
		chart.clear();
	}
}

function showGraph() {
	const graph = by("graph");

	tree = buildTree(data, state);
	by("reset").disabled = true;
	by("tip").hidden = true;
	if (!tree.value) {
		if (chart)
			chart.destroy();
		chart = null;
		graph.replaceChildren(element("p", { className: "notice" }, metric().nothing));
		return;
	}
	if (chart) {
		chart.update(tree);
	} else {
		graph.replaceChildren();
		chart = makeChart();
		atOnce(() => select(graph).datum(tree).call(chart));
	}
	by("details").textContent = "";
	by("left-out").hidden = !tree.least;
	by("left-out").textContent = `calls with less than ${metric().show(tree.least)} are left out, of the search too`;
	search();
}

/* ---- table ----------------------------------------------------------------------------------------------- */

const COLUMNS = [
	{ key: "bytes", title: "Outstanding", className: "size" },
	{ key: "count", title: "Allocations" },
	{ key: "growth", title: "Growth" },
	{ key: "age", title: "Oldest" },
	{ key: "", title: "Allocator", className: "kind" },
	{ key: "", title: "Allocated by (last call first)", className: "stack" },
];

function headCell(column) {
	const cell = element("th", { className: column.className || "", scope: "col" });

	if (!column.key) {
		cell.append(column.title);
		return cell;
	}
	cell.append(element("button", { type: "button", onclick: () => {
		state.sort = column.key;
		showTable();
	} }, column.title + (state.sort === column.key ? " ▾" : "")));
	if (state.sort === column.key)
		cell.setAttribute("aria-sort", "descending");
	return cell;
}

/* The innermost Python frame says most; without one, the innermost frame does. */
function headline(stack) {
	const inner = stack.frames.slice().reverse();
	const frame = inner.find((index) => data.frames[index][0] === 0) ?? inner[0];

	return frame === undefined ? "[no frames]" : data.frames[frame][1];
}

function stackCell(stack) {
	const list = element("ol", {});
	const details = element("details", {}, element("summary", {}, headline(stack)));
	const cell = element("td", { className: "stack" }, details);

	/* a long list is only made when somebody wants to see it */
	details.addEventListener("toggle", () => {
		if (!list.childElementCount)
			for (const index of stack.frames.slice().reverse())
				list.append(element("li", { className: KINDS[data.frames[index][0]] }, data.frames[index][1]));
	});
	details.append(list);
	if (stack.types.length) {
		const all = stack.types.reduce((sum, type) => sum + type[1], 0) || 1;
		const shares = stack.types.slice(0, 4).map(([name, size]) => `${name} ${percent(size / all)}`);

		cell.append(element("div", { className: "types" }, shares.join("  ·  ")));
	}
	return cell;
}

function row(stack, largest) {
	const size = element("td", { className: "size", title: `${stack.bytes.toLocaleString("en")} bytes` },
		(stack.estimated ? "≈ " : "") + bytes(stack.bytes));
	const bar = element("span", { className: "bar-of" });

	bar.style.width = `${100 * stack.bytes / (largest || 1)}%`;
	size.append(bar);
	return element("tr", {}, size,
		element("td", {}, count(stack.count)),
		element("td", { className: stack.growth > 0 ? "grows" : "" }, stack.growth ? rate(stack.growth) : ""),
		element("td", {}, stack.age > 0 ? duration(stack.age) : ""),
		element("td", { className: "kind" }, data.domains[stack.domain]),
		stackCell(stack));
}

function showTable() {
	const stacks = sortStacks(data.stacks.filter((stack) => state.domain < 0 || stack.domain === state.domain), state.sort);
	const largest = Math.max(0, ...stacks.slice(0, state.rows).map((stack) => stack.bytes));
	const left = stacks.length - state.rows;

	by("stacks").tHead.rows[0].replaceChildren(...COLUMNS.map(headCell));
	by("stacks").tBodies[0].replaceChildren(...stacks.slice(0, state.rows).map((stack) => row(stack, largest)));
	by("table-head").textContent = `Stacks with outstanding allocations (${count(stacks.length)})`;
	by("more").hidden = left <= 0;
	by("more").textContent = `Show ${count(Math.min(left, ROWS_A_PAGE))} more`;
}

/* ---- controls -------------------------------------------------------------------------------------------- */

function setUpControls() {
	const present = [...new Set(data.stacks.map((stack) => stack.domain))].sort();

	METRICS.forEach((each, i) => by("metric").append(new Option(each.title, i)));
	by("domain").append(new Option("all", -1), ...present.map((i) => new Option(data.domains[i], i)));
	by("legend-group").hidden = !data.frames.some(([kind]) => kind === 3);
	by("domain-label").hidden = present.length < 2;
	by("metric").addEventListener("change", (event) => { state.metric = +event.target.value; showGraph(); });
	by("domain").addEventListener("change", (event) => { state.domain = +event.target.value; showGraph(); showTable(); });
	by("native").addEventListener("change", (event) => { state.native = event.target.checked; showGraph(); });
	by("reverse").addEventListener("change", (event) => { state.reverse = event.target.checked; showGraph(); });
	by("search").addEventListener("input", (event) => { state.term = event.target.value.trim(); search(); });
	by("reset").addEventListener("click", () => chart && chart.resetZoom());
	by("more").addEventListener("click", () => { state.rows += ROWS_A_PAGE; showTable(); });
	document.addEventListener("keydown", (event) => {
		if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) {
			event.preventDefault();
			by("search").focus();
		} else if (event.key === "Escape" && chart && !by("reset").disabled) {
			chart.resetZoom();
		}
	});
	new ResizeObserver(() => {
		if (chart && chart.width() !== graphWidth())
			atOnce(() => chart.width(graphWidth()).update());
	}).observe(by("graph"));
}

/* ---- self-check ------------------------------------------------------------------------------------------ */

/*
 * With #selfcheck behind its address the page uses itself and writes what happened into an element of its own, as
 * tests/page reads it: a browser without a head shows nothing else.
 */
function selfCheck(violations) {
	const shown = () => document.querySelectorAll("#graph g.frame").length;
	const set = (id, value, type) => {
		const control = by(id);

		if (typeof value === "boolean")
			control.checked = value;
		else
			control.value = value;
		control.dispatchEvent(new Event(type || "change"));
	};
	const result = { title: document.title, frames: shown(), value: tree.value, rows: by("stacks").tBodies[0].rows.length,
		groups: tree.children.filter((child) => child.kind === 3).map((child) => child.name),
		groupLegend: !by("legend-group").hidden, notes: data.notes,
		facts: [...by("totals").children].map((fact) => [fact.querySelector("dt").textContent,
			fact.querySelector("dd").firstChild.textContent, fact.querySelector("small")?.textContent ?? ""]) };

	if (chart) {
		const leaf = [...document.querySelectorAll("#graph g.frame")].pop();

		leaf.dispatchEvent(new MouseEvent("mouseover", { clientX: 40, clientY: 40, bubbles: true }));
		result.tip = by("tip").innerText;
		leaf.dispatchEvent(new MouseEvent("mouseout", { bubbles: true }));
		leaf.dispatchEvent(new MouseEvent("click", { bubbles: true }));
		result.zoomed = shown();
		result.canReset = !by("reset").disabled;
		by("reset").click();
		result.afterReset = shown();
		set("search", data.frames[data.stacks[0].frames.at(-1)][1], "input");
		result.search = by("details").textContent;
		set("search", "", "input");
		set("native", false);
		result.pythonOnly = shown();
		set("native", true);
		set("reverse", true);
		result.reversed = tree.children.map((child) => child.name);
		set("reverse", false);
		result.metrics = METRICS.map((each, i) => { set("metric", String(i)); return tree.value; });
		set("metric", "0");
		result.restored = shown();
	}
	result.domains = [...by("domain").options].map((option) => {
		set("domain", option.value);
		return [option.text, tree.value];
	});
	set("domain", "-1");
	document.querySelectorAll("#stacks details").forEach((details) => { details.open = true; });
	const before = document.documentElement.dataset.theme;
	by("theme").click();
	result.themes = [before, document.documentElement.dataset.theme].sort();
	by("theme").click();
	/* details' toggle events and refused loads are reported later than this */
	setTimeout(() => {
		result.opened = [...document.querySelectorAll("#stacks ol")].map((list) => list.childElementCount);
		result.resources = performance.getEntriesByType("resource").map((entry) => entry.name);
		result.violations = violations;
		result.foreign = document.querySelectorAll("img, iframe, object, embed, link, base, form, video, audio").length;
		result.scripts = document.scripts.length;
		result.pwned = typeof window.pwned !== "undefined";
		document.body.append(element("pre", { id: "selfcheck", hidden: true }, JSON.stringify(result)));
	}, 50);
}

function start() {
	const violations = [];

	document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
	setUpTheme();
	data.stacks = data.stacks.map(([domain, size, blocks, growth, age, estimated, frames, types]) =>
		({ domain, bytes: size, count: blocks, growth, age, estimated, frames, types }));
	showHead();
	setUpControls();
	showGraph();
	showTable();
	if (location.hash === "#selfcheck")
		selfCheck(violations);
}

start();
