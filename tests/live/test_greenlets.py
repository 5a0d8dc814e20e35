# SPDX-License-Identifier: BSD-2-Clause
"""Greenlets take turns on a thread's C stack. Each allocation has the frames, C and Python, of the
greenlet that made it, and none of another one's."""
import collections

from harness import python_frames

OTHER = "[frames of another greenlet or interpreter]"


def leaf_first(stack):
    return [
        (frame["kind"], frame.get("function"), frame.get("module"))
        for frame in reversed(stack["frames"])
    ]


def test_frames_are_those_of_the_greenlet_that_runs(one_python, start, attach, validate):
    target = start(one_python, "greenlets.py")
    tool = attach(target)
    made = target.do("nested", size=7000) + target.do("hub", n=5, rounds=6, size=7000)
    report = tool.finish()
    validate(report.data)
    assert report.losses == {} and report.totals["missed_frees"] == 0
    truth = collections.Counter(tuple(tuple(frame) for frame in stack) for stack in made)
    assert sum(truth.values()) == 13 + 30

    found = collections.Counter()
    whole = 0
    for stack in report.stacks(domain="malloc"):
        frames = leaf_first(stack)
        if frames[0][1] != "keep":
            continue
        found[tuple(python_frames(stack))] += stack["outstanding_count"]
        assert frames[0][2] == "native.so"
        if python_frames(stack)[0][0] == "<module>":
            # of the first one, whose stack is the thread's own
            assert frames[-1][1] == "_start" and "gap" not in [kind for kind, _, _ in frames]
            whole += stack["outstanding_count"]
            continue
        # the frame that began it is the last of its own
        below = frames[max(i for i, frame in enumerate(frames) if frame[0] == "python") + 1 :]
        assert below[-1] == ("gap", OTHER, None)
        assert below[-2][2].startswith("_greenlet.")
        assert not [
            module
            for _, _, module in below[:-2]
            if module.startswith(("_greenlet.", "corecext.", "libev"))
        ]
    assert found == truth
    assert whole == 2

    # those of gevent's hub, which has no Python code, and all others
    for stack in report.data["stacks"]:
        frames = leaf_first(stack)
        last = max((i for i, frame in enumerate(frames) if frame[0] == "python"), default=-1)
        begun = [
            i
            for i, frame in enumerate(frames)
            if i > last and (frame[2] or "").startswith("_greenlet.")
        ]
        if begun:
            assert frames[begun[0] + 1 :] == [("gap", OTHER, None)], frames
