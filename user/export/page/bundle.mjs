/* SPDX-License-Identifier: BSD-2-Clause
 *
 * bundle: the sources next to this file -> flamegraph.html, one file without foreign code. tools/build-page runs it in
 * a copy of this folder. The page still has the one mark @DATA@, where html.c of the program puts the data.
 *
 * usage: node bundle.mjs FOLDER
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

function fail(sentence) {
	console.error(`bundle: ${sentence}`);
	process.exit(1);
}

async function bundle(entry) {
	const result = await build({
		entryPoints: [entry],
		bundle: true,
		write: false,
		outdir: "out",
		minify: true,
		legalComments: "none",
		charset: "ascii",
		format: "iife",
		target: ["es2022"],
		logLevel: "warning",
	});
	const text = (name) => result.outputFiles.filter((file) => file.path.endsWith(name)).map((file) => file.text).join("");

	return { script: text(".js").trim(), style: text(".css").trim() };
}

const hash = (text) => `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;

const code = await bundle("main.js");
const styles = await bundle("page.css");
const { style } = styles;

/* inside <script> and <style> only these words could end the element or change how it is read */
if (/<\/script|<!--|<script/i.test(code.script) || /<\/style/i.test(style))
	fail("the bundle holds text that cannot stand inside a page");
if (!existsSync("template.html"))
	fail("template.html is missing");

const csp = ["default-src 'none'", `script-src ${hash(code.script)}`, `style-src ${hash(style)}`, "base-uri 'none'",
	"form-action 'none'"].join("; ");
const parts = { CSP: csp, STYLE: style, SCRIPT: code.script };
const page = readFileSync("template.html", "utf8").replace(/@(CSP|STYLE|SCRIPT)@/g, (_, name) => parts[name]);

if (page.split("@DATA@").length !== 2)
	fail("the mark @DATA@ must be in the page exactly once");
writeFileSync(join(process.argv[2], "flamegraph.html"), page);
