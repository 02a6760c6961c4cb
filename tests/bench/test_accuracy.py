"""What the bench of accuracy makes of its figures."""

from __future__ import annotations

import argparse

import pytest

from bench import widths
from bench.accuracy import Row, table
from bench.widths import Widths


def row(figure: str, *splits: tuple[float | None, ...]) -> Row:
    return Row("net", "4 + 8", figure, splits)


def test_figures_are_averaged():
    shares = row("top-1 %", (80.0, 70.0, 60.0, 60.0, 50.0), (90.0, 80.0, 60.0, 60.0, 70.0))
    assert shares.values == (85.0, 75.0, 60.0, 60.0, 60.0)
    assert row("SQNR dB", (None, 30.0, 20.0, 20.0, 25.0)).values == (None, 30.0, 20.0, 20.0, 25.0)


def test_the_lead_is_over_the_best_method_and_none_over_float():
    assert row("top-1 %", (80.0, 79.0, 70.0, 75.0, 78.0)).lead == 1.0
    assert row("top-1 %", (80.0, 90.0, 70.0, 85.0, 78.0)).lead == 0.0
    assert row("top-1 %", (80.0, 78.0, 70.0, 85.0, 78.0)).lead == -2.0
    assert row("SQNR dB", (None, 30.0, 20.0, 20.0, 25.0)).lead == 5.0


def test_behind_is_who_loses_more_than_the_best():
    assert row("top-1 %", (80.0, 78.0, 70.0, 85.0, 78.0)).is_behind
    assert not row("top-1 %", (80.0, 80.0, 70.0, 85.0, 78.0)).is_behind


def test_noise_is_the_standard_error_of_the_lead():
    leads = row("as float %", (100.0, 99.0, 90.0, 90.0, 97.0), (100.0, 98.0, 90.0, 90.0, 98.0))
    assert leads.lead == pytest.approx(1.0) and leads.noise == pytest.approx(1.0)


def test_the_table_has_a_line_per_figure():
    one = row("top-1 %", (80.0, 79.0, 70.0, 75.0, 78.0))
    two = row("faces found", (9.0, 9.0, 1.0, 1.0, 7.0), (9.0, 8.0, 1.0, 1.0, 8.0))
    alone = row("faces found", (9.0, 9.0, 1.0, 1.0, 7.0))
    noise = row("SQNR dB", (None, 30.0, 20.0, 20.0, 25.06))
    assert table([one, two, alone, noise]).splitlines()[2:] == [
        "| net | 4 + 8 | top-1 % | 80.0 | 79.0 | 70.0 | 75.0 | 78.0 | 1.0 |",
        "| net | 4 + 8 | faces found | 9.0 | 8.5 | 1.0 | 1.0 | 7.5 | 1.0 ± 1.0 |",
        "| net | 4 + 8 | faces found | 9 | 9 | 1 | 1 | 7 | 2.0 |",
        "| net | 4 + 8 | SQNR dB |  | 30.0 | 20.0 | 20.0 | 25.1 | 4.9 |",
    ]


def test_widths_are_those_of_a_recipe():
    assert widths.parse("8,10,12") == (8, 10, 12)
    for text in ("8,9", "32", "", "8, 10"):
        with pytest.raises(argparse.ArgumentTypeError, match="one or more of 8,10,12,14,16"):
            widths.parse(text)


def test_wider_is_closer_where_each_step_is():
    better = Widths("net", "4 + 8", {12: 40.0, 8: 20.0, 10: 30.0}, {8: 0, 10: 0, 12: 2})
    worse = Widths("net", "4 + 8", {8: 20.0, 10: 30.0, 12: 30.0}, {8: 0, 10: 0, 12: 2})
    assert better.is_closer and not worse.is_closer
    assert widths.table([worse]).splitlines()[-1] == "| net | 4 + 8 | 20.0 | 30.0 | 30.0 | 0/0/2 | no |"
