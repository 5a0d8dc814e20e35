/* SPDX-License-Identifier: BSD-2-Clause
 *
 * answer: the verdict, and its findings with what they rest on.
 */
import { element } from "./dom.js";
import { fromJson, short, stackOnDemand } from "./frames.js";
import { change } from "./state.js";
import { percent, perMinute, sure } from "./units.js";

const MEANS = {
	"TOO EARLY": "Too few looks to say.",
	"NO LEAK": "Memory in use does not grow.",
	"GROWING": "It grows, and may still be a warm-up, a cache that fills, or garbage that waits for a collection.",
	"LEAK": "It grows, and nothing suggests that it stops.",
	"FRAGMENTATION": "Memory is free inside the allocators and is not given back.",
};

const quoted = (word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/* "29.9 to 30.4 MiB/min", where the interval is one */
function interval({ bytes_per_s: value, least, most }) {
	return least <= value && value <= most && least < most ? `90 % sure: ${perMinute(least)} to ${perMinute(most)}` : "";
}

function command(words) {
	const text = ["sudo", ...words.map(quoted)].join(" ");
	const code = element("code", {}, text);
	const button = element("button", { type: "button", className: "copy" }, "Copy");

	button.ariaLabel = `Copy the command: ${text}`;
	button.addEventListener("click", async () => {
		try {
			await navigator.clipboard.writeText(text);
			button.textContent = "Copied";
		} catch {
			getSelection().selectAllChildren(code);
			button.textContent = "Selected";
		}
	});
	return element("div", { className: "command" }, code, button);
}

function share(part) {
	const bar = element("i", { className: "share" });

	bar.style.setProperty("--share", `${100 * Math.min(1, Math.max(0, part))}%`);
	return element("span", { className: "shared" }, bar, `${percent(part)} of the growth`);
}

function where(finding, has) {
	if (!finding.where)
		return null;
	const { text } = fromJson(finding.where);
	const show = has(text) && element("button", { type: "button", className: "plain", onclick: () => {
		change({ q: text, zoom: "" });
		document.getElementById("stacks-head").scrollIntoView();
	} }, "show its stacks");

	return element("div", {}, element("b", {}, `${finding.by ?? "at"} `),
		element("code", { title: text }, short(text)), " ", show);
}

function findingItem(finding, has) {
	const frames = (finding.frames ?? []).map(fromJson);
	const evidence = (finding.evidence ?? []).filter(({ kind, value }) => kind !== "containers" || value > 1);
	const facts = [interval(finding), finding.confidence > 0 && `grows: ${sure(finding.confidence)}`,
		...evidence.map(({ text }) => text)].filter(Boolean);

	return element("li", {},
		element("div", { className: "finding" }, element("b", { className: "rate" }, perMinute(finding.bytes_per_s)),
			element("span", { className: "cause" }, finding.cause), share(finding.share ?? 0)),
		element("p", { className: "what" }, finding.sentence),
		where(finding, has),
		element("div", { className: "soft" }, facts.join(" · ")),
		frames.length > 0 && stackOnDemand(frames, `Stack (${frames.length} frames)`),
		finding.next && command(finding.next));
}

function verdictPart(verdict, has) {
	const left = verdict.unexplained_bytes_per_s;

	return element("div", { className: "verdict" },
		element("p", { className: "state" },
			element("b", { className: "badge " + verdict.state.toLowerCase().replace(" ", "-"), title: MEANS[verdict.state] },
				verdict.state), " ", verdict.pid ? `pid ${verdict.pid}: ` : "", verdict.sentence),
		element("p", { className: "soft" }, MEANS[verdict.state]),
		element("ol", { className: "findings" }, ...verdict.findings.map((finding) => findingItem(finding, has))),
		left > 0 && element("p", { className: "soft" }, `${perMinute(left)} not explained yet`,
			verdict.look_again_s ? `; look again in ${Math.round(verdict.look_again_s)} s` : ""));
}

/* return elements */
export function answer(data) {
	const texts = new Set(data.frames.map((frame) => frame.text));
	const parts = (data.verdicts ?? []).map((verdict) => verdictPart(verdict, (text) => texts.has(text)));

	if (!parts.length)
		parts.push(element("p", {}, "Not known: the heap and the memory of the process were not looked at in this trace."));
	return [...parts, element("ul", { className: "notes" }, ...data.notes.map((note) => element("li", {}, note)))];
}
