/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "export/formats.h"
#include "export/tree.h"

/* all in px; the picture scales */
#define WIDTH     1200.0
#define MARGIN    10.0
#define HEAD      70.0 /* title, totals, legend */
#define ROW       18.0
#define LETTER    7.25 /* width of one, in the 12 px monospace font of the labels */
#define NARROWEST 0.4

static const char style[] =
	"text{font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#16191d}"
	".h{font:600 16px system-ui,sans-serif}.s{font:12px system-ui,sans-serif;fill:#444b54}"
	"rect{stroke:#fff;stroke-width:.6}g:hover>rect{stroke:#16191d;stroke-width:1.4}"
	".g rect{stroke:#8a5a00;stroke-dasharray:3 2}";

/* Light fills, on which black text has a contrast of at least 9:1. */
static void fill_of(const struct frame *frame, char fill[40])
{
	static const struct {
		int hue, saturation, hues;
	} of_kind[] = {
		[FRAME_PYTHON] = {36, 88, 22},
		[FRAME_NATIVE] = {205, 62, 20},
		[FRAME_GAP] = {48, 8, 1},
		[FRAME_GROUP] = {150, 34, 1},
	};
	unsigned kind = frame ? (unsigned)frame->kind : (unsigned)FRAME_GAP;
	const char *name = frame && frame->function ? frame->function : "";
	uint32_t hash = 2166136261u; /* FNV-1a: the same name always has the same shade */

	if (kind > FRAME_GROUP)
		kind = FRAME_GAP;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	snprintf(fill, 40, "hsl(%d,%d%%,%u%%)",
		 of_kind[kind].hue - of_kind[kind].hues / 2 + (int)(hash >> 8) % of_kind[kind].hues,
		 of_kind[kind].saturation, kind == FRAME_GAP ? 88 : 72 + (hash >> 20) % 10);
}

/* As much of the name as fits, or nothing when that says nothing. */
static void put_label(FILE *out, const char *text, double x, double y, double width)
{
	size_t letters = width > 8 ? (size_t)((width - 8) / LETTER) : 0;
	char cut[FRAME_TEXT_MAX];

	if (letters < 3)
		return;
	escape_copy(cut, sizeof(cut), text);
	fprintf(out, "<text x=\"%.2f\" y=\"%.1f\">", x + 4, y + 13);
	if (escape_columns(cut) > letters) {
		const char *end = cut;

		for (size_t i = 0; i + 2 < letters; i++)
			escape_next(&end);
		cut[end - cut] = '\0';
		escape_xml(out, cut);
		fputs("..", out);
	} else {
		escape_xml(out, cut);
	}
	fputs("</text>", out);
}

static void put_node(FILE *out, const struct tree *tree, const struct tree_node *node)
{
	double scale = (WIDTH - 2 * MARGIN) / (double)tree->nodes[0].bytes;
	double x = MARGIN + (double)node->start_bytes * scale, width = (double)node->bytes * scale;
	double y = HEAD + node->depth * ROW;
	char text[FRAME_TEXT_MAX] = "everything outstanding", fill[40];

	if (width < NARROWEST)
		return;
	if (node->frame)
		frame_text(node->frame, text, sizeof(text));
	fill_of(node->frame, fill);
	fprintf(out, "<g%s><title>",
		node->frame && node->frame->kind == FRAME_GAP ? " class=\"g\"" : "");
	escape_xml(out, text);
	fprintf(out, "\n%s bytes (%s), %s, in %s</title>", fmt_count(node->bytes).text,
		fmt_bytes(node->bytes).text,
		fmt_percent((double)node->bytes / (double)tree->nodes[0].bytes).text,
		fmt_things(node->count, "allocation").text);
	fprintf(out,
		"<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" rx=\"1.5\" "
		"fill=\"%s\"/>",
		x, y, width, ROW - 1, fill);
	put_label(out, text, x, y, width);
	fputs("</g>\n", out);
}

