/* SPDX-License-Identifier: BSD-2-Clause
 *
 * main: the data that user/export/html.c puts into #data -> the page.
 *
 * Every text that the target chose is shown by textContent only, never as markup; html.c has made its control
 * characters visible already. Nothing is loaded: the page's Content-Security-Policy forbids it.
 */
import { account } from "./account.js";
import { answer } from "./answer.js";
import { setUpControls } from "./controls.js";
import { cost } from "./cost.js";
import { load } from "./data.js";
import { by } from "./dom.js";
import { showFlame } from "./flame.js";
import { classes, containers, threads, types } from "./grows.js";
import { makeSearch } from "./search.js";
import { showStacks } from "./stacks.js";
import { state } from "./state.js";
import { setUpTheme } from "./theme.js";
import { growth } from "./time.js";

function makeFilter(data) {
	const search = makeSearch(data);

	return () => {
		const matches = search(state.q), domain = data.domains.indexOf(state.allocator);

		return (stack) => (domain < 0 || stack.domain === domain) && matches(stack);
	};
}

function start() {
	const data = load(), filter = makeFilter(data);
	const overTime = growth(data), parts = account(data);
	const contents = { answer: answer(data), growth: overTime.parts, types: types(data), containers: containers(data),
		classes: classes(data), threads: threads(data), rss: parts.parts, cost: cost(data) };

	setUpTheme();
	document.title = by("title").textContent = data.title;
	by("foot").textContent = data.foot;
	for (const [id, content] of Object.entries(contents))
		by(id).append(...content);
	setUpControls(data);
	showFlame(data, filter);
	showStacks(data, filter);
	overTime.watch();
	parts.watch();
}

start();
