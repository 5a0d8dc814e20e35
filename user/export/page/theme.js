/* SPDX-License-Identifier: BSD-2-Clause
 *
 * theme: light or dark as the system has it, until the button is used.
 */
import { by } from "./dom.js";

export function setUpTheme() {
	const system = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
	const follow = () => { root.dataset.theme = system.matches ? "dark" : "light"; };
	let own = false;

	follow();
	system.addEventListener("change", () => own || follow());
	by("theme").addEventListener("click", () => {
		own = true;
		root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
	});
}
