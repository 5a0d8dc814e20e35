/* SPDX-License-Identifier: BSD-2-Clause
 *
 * controls: the search and the choices above graph and table <-> the state.
 */
import { by } from "./dom.js";
import { change, onChange, state } from "./state.js";

const CHOICES = ["show", "frames", "allocator"];

function follow() {
	for (const name of CHOICES)
		by(name).value = state[name];
	by("inverted").checked = state.inverted !== "";
	if (by("search").value.trim() !== state.q.trim())
		by("search").value = state.q;
}

export function setUpControls(data) {
	const present = [...new Set(data.stacks.map((stack) => stack.domain))].sort();

	by("allocator").append(new Option("all", ""), ...present.map((i) => new Option(data.domains[i], data.domains[i])));
	by("allocator-label").hidden = present.length < 2;
	by("legend-group").hidden = !data.frames.some(({ kind }) => kind === 3);
	by("legend-estimated").hidden = !data.stacks.some(({ estimated }) => estimated);
	follow();
	onChange(follow);
	for (const name of CHOICES)
		by(name).addEventListener("change", ({ target }) => change({ [name]: target.value }));
	by("inverted").addEventListener("change", ({ target }) => change({ inverted: target.checked ? "1" : "" }));
	by("search").addEventListener("input", ({ target }) => change({ q: target.value }));
	document.addEventListener("keydown", (event) => {
		if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) {
			event.preventDefault();
			by("search").focus();
		}
	});
}
