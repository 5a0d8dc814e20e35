/* SPDX-License-Identifier: BSD-2-Clause
 *
 * state: what the reader looks at, kept in the fragment of the address, so that a link into the file carries it.
 */
const DEFAULTS = { show: "bytes", frames: "python", inverted: "", allocator: "", q: "",
	zoom: "", sort: "bytes", from: "", to: "" };

const read = () => ({ ...DEFAULTS, ...Object.fromEntries([...new URLSearchParams(location.hash.slice(1))]
	.filter(([key]) => key in DEFAULTS)) });

export const state = read();
const listeners = [];

/* call(changed: Set of names) whenever something changes */
export function onChange(call) {
	listeners.push(call);
}

function take(values) {
	const changed = new Set(Object.keys(values).filter((key) => state[key] !== values[key]));

	Object.assign(state, values);
	if (changed.size)
		listeners.forEach((call) => call(changed));
	return changed.size > 0;
}

function fragment() {
	const set = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key]);

	return set.length ? "#" + new URLSearchParams(set) : "";
}

export function change(values) {
	if (take(values))
		history.replaceState(null, "", fragment() || location.href.split("#")[0]);
}

addEventListener("hashchange", () => take(read()));
