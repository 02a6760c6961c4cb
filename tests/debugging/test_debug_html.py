"""The page of a debug run."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

from magik_core.debug_html import render
from magik_core.debugging.measure import measure
from magik_core.debugging.report import Report, Trial, decibel_text, worst
from magik_core.debugging.trials import trials
from tests.core.test_report import Page
from tests.debugging.nets import chain, feeds, quantized


def small() -> Report:
    samples = feeds(2)
    subject = quantized(chain("weights"), samples)
    found = measure(subject, samples)
    return Report.of("net.onnx", found, trials=trials(subject, found.layers, samples))


def large(count: int) -> Report:
    """As many layers, their names those of a deep network's."""
    one = small()
    layers = tuple(replace(one.layers[i % 4], name=f"/model/stage.{i}/conv/Conv") for i in range(count))
    tensors = tuple(replace(one.tensors[i % 4], layer=f"/model/stage.{i}/conv/Conv") for i in range(count))
    return replace(one, layers=layers, tensors=tensors)


def test_every_layer_and_tensor_is_drawn() -> None:
    report = small()
    text = render(report)
    page = Page(text)
    assert "error along the network" in text and "activations or weights" in text
    hits = [a for tag, a in page.tags if tag == "rect" and a.get("class") == "hit"]
    assert [a["data-step"] for a in hits] == ["0", "1", "2", "3"] * 2
    rows = [a.get("id") for tag, a in page.tags if tag == "tr" and a.get("id")]
    assert rows == [f"step-{i}" for i in range(4)]
    assert text.count('class="small"') == len(report.tensors) == 5
    assert "second, second/relu" in text, "what QUANT_NODE_SKIP has to name"


def test_the_line_lies_where_the_numbers_are() -> None:
    report = small()
    svg = ElementTree.fromstring(re.findall(r"<svg viewBox.*?</svg>", render(report), re.DOTALL)[0])
    (line,) = (e for e in svg.iter("path") if e.get("class") == "line warm")
    heights = [float(p.split()[1]) for p in (line.get("d") or "")[1:].split("L")]
    order = [layer.accumulated.sqnr_db for layer in report.layers if layer.accumulated]
    assert sorted(range(4), key=lambda i: heights[i]) == sorted(range(4), key=lambda i: -order[i])


def test_two_hundred_layers() -> None:
    text = render(large(200))
    Page(text)
    assert len(text) < 900_000
    assert text.count("<circle") == 200 + 2 * 150, "layers without weights have no halves"
    assert "http" not in text and "@import" not in text and "url(" not in text


def test_names_are_escaped_and_exact_layers_are_drawn() -> None:
    one = small()
    assert one.layers[0].isolated is not None
    exact = replace(one.layers[0].isolated, sqnr_db=math.inf)
    layer = replace(one.layers[0], name="<b>&", isolated=exact, accumulated=exact)
    text = render(replace(one, layers=(layer, *one.layers[1:])))
    Page(text)
    assert "<b>&" not in text and "&lt;b&gt;&amp;" in text and 'data-value="Infinity"' in text and ">exact<" in text


def test_an_empty_report_is_a_page() -> None:
    text = render(Report("m", 1, (), ()))
    Page(text)
    assert "Error along the network" in text and "Activations or weights" not in text and "<circle" not in text


def test_layers_of_infinity_and_nan_are_the_worst() -> None:
    one = small()
    values = (20.0, math.nan, math.inf, -math.inf)
    layers = [
        replace(layer, name=str(value), isolated=replace(layer.isolated, sqnr_db=value))
        for layer, value in zip(one.layers, values, strict=True)
        if layer.isolated is not None
    ]
    assert [layer.name for layer in worst(layers)] == ["nan", "-inf", "20.0"]
    text = render(replace(one, layers=tuple(layers)))
    Page(text)
    assert not re.search(r'c[xy]="(nan|-?inf)', text)
    assert ">nan<" in text and 'data-value="nan"' not in text, "the page could not sort it"
    gains = [Trial("a", ("a",), "y", before, after).gain for before, after in ((math.nan, 5.0), (1.0, math.nan))]
    assert gains == [math.inf, -math.inf] and Trial("a", ("a",), "y", math.nan, -math.inf).gain == 0.0


def test_words() -> None:
    assert [decibel_text(v) for v in (41.25, math.inf, -math.inf, math.nan)] == ["41.2", "exact", "none", "nan"]
    assert [layer.name for layer in worst(small().layers, 1)] == ["second"]
