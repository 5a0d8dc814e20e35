/* SPDX-License-Identifier: BSD-2-Clause
 *
 * data: what user/export/html.c put into #data -> an object to read from. All text in it is visible already.
 */
import { by } from "./dom.js";

/* [error, value] -> relative half width; null: counted; Infinity: not known */
export const relative = (error, value) => error < 0 ? null : value > 0 ? error / value : Infinity;

function makeStack(frames, [domain, bytes, count, growth, age, bytesError, countError, indexes, types], index) {
	return { index, domain, bytes, count, growth, age, bytesError, countError, indexes, types,
		estimated: bytesError >= 0, frames: indexes.map((i) => frames[i]) };
}

export function load() {
	const data = JSON.parse(by("data").textContent);

	data.frames = data.frames.map(([kind, text], index) => ({ kind, text, index }));
	data.stacks = data.stacks.map((stack, i) => makeStack(data.frames, stack, i));
	return data;
}
