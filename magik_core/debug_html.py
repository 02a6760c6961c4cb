"""A debug run as one HTML page: error along the network, every layer, every tensor with its histogram."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

from magik_core.debugging.distance import Distance
from magik_core.debugging.measure import Layer
from magik_core.debugging.report import Report, decibel_text, rank, worst
from magik_core.debugging.usage import Usage
from magik_core.html_parts import Cell, Drawing, cards, page, table

WIDTH, LEFT = 1200, 70  # of the charts and of their axis labels, in SVG units
HEIGHT, LOW = 220, 90  # of the charts of decibels and of shares
MOST_DB = 120.0  # what stands for no error at all
SMALL, TALL = 192, 34  # of a histogram in the table
GOOD_DB, BAD_DB = 40, 20  # guide lines


def render(report: Report) -> str:
    """The page."""
    heading = f"{report.model}: quantized beside float"
    parts = [
        *_cards(report),
        *_along(report),
        *_apart(report),
        *_shares(report),
        *_trials(report),
        *_layers(report),
        *_tensors(report),
    ]
    return page(f"debug report: {report.model}", heading, parts)


def _cards(r: Report) -> Iterator[str]:
    last = r.layers[-1].accumulated if r.layers else None
    found = [(f"{len(r.layers):,}", "layers"), (f"{r.samples:,}", "samples")]
    if last is not None:
        found += [(f"{decibel_text(last.sqnr_db)} dB", f"SQNR after {r.layers[-1].name}, the last layer")]
        found += [(f"{last.cosine:.5f}", "cosine there, mean over samples")]
    for layer in worst(r.layers, 1):
        sqnr = decibel_text(layer.isolated.sqnr_db if layer.isolated else math.inf)
        found.append((f"{sqnr} dB", f"SQNR of {layer.name} alone, the worst layer"))
    if r.tensors:
        most = max(r.tensors, key=lambda t: t.saturated)
        found.append((f"{most.saturated:.2%}", f"of the values of {most.layer} are saturated, the most"))
    yield from cards(found)


# ---- charts -------------------------------------------------------------------------------------------------


def _along(r: Report) -> Iterator[str]:
    yield "<h2>Error along the network</h2>"
    yield (
        "<p>SQNR of each layer in dB, more is better: the line as the program runs, with everything before it "
        "quantized; the dots of the layer alone, on the float model's values. Click for the row.</p>"
    )
    series = (("line warm", "accumulated", _part("accumulated")), ("dot", "alone", _part("isolated")))
    yield from _decibels(r.layers, series, "error along the network")


def _apart(r: Report) -> Iterator[str]:
    if not any(layer.weights or layer.features for layer in r.layers):
        return
    yield "<h2>Activations or weights</h2>"
    yield (
        "<p>SQNR of each layer alone in dB: blue with real weights, only activations are quantized; "
        "orange with real activations, only weights are. The lower one is to blame.</p>"
    )
    series = (("dot", "activations", _part("features")), ("dot warm", "weights", _part("weights")))
    yield from _decibels(r.layers, series, "activations or weights")


def _part(name: str) -> Callable[[Layer], float | None]:
    def sqnr(layer: Layer) -> float | None:
        distance: Distance | None = getattr(layer, name)
        return None if distance is None else distance.sqnr_db

    return sqnr


Drawn = tuple[str, str, Callable[[Layer], float | None]]  # style, name, what of a layer


def _decibels(layers: Sequence[Layer], series: Iterable[Drawn], label: str) -> Iterator[str]:
    drawn = list(series)
    known = [v for layer in layers for *_, of in drawn if (v := of(layer)) is not None and math.isfinite(v)]
    top = min(max([*known, GOOD_DB]) * 1.05, MOST_DB)
    step = WIDTH / max(len(layers), 1)

    def y(value: float) -> float:
        return HEIGHT * (1 - min(max(rank(value), 0.0), top) / top)

    yield f'<svg viewBox="0 0 {LEFT + WIDTH} {HEIGHT + 24}" role="img" aria-label="{label}">'
    yield from _levels([(f"{v:.0f} dB", y(v)) for v in (0, BAD_DB, GOOD_DB, *((top,) if top > GOOD_DB + 10 else ()))])
    for style, _, of in drawn:
        points = [(LEFT + (i + 0.5) * step, y(v)) for i, layer in enumerate(layers) if (v := of(layer)) is not None]
        if "line" in style:
            path = "M" + " L".join(f"{a:.1f} {b:.1f}" for a, b in points) if points else ""
            yield f'<path class="{style}" d="{path}"/>'
        else:
            radius = max(min(step * 0.4, 4.0), 1.5)
            yield from (f'<circle class="{style}" cx="{a:.1f}" cy="{b:.1f}" r="{radius:.1f}"/>' for a, b in points)
    for i, layer in enumerate(layers):
        said = [f"{name} {decibel_text(v)} dB" for _, name, of in drawn if (v := of(layer)) is not None]
        yield _hit(i, step, HEIGHT, f"{i}: {layer.name} ({layer.op})\n" + "\n".join(said))
    yield from _numbers(len(layers), step, HEIGHT)
    yield "</svg>"


SHARES: dict[str, tuple[str, str, Callable[[Usage], float]]] = {
    "Saturated": (
        "share of float's values more than half a code outside of the chosen range",
        "warm",
        lambda t: t.saturated,
    ),
    "Unused codes": ("share of the codes that the program never wrote", "", lambda t: t.unused),
}


def _shares(r: Report) -> Iterator[str]:
    """Bars of saturated values and of codes that were never written."""
    rows = {layer.name: i for i, layer in enumerate(r.layers)}
    step = WIDTH / max(len(r.layers), 1)
    for title, (note, style, of) in SHARES.items():
        found = [(rows[t.layer], t, of(t)) for t in r.tensors if t.layer in rows]
        most = max([value for *_, value in found], default=0.0)
        yield f"<h2>{title}</h2><p>{note}; click for the layer's row.</p>"
        yield f'<svg viewBox="0 0 {LEFT + WIDTH} {LOW + 24}" role="img" aria-label="{title}">'
        yield from _levels([("0%", LOW), *([(f"{most:.3g}" if most < 1e-4 else f"{most:.2%}", 0.0)] if most else [])])
        for i, tensor, value in found:
            tall = LOW * value / most if most else 0.0
            yield (f'<rect class="bar {style}" data-step="{i}" x="{LEFT + i * step:.2f}" y="{LOW - tall:.2f}" '
                   f'width="{step * 0.9:.2f}" height="{tall:.2f}">'
                   f"<title>{escape(f'{i}: {tensor.layer}')}\n{title} {value:.3%}</title></rect>")  # fmt: skip
        yield from _numbers(len(r.layers), step, LOW)
        yield "</svg>"


def _levels(levels: Iterable[tuple[str, float]]) -> Iterator[str]:
    for text, y in levels:
        yield f'<line class="axis" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.2f}" y2="{y:.2f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.2f}" text-anchor="end">{text}</text>'


def _hit(i: int, step: float, height: int, tip: str) -> str:
    place = f'x="{LEFT + i * step:.2f}" y="0" width="{step:.2f}" height="{height}"'
    return f'<rect class="hit" data-step="{i}" {place}><title>{escape(tip)}</title></rect>'


def _numbers(count: int, step: float, height: int) -> Iterator[str]:
    every = next(e for e in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if count / e <= 24)
    for i in range(0, count, every):
        yield f'<text x="{LEFT + (i + 0.5) * step:.2f}" y="{height + 16}" text-anchor="middle">{i}</text>'


# ---- tables -------------------------------------------------------------------------------------------------


def _trials(r: Report) -> Iterator[str]:
    if not r.trials:
        return
    yield "<h2>Layers left in f32</h2><p>SQNR of the output that suffers most, with each of these layers in f32.</p>"
    names = ("layer", "QUANT_NODE_SKIP", "output", "dB without", "dB with", "gain")
    rows: list[Sequence[Cell]] = [
        ((t.layer, None), (", ".join(t.nodes), None), (t.output, None), *map(_db, (t.before, t.after, t.gain)))
        for t in r.trials
    ]
    yield from table(names, rows)


def _layers(r: Report) -> Iterator[str]:
    yield "<h2>Layers</h2><p>Click a heading to sort. Distances are those of the program as it runs.</p>"
    names = ("#", "layer", "operator", "shape", "dtype", "bits", "SQNR", "alone", "activations", "weights",
             "cosine", "least", "most", "distance", "deviation", "largest", "of range")  # fmt: skip
    yield from table(names, (_layer(i, layer) for i, layer in enumerate(r.layers)), anchor="step-")


def _layer(i: int, layer: Layer) -> Sequence[Cell]:
    d = layer.accumulated
    parts = (d, layer.isolated, layer.features, layer.weights)
    sqnr = [_db(part.sqnr_db) if part else ("", math.inf) for part in parts]
    cosines = [(f"{v:.6f}", v) for v in (d.cosine, d.cosine_min, d.cosine_max)] if d else [("", math.inf)] * 3
    rest = [(f"{v:.4g}", v) for v in (d.euclidean, d.deviation, d.largest, d.share)] if d else [("", math.inf)] * 4
    shape = "×".join(map(str, layer.shape)) or "scalar"
    return ((str(i), i), (layer.name, None), (layer.op, None), (shape, None), (layer.dtype, None),
            (str(layer.bits or ""), layer.bits), *sqnr, *cosines, *rest)  # fmt: skip


def _db(value: float) -> Cell:
    return decibel_text(value), rank(value)


def _tensors(r: Report) -> Iterator[str]:
    yield (
        "<h2>Tensors of codes</h2><p>The histogram is of the float model's values but for exact zeros, heights by "
        "their square root; the shaded part is the chosen range.</p>"
    )
    names = ("#", "layer", "histogram", "bits", "scale", "zero point", "from", "to", "seen from", "seen to",
             "saturated low", "high", "unused codes", "zeros")  # fmt: skip
    yield from table(names, (_tensor(i, t) for i, t in enumerate(r.tensors)))


def _tensor(i: int, t: Usage) -> Sequence[Cell]:
    numbers = [(f"{v:.4g}", v) for v in (t.scale, t.zero_point, t.low, t.high, t.seen_low, t.seen_high)]
    shares = [(f"{v:.3%}", v) for v in (t.saturated_low, t.saturated_high, t.unused, t.zeros)]
    return ((str(i), i), (t.layer, None), (Drawing(_histogram(t)), None), (str(t.bits), t.bits), *numbers, *shares)


def _histogram(t: Usage) -> str:
    span, most = max(t.edge_high - t.edge_low, 1e-300), max([*t.counts, 1])
    left, right = ((v - t.edge_low) / span * SMALL for v in (t.low, t.high))
    wide = SMALL / max(len(t.counts), 1)
    bars = "".join(
        f"M{i * wide:.0f} {TALL}V{TALL * (1 - math.sqrt(n / most)):.1f}H{(i + 1) * wide:.0f}V{TALL}"
        for i, n in enumerate(t.counts)
        if n
    )
    tip = f"{t.layer}\n{t.bits} bits for [{t.low:.4g}, {t.high:.4g}]\nseen [{t.seen_low:.4g}, {t.seen_high:.4g}]"
    return (
        f'<svg class="small" viewBox="0 0 {SMALL} {TALL}"><title>{escape(tip)}</title>'
        f'<rect class="range" x="{left:.1f}" y="0" width="{max(right - left, 0):.1f}" height="{TALL}"/>'
        f'<path class="fill" d="{bars}"/></svg>'
    )
