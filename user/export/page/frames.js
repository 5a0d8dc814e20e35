/* SPDX-License-Identifier: BSD-2-Clause
 *
 * frames: frames -> text and lists. A shown frame is {kind, text}; kinds are those of the C enum frame_kind.
 */
import { element, onDemand } from "./dom.js";

export const PYTHON = 0, NATIVE = 1, MISSING = 2, GROUP = 3;
export const KINDS = ["python", "native", "missing", "group"];

const NAMES = { python: PYTHON, native: NATIVE, gap: MISSING, group: GROUP };

/* How frame_text() of the program writes a frame of the JSON. */
function textOf({ kind, function: name, file, line, module, offset = 0, inlined }) {
	const last = file && kind === "native" ? file.split("/").pop() : file;
	const place = last ? ` (${last}${line ? `:${line}` : ""})` : "";
	const hex = "+0x" + offset.toString(16);

	if (kind === "gap")
		return `[${name ?? "?"}]`;
	if (kind === "group")
		return name ?? "?";
	if (kind === "python")
		return (name ?? "?") + place;
	if (!name)
		return module ? module + hex : `0x${offset.toString(16)} [generated code]`;
	return name + (inlined ? "" : hex) + (place || (module ? ` [${module}]` : ""));
}

export function fromJson(frame) {
	return { kind: NAMES[frame.kind], text: textOf(frame) };
}

/*
 * Runs of C frames as one, but for the innermost of all: what allocated. Root first, as they come.
 *
 * return [frame or {kind, text, folded: [frame, ...]}, ...]
 */
export function folded(frames) {
	const out = [];
	let run = [];
	const end = () => {
		if (run.length > 2)
			out.push({ kind: NATIVE, text: `… ${run.length} C frames`, folded: run });
		else
			out.push(...run);
		run = [];
	};

	frames.forEach((frame, i) => {
		if (frame.kind === NATIVE && i < frames.length - 1)
			return run.push(frame);
		end();
		out.push(frame);
	});
	end();
	return out;
}

const item = (frame) => element("li", { className: KINDS[frame.kind] },
	frame.folded ? onDemand(frame.text, () => list(frame.folded)) : frame.text);

function list(rootFirst) {
	return element("ol", { className: "stack" }, ...rootFirst.slice().reverse().map(item));
}

/* The stack, leaf first, behind its innermost frame of Python. */
export function stackOnDemand(frames, summary = short(headline(frames))) {
	return onDemand(summary, () => list(folded(frames)));
}

/* Of a path the last two parts, as the text report shows it. */
export const short = (text) => text.replace(/ \((?:[^()]*\/)([^()/]+\/[^()/]+)\)$/, " ($1)");

/* The innermost Python frame says most; without one, the innermost frame does. */
export function headline(frames) {
	return (frames.findLast((frame) => frame.kind === PYTHON) ?? frames.at(-1))?.text ?? "[no frames]";
}
