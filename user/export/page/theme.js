/* SPDX-License-Identifier: BSD-2-Clause
 *
 * theme: light or dark as the system has it, until the button is used. Paper is light.
 */
import { by } from "./dom.js";

export function setUpTheme() {
	const system = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
	const follow = () => { root.dataset.theme = system.matches ? "dark" : "light"; };
	let own = false, onScreen;

	follow();
	system.addEventListener("change", () => own || follow());
	addEventListener("beforeprint", () => {
		onScreen = root.dataset.theme;
		root.dataset.theme = "light";
	});
	addEventListener("afterprint", () => { root.dataset.theme = onScreen; });
	by("theme").addEventListener("click", () => {
		own = true;
		root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
	});
}
