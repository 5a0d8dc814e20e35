# SPDX-License-Identifier: BSD-2-Clause
"""What came of the machines -> outcomes by cell, warnings of the kernel, and the table as text and
as markdown."""
import re

from cells import CELLS, cell_of_test

# What a kernel says when something is wrong with it, or with what the tool did to it
WARNING = re.compile(
    r"WARNING: |BUG: |\bOops\b|general protection|kernel panic|Call Trace|unable to handle|"
    r"rcu.*stall|hung_task|blocked for more than|leaking uprobe|failed to (un)?register|UBSAN|"
    r"KASAN|traps: |segfault|Out of memory|invalid opcode",
    re.I,
)
HARMLESS = re.compile(r"Call Trace")  # belongs to a warning that has a line of its own


class Outcome:
    """One kernel's."""

    def __init__(self, name, about):
        self.name = name
        self.about = about  # what kernel it is, as a person reads it
        self.cells = (
            {}
        )  # name -> ("ok" | "refused" (as it should be) | "failed" | "n/a" | "-", text)
        self.seconds = {}  # of a load, from start to `tracing`
        self.texts = []  # (heading, text) of what failed
        self.warnings = []
        self.said = ""  # what the command of --run printed
        self.cost = None
        self.took_s = 0.0
        self.ran = True  # there was a machine

    @property
    def failed(self):
        return any(state == "failed" for state, _ in self.cells.values()) or (
            self.cost is not None and not self.cost[0]
        )


def not_available(name, why):
    outcome = Outcome(name + " (not available)", why)
    outcome.ran = False
    for cell in CELLS:
        outcome.cells[cell.name] = ("-", "not available")
    return outcome


def exit_code(outcomes):
    if not any(outcome.ran for outcome in outcomes):
        return 69
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def judge(outcome, result, cells, version):
    """Fill an outcome from a machine's result. `cells`: the ones that were to be run; `version`:
    (6, 12)."""
    wanted = {cell.name: cell for cell in cells}
    for cell in cells:
        if version < cell.needs:
            outcome.cells[cell.name] = ("n/a", "%s came with %d.%d" % (cell.why, *cell.needs))
    tests = {}
    began = None
    for row in result.rows:
        if "kernel" in row:
            outcome.about = row["kernel"]
        elif "refuses" in row:
            outcome.cells["load"] = (
                ("refused", "")
                if row["refuses"]
                else ("failed", "it should refuse this kernel, and say why")
            )
            outcome.texts += [] if row["refuses"] else [("load", row["text"])]
        elif "cell" in row and row["cell"] in wanted and row["cell"] not in outcome.cells:
            outcome.cells[row["cell"]] = ("ok" if row["outcome"] == "passed" else "failed", "")
            if row.get("attach_s") is not None:
                outcome.seconds[row["cell"]] = row["attach_s"]
            if row["outcome"] != "passed":
                outcome.texts.append((row["cell"], row["text"]))
            if "said" in row:
                outcome.said = row["said"]
        elif "begins" in row:
            began = row["begins"]
        elif "test" in row:
            tests.setdefault(cell_of_test(row["test"]).name, []).append(row)
            if row["outcome"] == "failed":
                outcome.texts.append((row["test"], row["text"]))
        elif "cost" in row:
            outcome.cost = (row["cost"] == 0, row["text"])
        elif "log" in row:
            outcome.warnings += [
                line[2]
                for line in row["log"]
                if WARNING.search(line[2]) and not HARMLESS.search(line[2])
            ]
    for name, rows in tests.items():
        if name in wanted and name not in outcome.cells:
            outcome.cells[name] = sum_up(rows)
    if not result.ended:
        last = result.console.strip().splitlines()[-12:]
        outcome.texts.append(
            (
                "it did not come to its end; last test: %s; the console's last lines" % began,
                "\n".join(last),
            )
        )
        outcome.warnings += [
            line.strip()
            for line in result.console.splitlines()
            if WARNING.search(line) and not HARMLESS.search(line)
        ]
    for cell in cells:
        outcome.cells.setdefault(cell.name, ("failed", "it was not run to its end"))
    outcome.took_s = result.took_s