static void put_title(FILE *out, const struct profile *profile)
{
	const char *exe = profile->target.exe ? strrchr(profile->target.exe, '/') : NULL;

	fputs("Outstanding allocations of ", out);
	if (profile->n_targets) {
		fprintf(out, "%zu processes", profile->n_targets);
		return;
	}
	escape_xml(out, exe && exe[1]         ? exe + 1
			: profile->target.exe ? profile->target.exe
					      : "a process");
	if (profile->target.pid > 0)
		fprintf(out, " (pid %d)", profile->target.pid);
}

static bool has_roots(const struct profile *profile)
{
	for (size_t i = 0; i < profile->n_stacks; i++)
		if (profile->stacks[i].n_frames && profile->stacks[i].frames[0].kind == FRAME_GROUP)
			return true;
	return false;
}

static void put_head(FILE *out, const struct profile *profile, const struct tree *tree)
{
	const struct {
		const char *name;
		struct frame frame;
	} legend[] = {
		{"Python", {.kind = FRAME_PYTHON}},
		{"native", {.kind = FRAME_NATIVE}},
		{"missing", {.kind = FRAME_GAP}},
		{profile->grouping ? "group" : "finding", {.kind = FRAME_GROUP}},
	};
	size_t n_legend = sizeof(legend) / sizeof(legend[0]) - !has_roots(profile);
	bool estimated = false;
	char fill[40];

	for (size_t i = 0; i < profile->n_stacks; i++)
		estimated |= profile->stacks[i].estimated;
	fprintf(out, "<text class=\"h\" x=\"%.0f\" y=\"24\">", MARGIN);
	put_title(out, profile);
	fprintf(out,
		"</text>\n<text class=\"s\" x=\"%.0f\" y=\"44\">%s in %s, after %s%s; "
		"widths are bytes, callers "
		"above what they call; calls narrower than %.1f px are not drawn</text>\n",
		MARGIN, fmt_bytes(tree->nodes[0].bytes).text,
		fmt_things(tree->nodes[0].count, "allocation").text,
		fmt_duration(profile->duration_s).text,
		estimated ? ", in part estimated from samples" : "", NARROWEST);
	for (size_t i = 0; i < n_legend; i++) {
		double x = MARGIN + 90 * (double)i;

		fill_of(&legend[i].frame, fill);
		fprintf(out,
			"<g%s><rect x=\"%.0f\" y=\"52\" width=\"12\" height=\"12\" fill=\"%s\"/>"
			"<text class=\"s\" x=\"%.0f\" y=\"62\">%s</text></g>\n",
			legend[i].frame.kind == FRAME_GAP ? " class=\"g\"" : "", x, fill, x + 18,
			legend[i].name);
	}
	if (profile->selection.n_modules)
		fprintf(out,
			"<text class=\"s\" x=\"%.0f\" y=\"62\">left out: %s in %s "
			"(--module)</text>\n",
			MARGIN + 90 * (double)n_legend,
			fmt_bytes(profile->selection.left_out_bytes).text,
			fmt_things(profile->selection.left_out_stacks, "stack").text);
}

int export_svg(FILE *out, const struct document *document, struct err *err)
{
	const struct profile *profile = document->profile;
	struct tree tree;
	double height;

	if (tree_init(&tree, profile))
		return err_set(err, ERR_FAILED, "no memory for the flame graph of %zu stacks",
			       profile->n_stacks);
	height = HEAD + (tree.depth + 1) * ROW + MARGIN;
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\" "
		"role=\"img\" aria-labelledby=\"t\">\n<title id=\"t\">",
		WIDTH, height, WIDTH, height);
	put_title(out, profile);
	fprintf(out,
		"</title>\n<style>%s</style>\n<rect width=\"100%%\" height=\"100%%\" "
		"fill=\"#fff\"/>\n",
		style);
	put_head(out, profile, &tree);
	if (tree.nodes[0].bytes)
		for (size_t i = 0; i < tree.n_nodes; i++)
			put_node(out, &tree, &tree.nodes[i]);
	else
		fprintf(out, "<text x=\"%.0f\" y=\"%.0f\">Nothing is outstanding.</text>\n", MARGIN,
			HEAD + 13);
	fputs("</svg>\n", out);
	tree_fini(&tree);
	return 0;
}
