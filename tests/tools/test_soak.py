# SPDX-License-Identifier: BSD-2-Clause
"""What the soak says of made series: each of them is known to grow, or not to."""
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "soak.d"))
import verdict  # noqa: E402

MIB = 1 << 20
MEMORY = next(figure for figure in verdict.FIGURES if figure.name == "memory")
DESCRIPTORS = next(figure for figure in verdict.FIGURES if figure.name == "descriptors")


def series(value, n=3600):
    return [(second, value(second)) for second in range(n)]


def warm_up(second):
    """For an hour: up to 60 MiB within the first twenty minutes, and not a byte more."""
    return min(60, 20 + second / 30) * MIB


def test_flat_series_passes():
    said = verdict.judge(MEMORY, series(lambda second: 60 * MIB))
    assert said.passed and (said.growth, said.first, said.median, said.last) == (
        0,
        60 * MIB,
        60 * MIB,
        60 * MIB,
    )
    assert said.allowed == 0.02 * 60 * MIB


def test_warm_up_does_not_count():
    said = verdict.judge(MEMORY, series(warm_up))
    assert said.passed and said.growth == 0 and said.first == 20 * MIB


@pytest.mark.parametrize("rate", [2 * MIB / 1800, 100 * MIB / 1800])
def test_growth_fails_and_is_measured(rate):
    """An earlier warm-up hides nothing; the growth is that of the second half."""
    said = verdict.judge(MEMORY, series(lambda second: warm_up(second) + rate * second))
    assert not said.passed
    assert said.growth == pytest.approx(rate * 1800, rel=0.01)


def test_growth_below_what_is_allowed_passes():
    said = verdict.judge(MEMORY, series(lambda second: 60 * MIB + MIB / 2 * second / 1800))
    assert said.passed and said.growth == pytest.approx(MIB / 2, rel=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_noise_is_no_growth_and_hides_none(seed):
    """A third up and down is no growth, and growth beneath it is still seen."""
    noise = random.Random(seed)
    up_and_down = [(second, 60 * MIB + noise.uniform(-20, 20) * MIB) for second in range(3600)]
    said = verdict.judge(MEMORY, up_and_down)
    assert abs(said.growth) < 8 * MIB
    said = verdict.judge(
        MEMORY, [(second, value + 30 * MIB * second / 1800) for second, value in up_and_down]
    )
    assert not said.passed and said.growth == pytest.approx(30 * MIB, rel=0.3)


def test_sawtooth_is_no_growth():
    """A target that leaks for 20 seconds and drops it takes the tool's figures along."""
    assert verdict.judge(MEMORY, series(lambda second: (60 + second % 20) * MIB)).passed


def test_peak_is_no_growth():
    """A minute at twice the memory is no growth."""
    assert verdict.judge(
        MEMORY, series(lambda second: 120 * MIB if 3000 <= second < 3060 else 60 * MIB)
    ).passed


def test_steps_are_growth():
    """Buffers that double again and again are growth, however rarely they do."""
    assert not verdict.judge(MEMORY, series(lambda second: (60 + second // 300 * 2) * MIB)).passed


def test_counts_may_waver_but_not_grow():
    """For descriptors, one more every five minutes is growth; one more or less now and then is
    not."""
    assert verdict.judge(DESCRIPTORS, series(lambda second: 80 + second % 2)).passed
    assert not verdict.judge(DESCRIPTORS, series(lambda second: 80 + second // 300)).passed


def test_shrinking_passes():
    said = verdict.judge(MEMORY, series(lambda second: (100 - second / 100) * MIB))
    assert said.passed and said.growth < 0


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [(0, 1)],
        series(lambda second: second, 20),
        [(5, 1)] * 100,
        [(second / 1000, 1) for second in range(100)] + [(1000, 1)],
    ],
)
def test_too_few_samples_give_no_verdict(samples):
    """Too few, all from one moment, or hardly any in the second half."""
    assert verdict.judge(MEMORY, samples) is None