def sum_up(rows):
    """Of one cell's tests. One that passed and then failed at its end has two rows: it failed."""
    if any(row["outcome"] == "failed" for row in rows):
        return "failed", ""
    ran = [row for row in rows if row["outcome"] == "passed"]
    if not ran:
        return "n/a", rows[0]["text"].splitlines()[-1] if rows[0]["text"] else "skipped"
    return "ok", ""


# A line of verifier-cost: name, instructions, states, stack, bytes after the JIT
PROGRAM = re.compile(r"^(\w+) +(\d+) +\d+ +(\d+) +\d+ ", re.M)


def steps_and_stack(outcome):
    """The largest of what verifier-cost prints: 'steps / bytes of stack'; '-': it was not run."""
    if outcome.cost is None:
        return "-"
    rows = PROGRAM.findall(outcome.cost[1])
    said = (
        "{:,} / {}".format(max(int(row[1]) for row in rows), max(int(row[2]) for row in rows))
        if rows
        else "no figures"
    )
    return ("" if outcome.cost[0] else "failed: ") + said


def word(outcome, cell):
    state, _ = outcome.cells.get(cell.name, ("-", ""))
    seconds = outcome.seconds.get(cell.name)
    return state + (" %.1f s" % seconds if state == "ok" and seconds is not None else "")


def lines(outcomes, cells):
    """Rows of words: headings, then a row for each kernel."""
    yield ["kernel", *[cell.name for cell in cells], "steps / stack", "warnings", "took"]
    for outcome in outcomes:
        yield [
            outcome.name,
            *[word(outcome, cell) for cell in cells],
            steps_and_stack(outcome),
            str(len(outcome.warnings)) if outcome.took_s else "-",
            "%.0f s" % outcome.took_s if outcome.took_s else "-",
        ]


def text(outcomes, cells):
    rows = list(lines(outcomes, cells))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(part.ljust(width) for part, width in zip(row, widths)).rstrip() for row in rows
    )


def details(outcomes, n_last=1000):
    """Below the table: what kernels they are, reasons, warnings and failures; of each text the last
    lines."""
    said = []
    for outcome in outcomes:
        said.append("%s: %s" % (outcome.name, outcome.about))
        said += [
            "  %s: %s: %s" % (name, state, why)
            for name, (state, why) in outcome.cells.items()
            if why and state in ("n/a", "failed")
        ]
        said += ["  the kernel says: " + line for line in dict.fromkeys(outcome.warnings)]
        for heading, what in outcome.texts:
            said += ["  failed: %s:" % heading] + [
                "    " + line for line in what.splitlines()[-n_last:]
            ]
        said += (
            ["  it printed:"] + ["    " + line for line in outcome.said.splitlines()[-n_last:]]
            if outcome.said
            else []
        )
        if outcome.cost:
            said += ["  verifier%s:" % ("" if outcome.cost[0] else " (failed)")] + [
                "    " + line for line in outcome.cost[1].splitlines()[-2 * n_last :]
            ]
    return "\n".join(said)


def markdown(outcomes, cells, date, commit):
    """For docs/kernels.md: without logs; the reasons of what was not run below it."""
    rows = list(lines(outcomes, cells))
    for row in rows:
        for n, part in enumerate(row):
            row[n] = part.replace("|", "\\|").replace("failed", "**failed**")
    said = [
        "%s, commit %s, `tools/kernels`:" % (date, commit),
        "",
        "| " + " | ".join(rows[0]) + " |",
        "|" + "---|" * len(rows[0]),
    ]
    said += ["| " + " | ".join(row) + " |" for row in rows[1:]]
    said.append("")
    for outcome in outcomes:
        reasons = dict.fromkeys(
            "%s: %s" % (name, why) for name, (state, why) in outcome.cells.items() if state == "n/a"
        )
        said.append(
            " * %s: %s%s%s"
            % (
                outcome.name,
                outcome.about,
                "".join("; n/a: " + reason for reason in reasons),
                "".join("; warns: `%s`" % line for line in dict.fromkeys(outcome.warnings)),
            )
        )
    return "\n".join(said) + "\n"
