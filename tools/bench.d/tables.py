# SPDX-License-Identifier: BSD-2-Clause
"""The figures as text."""
import delay
import detection
import overhead
from processes import median

AIM_NS, MOST_NS = 2500, 4000
MOST_SHARE, MOST_BYTES = 0.05, 60 << 20


def us(ns):
    return (
        "-" if ns is None else "%.2f us" % (ns / 1000) if abs(ns) >= 1000 else "%d ns" % round(ns)
    )


def mib(n):
    return "%.1f MiB" % (n / (1 << 20))


def percent(share):
    return "-" if share is None else "%.1f %%" % (100 * share)


def verdict(good):
    return "holds" if good else "EXCEEDED"


def table(rows):
    """Rows of strings under each other, the first column to the left, the others to the right."""
    widths = [
        max(len(row[i]) for row in rows if i < len(row))
        for i in range(max(len(row) for row in rows))
    ]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:])
        ]
        yield "  " + "   ".join(cells).rstrip()


def pair_name(loop, depth):
    what = {
        "malloc": "malloc + free in C",
        "instance": "instance with __slots__",
        "bytes": "bytes, 34 to 433",
        "threads": "malloc + free, 2 threads",
    }[loop]
    return "%s, %d frames" % (what, depth)


def pairs(data, tools):
    columns = [name for name, _ in tools] + (["bpftrace"] if "bpftrace" in data["sessions"] else [])
    rows = [
        ["", ""] + [word for name in columns for word in ("", name + ":", "")],
        ["", "bare"] + ["adds", "(us)", "times"] * len(columns),
    ]
    for row in data["rows"]:
        first = row[columns[0]]
        cells = [pair_name(row["loop"], row["depth"]), us(first["bare_ns"])]
        for name in columns:
            one = row.get(name)
            cells += (
                [
                    us(one["extra_ns"]),
                    "%.2f-%.2f" % (one["least_ns"] / 1000, one["most_ns"] / 1000),
                    "%.1fx" % (one["traced_ns"] / one["bare_ns"]),
                ]
                if one
                else ["-", "", ""]
            )
        rows.append(cells)
    yield "CPU time of the target per pair of allocation and free, bare loop subtracted:"
    yield from table(rows)
    for name, _ in tools:
        session = data["sessions"][name]
        yield (
            "  %s saw %s of the allocations, %d frees missed, losses: %s; attach %.2f s, "
            "last report and detach %.2f s"
            % (
                name,
                percent(session["seen"]),
                session["missed_frees"],
                ", ".join(data["losses"][name]) or "none",
                session["attach_s"],
                session["last_report_s"] + session["detach_s"],
            )
        )
    if "bpftrace" in data["sessions"]:
        session = data["sessions"]["bpftrace"]
        yield (
            "  bpftrace (count() by name; no stack, no blocks) saw %s of the mallocs, "
            "%s of the objects (%s)"
            % (
                percent(session["seen_malloc"]),
                percent(session["seen_object"]),
                ", ".join(p.rpartition(":")[2] for p in data["bpftrace_probes"]["pymalloc"]),
            )
        )
    for row in data["rows"]:
        if row["depth"] == 20 and row["loop"] in ("malloc", "instance"):
            ns = row[columns[0]]["extra_ns"]
            yield "  budget (aim 2.5 us, at most 4 us): %s: %s, %s" % (
                pair_name(row["loop"], 20),
                us(ns),
                "aim reached" if ns <= AIM_NS else verdict(ns <= MOST_NS),
            )


def statement(rows, traps):
    yield "The cost line of the report compared with the cost measured from outside, per probe hit:"
    yield from table(
        [["", "stated", "measured", "stated / measured"]]
        + [
            [
                "%s, %s" % (r["tool"], pair_name(r["loop"], 20)),
                us(r["stated_ns"]),
                us(r["measured_ns"]),
                "%.2f" % (r["stated_ns"] / r["measured_ns"]),
            ]
            for r in rows
        ]
    )
    if traps:
        yield "The trap alone (a program that returns at once), by the probed instruction:"
        yield from table(
            [
                ["5-byte nop", us(traps["nop5"])],
                ["emulated (push)", us(traps["emulated"])],
                ["emulated + return probe", us(traps["returning"])],
                ["single-stepped (xor)", us(traps["stepped"])],
            ]
        )


