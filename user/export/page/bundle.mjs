/* SPDX-License-Identifier: BSD-2-Clause
 *
 * bundle: the sources next to this file and the packages in node_modules -> flamegraph.html, one file, and LICENCES,
 * the licences of the packages that are in it. tools/build-page runs it in a copy of this folder. The page still has
 * the one mark @DATA@, where html.c of the program puts the data.
 *
 * usage: node bundle.mjs FOLDER
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

function fail(sentence) {
	console.error(`bundle: ${sentence}`);
	process.exit(1);
}

async function bundle(entry, kind) {
	const result = await build({
		entryPoints: [entry],
		bundle: true,
		write: false,
		outdir: "out",
		metafile: true,
		minify: true,
		keepNames: true, /* d3-flame-graph asks whether a constructor is called "Node" */
		legalComments: "none", /* all licences are in the page as a whole, see licences() */
		charset: "ascii",
		format: "iife",
		target: ["es2022"],
		logLevel: "warning",
	});
	const text = (name) => result.outputFiles.filter((file) => file.path.endsWith(name)).map((file) => file.text).join("");

	return { script: text(".js").trim(), style: text(".css").trim(), inputs: Object.keys(result.metafile.inputs) };
}

/* The licence of every package that a byte of the bundle came from. */
function licences(inputs) {
	const names = new Set();

	for (const input of inputs) {
		const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);

		if (found)
			names.add(found[1]);
	}
	return [...names].sort().map((name) => {
		const folder = join("node_modules", name);
		const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
		const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));

		if (!file)
			fail(`package ${name} comes without the text of its licence`);
		return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
	}).join("\n" + "-".repeat(80) + "\n\n");
}

const hash = (text) => `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;
const asText = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const code = await bundle("page.js");
const styles = await bundle("page.css");
/* the library's own style first, so that ours wins */
const style = code.style + "\n" + styles.style;

/* inside <script> and <style> only these words could end the element or change how it is read */
if (/<\/script|<!--|<script/i.test(code.script) || /<\/style/i.test(style))
	fail("the bundle holds text that cannot stand inside a page");
if (!existsSync("template.html"))
	fail("template.html is missing");

const csp = ["default-src 'none'", `script-src ${hash(code.script)}`, `style-src ${hash(style)}`, "base-uri 'none'",
	"form-action 'none'"].join("; ");
const texts = licences(code.inputs);
const parts = { CSP: csp, STYLE: style, SCRIPT: code.script, LICENCES: asText(texts) };
const page = readFileSync("template.html", "utf8").replace(/@(CSP|STYLE|SCRIPT|LICENCES)@/g, (_, name) => parts[name]);

if (page.split("@DATA@").length !== 2)
	fail("the mark @DATA@ must be in the page exactly once");
writeFileSync(join(process.argv[2], "flamegraph.html"), page);
writeFileSync(join(process.argv[2], "LICENCES"), texts);
