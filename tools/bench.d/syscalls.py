# SPDX-License-Identifier: BSD-2-Clause
"""What a system call of a process takes while another one is watched: while mappings are traced the
kernel takes its slow way for the calls of all.

In every round: bare, below the default ceiling, bare, everything traced. The one that is watched
sleeps.
"""
from processes import Target, Tool, median

CALL = "getppid"
WATCHES = (("below the ceiling", False), ("everything traced", True))


def watched(path, target, exact, phase):
    tool = Tool(path, target, "36000", exact=exact)
    try:
        tool.report()  # it has measured its traps when this is there
        ns = phase()
        report, _ = tool.finish()
    except BaseException:
        tool.close()
        raise
    return ns, report["cost"].get("ns_per_system_call")


def measure(setup, python, stage, clock_of, path):
    """clock_of: target -> how its loops are timed"""
    target, other = Target(python, stage), Target(python, stage)
    rounds = {name: [] for name, _ in WATCHES}
    try:
        clock = clock_of(other)

        def phase():
            return clock.run("", CALL, 1)

        bare = phase()
        for number in range(setup.rounds):
            setup.say("system calls, round %d of %d" % (number + 1, setup.rounds))
            for name, exact in WATCHES:
                ns, reported = watched(path, target, exact, phase)
                before, bare = bare, phase()
                rounds[name].append(((before + bare) / 2, ns, reported))
    finally:
        target.close()
        other.close()
    return [
        {
            "watch": name,
            "bare_ns": median([bare for bare, _, _ in rows]),
            "extra_ns": median([ns - bare for bare, ns, _ in rows]),
            "extras_ns": [ns - bare for bare, ns, _ in rows],
            "reported_ns": median(
                [reported for _, _, reported in rows if reported is not None] or [0]
            ),
        }
        for name, rows in rounds.items()
    ]