def tool(data):
    yield "The tool itself, %s live blocks, a report every %d s:" % (
        format(data["blocks"], ","),
        data["interval_s"],
    )
    yield from table(
        [
            ["CPU, target asleep", percent(data["cpu_quiet"]) + " of a core"],
            ["CPU, target at full speed", percent(data["cpu_busy"]) + " of a core"],
            ["memory, peak", mib(data["peak_rss_bytes"])],
            ["  of it anonymous at the end", mib(data["anonymous_bytes"])],
            ["kernel maps (not in it)", mib(data["maps_bytes"])],
            ["attach", "%.2f s" % data["attach_s"]],
            ["one report", "%.2f s" % data["report_s"]],
            ["last report", "%.2f s" % data["last_report_s"]],
            ["detach and end", "%.2f s" % data["detach_s"]],
            ["losses", ", ".join(loss["name"] for loss in data["losses"]) or "none"],
        ]
    )
    share = max(data["cpu_quiet"], data["cpu_busy"])
    yield "  budget (below 5 %% of a core, below 60 MB): CPU %s, memory %s" % (
        verdict(share < MOST_SHARE),
        verdict(data["peak_rss_bytes"] < MOST_BYTES),
    )


def workload_table(rows):
    yield (
        "Services at full speed, everything traced: CPU time per step, traced / bare; "
        "rank of the leaking line:"
    )
    yield from table(
        [["", "bare", "slowdown", "(range)", "rank", "in the top 3"]]
        + [
            [
                r["workload"],
                "%.1f us" % r["bare_us"],
                "%.1fx" % r["slowdown"],
                "%.1f-%.1f" % (r["slowdown_least"], r["slowdown_most"]),
                "/".join(str(rank) if rank else "-" for rank in r["ranks"]),
                "yes" if all(rank and rank <= 3 for rank in r["ranks"]) else "NO",
            ]
            for r in rows
        ]
    )


# of spans.py: the same ratio in CPU time alone, that of the yardsticks, and by how much the
# machine's speed differed
SPEED_COLUMNS = ("CPU time", "yardstick", "speed drifts by")


def speed_cells(row):
    return (
        "%.2f" % row["cpu_time_ratio"],
        "%.2f" % row["yardstick_ratio"],
        percent(row["bare_spread"] - 1),
    )


def reported_text(shares):
    """What the report said: as measured, and at most; `shares`: of each run."""
    least, most = (median([share[i] for share in shares]) for i in (0, 1))
    return "%.1f to %.1f %%" % (100 * least, 100 * most)


def overhead_table(rows):
    yield (
        "Services at full speed, watched below the default ceiling of 5 %: "
        "CPU time per step, watched / bare, in yardsticks:"
    )
    yield from table(
        [
            [
                "",
                "bare",
                "watched",
                "(each run)",
                *SPEED_COLUMNS,
                "reported",
                "leak first after",
                "memray",
                "tracemalloc",
                "memleak",
            ]
        ]
        + [
            [
                r["workload"],
                "%.1f us" % r["bare_us"],
                "%.3f" % r["ratio"],
                " ".join("%.2f" % ratio for ratio in sorted(r["ratios"])),
                *speed_cells(r),
                reported_text(r["stated"]) if r["stated"] else "-",
                "%.0f s" % r["first_s"] if r["first_s"] else "NOT",
            ]
            + [
                "%.2f" % peer if peer else "sees none"
                for peer in overhead.PEERS[r["workload"]].values()
            ]
            for r in rows
            if "skipped" not in r
        ]
    )
    for row in rows:
        if "skipped" in row:
            yield "  %s: not here: %s" % (row["workload"], row["skipped"])
    yield "  budget (median at most 1.05, the leak first in the report within 60 s): %s" % verdict(
        all(r["ratio"] <= 1.05 and r["first_s"] for r in rows if "skipped" not in r)
    )


