/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dom: elements from data. Text of the target becomes text nodes and attributes, never markup.
 */
const SVG = "http://www.w3.org/2000/svg";

export const by = (id) => document.getElementById(id);

/* element("td", {className: "size"}, "text", child, ...); null and false are no children */
export function element(name, properties = {}, ...children) {
	const made = Object.assign(document.createElement(name), properties);

	made.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
	return made;
}

export function drawn(name, attributes = {}, ...children) {
	const made = document.createElementNS(SVG, name);

	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, value);
	made.append(...children);
	return made;
}

/*
 * A table that is a list of cards on a narrow screen, where each figure has the name of its column.
 *
 * columns  [{title, className, cell: (row) -> text or element}, ...]
 */
export function table(caption, columns, rows) {
	const head = element("tr", {}, ...columns.map(({ title, className = "" }) =>
		element("th", { scope: "col", className }, title)));

	return element("table", {}, element("caption", { className: "unseen" }, caption), element("thead", {}, head),
		element("tbody", {}, ...rows.map((row) => element("tr", {}, ...columns.map((column) => cell(column, row))))));
}

export function cell({ title, className = "", cell: content }, row) {
	const made = element("td", { className }, content(row));

	made.dataset.name = title;
	return made;
}

/* What is long is made when somebody opens it. */
export function onDemand(summary, make) {
	const details = element("details", {}, element("summary", {}, summary));

	details.addEventListener("toggle", () => {
		if (details.open && details.childElementCount === 1)
			details.append(make());
	});
	return details;
}
