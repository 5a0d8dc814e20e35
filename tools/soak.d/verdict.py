# SPDX-License-Identifier: BSD-2-Clause
"""Does a figure that was read again and again still grow? From samples to a verdict; nothing else.

    value │            .·˙˙·..·˙·..·˙·.   the first half is warm-up: caches fill, buffers reach
          │        .·˙                    their size
          │   .·˙                         the second half is cut into PIECES of the same length; the
          │.·                             median slope between any two of their medians (Theil and
          └────────┴──────────────────▶   Sen) is its growth: one that goes up and down, or jumps
                                          once and back, does not count
"""
import collections
import statistics

PIECES = 24  # of the second half
LEAST = 48  # samples, below which nothing is said

# name: what is read; unit; allowed: growth in the second half that is tolerated, the larger of a
# number and a share of the median
Figure = collections.namedtuple("Figure", "name unit allowed allowed_share")
Verdict = collections.namedtuple("Verdict", "figure first median last growth allowed passed")

FIGURES = (
    Figure("memory", "bytes", 1 << 20, 0.02),
    Figure("maps", "bytes", 256 << 10, 0.02),
    Figure("descriptors", "", 2, 0),
    Figure("threads", "", 1, 0),
)


def slope(points):
    """The median slope between any two points (x, y) of different x."""
    slopes = [
        (b[1] - a[1]) / (b[0] - a[0])
        for i, a in enumerate(points)
        for b in points[i + 1 :]
        if b[0] != a[0]
    ]
    return statistics.median(slopes)


def pieces(samples, n):
    """The medians of n spans of the same time: [(seconds, value)]; spans without a sample are left
    out."""
    begin, end = samples[0][0], samples[-1][0]
    spans = [[] for _ in range(n)]
    for seconds, value in samples:
        spans[min(n - 1, int((seconds - begin) / (end - begin) * n))].append((seconds, value))
    return [
        (statistics.median(t for t, _ in span), statistics.median(v for _, v in span))
        for span in spans
        if span
    ]


def judge(figure, samples):
    """
    samples: [(seconds, value)], in the order of time

    The verdict, or None: too few samples for one.
    """
    if len(samples) < LEAST or samples[-1][0] <= samples[0][0]:
        return None
    middle = (samples[0][0] + samples[-1][0]) / 2
    late = [sample for sample in samples if sample[0] >= middle]
    medians = pieces(late, PIECES) if len(late) > 1 and late[-1][0] > late[0][0] else []
    if len(medians) < PIECES / 2:
        return None
    median = statistics.median(value for _, value in late)
    growth = slope(medians) * (late[-1][0] - late[0][0])
    allowed = max(figure.allowed, figure.allowed_share * median)
    return Verdict(
        figure, samples[0][1], median, samples[-1][1], growth, allowed, growth <= allowed
    )