def idle_table(rows):
    yield (
        "Services while a watchpoint is set that nobody hits: "
        "CPU time per step, with it / without, in yardsticks:"
    )
    yield from table(
        [
            [
                "",
                "bare",
                "with it",
                "(each run)",
                *SPEED_COLUMNS,
                "reported, of a core",
                "a split store takes",
            ]
        ]
        + [
            [
                r["workload"],
                "%.1f us" % r["bare_us"],
                "%.3f" % r["ratio"],
                " ".join("%.2f" % ratio for ratio in sorted(r["ratios"])),
                *speed_cells(r),
                "%s to %s" % (percent(r["reported"]), percent(r["reported_most"])),
                "+%.1f ns" % r["split_ns"],
            ]
            for r in rows
            if "skipped" not in r
        ]
    )
    for row in rows:
        if "skipped" in row:
            yield "  %s: not here: %s" % (row["workload"], row["skipped"])


def syscalls_table(rows):
    yield "A system call (getppid) of a process while another one, which sleeps, is watched:"
    yield from table(
        [["", "bare", "takes more", "(ns, each round)", "reported"]]
        + [
            [
                r["watch"],
                us(r["bare_ns"]),
                us(r["extra_ns"]),
                " ".join("%.0f" % ns for ns in sorted(r["extras_ns"])),
                us(r["reported_ns"]) if r["reported_ns"] else "-",
            ]
            for r in rows
        ]
    )


def exact_table(data):
    names = {
        "malloc": "malloc + free in C",
        "buffer": "bytearray, 1 to 64 KB",
        "instance": "instance with __slots__",
    }
    yield (
        "Everything traced: CPU time that a pair of allocation and free costs more, "
        "below %d Python frames:" % data["depth"]
    )
    rows = [["", "bare"] + [word for name in data["columns"] for word in (name, "(us)")]]
    for row in data["rows"]:
        cells = [names[row["loop"]], us(row[data["columns"][0]]["bare_ns"])]
        for name in data["columns"]:
            one = row.get(name)
            cells += (
                [us(one["extra_ns"]), "%.2f-%.2f" % (one["least_ns"] / 1000, one["most_ns"] / 1000)]
                if one
                else ["sees none", ""]
            )
        rows.append(cells)
    yield from table(rows)
    for name, share in data["seen"].items():
        yield "  %s: pyleaktrace saw %s of the allocations" % (name, percent(share))
    if data["missing"]:
        yield "  memleak: not measured: " + data["missing"]
        return
    for row in data["rows"]:
        if "memleak" in row:
            yield "  %s: memleak costs %s" % (
                names[row["loop"]],
                ", ".join(
                    "%.1f times as much as %s"
                    % (row["memleak"]["extra_ns"] / row[name]["extra_ns"], name)
                    for name in data["columns"]
                    if name != "memleak"
                ),
            )


def text(result, tools):
    """All sections of one interpreter."""
    yield ""
    yield "== %s (CPython %s)" % (result["python"], result.get("version", "?"))
    if "pairs" in result:
        yield from pairs(result["pairs"], tools)
    if "cost" in result:
        yield from statement(result["cost"]["statement"], result["cost"]["traps"])
    if "tool" in result:
        yield from tool(result["tool"])
    if "workloads" in result:
        yield from workload_table(result["workloads"])
    if "overhead" in result:
        yield from overhead_table(result["overhead"])
    if "delay" in result:
        yield from delay.table(result["delay"])
    if "latency-of-detection" in result:
        yield from detection.table(result["latency-of-detection"])
    if "idle" in result:
        yield from idle_table(result["idle"])
    if "syscalls" in result:
        yield from syscalls_table(result["syscalls"])
    if "exact" in result:
        yield from exact_table(result["exact"])
    if "failed" in result:
        yield "  FAILED: " + result["failed"]
