"""A description as one HTML page: no other file, no network, the same bytes for the same model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

from magik_core.html_parts import cards as cards_of
from magik_core.html_parts import page, table
from magik_core.report import Description, Port, Row, Series, Slot, live_bytes, short_bytes

WIDTH = 1200  # of the charts, in SVG units
LEFT = 70  # of the axis labels
PLAN_HEIGHT = 380
BAR_HEIGHT = 90
HUES = 8
NAME_WIDTH = 6.2  # SVG units of one character, for names that fit into their rectangle


def render(description: Description, measured: Sequence[Series] = ()) -> str:
    """The page. Args: measured: a chart and a column for each."""
    title = f"{_unit(description)[:-1]} report: {description.name}" if description.name else "magik report"
    parts = [
        *_cards(description),
        *_plan(description),
        *_measured(description, measured),
        *_charts(description),
        *_operators(description),
        *_steps(description, measured),
        *_memory(description),
    ]
    return page(title, description.name, parts)


def _unit(description: Description) -> str:
    return "nodes" if description.kind == "graph" else "steps"


def _cards(d: Description) -> Iterator[str]:
    cards = [
        (f"{len(d.rows):,}", f"{_unit(d)}, {d.float_steps:,} of them float"),
        (f"{_short(d.macs)}{'+' if d.has_open_sizes else ''}", f"MACs ({d.macs:,})"),
        (short_bytes(d.weight_bytes), f"weights, {d.params:,} values"),
    ]
    if d.arena_bytes is not None and d.lower_bound is not None:
        cards.append((short_bytes(d.arena_bytes), f"arena ({d.arena_bytes:,} bytes)"))
        cards.append((f"{d.arena_excess:.1%}", f"above the lower bound of {d.lower_bound:,} bytes"))
    cards += [(_shape(p), f"input {p.name}, {p.dtype}{p.color and f', {p.color}'}") for p in d.inputs]
    cards += [(_shape(p), f"output {p.name}, {p.dtype}") for p in d.outputs]
    cards += [(_shape(p), f"state {p.name}, {p.dtype}") for p in d.states]
    yield from cards_of(cards)


def _plan(d: Description) -> Iterator[str]:
    """Every activation as a rectangle: time to the right, offset in the arena upwards."""
    if not d.memory or not d.arena_bytes:
        return
    arena, bound, step = d.arena_bytes, d.lower_bound or 0, _step_width(d)

    def y(offset: int) -> float:
        return PLAN_HEIGHT * (1 - offset / arena)

    yield "<h2>Memory plan</h2><p>Bytes of the arena over time; dashed: the lower bound. Hover for names.</p>"
    yield f'<svg viewBox="0 0 {LEFT + WIDTH} {PLAN_HEIGHT + 24}" role="img" aria-label="memory plan">'
    yield from _levels([(arena * i // 4, y(arena * i // 4)) for i in range(5)])
    order = sorted(range(len(d.memory)), key=lambda i: -d.memory[i].nbytes)  # parts above their whole
    for i in order:
        slot = d.memory[i]
        x, wide = LEFT + (slot.first + 1) * step, (slot.last - slot.first + 1) * step
        top, tall = y(slot.offset + slot.nbytes), PLAN_HEIGHT * slot.nbytes / arena
        yield (
            f'<rect class="slot h{i % HUES}" x="{x:.2f}" y="{top:.2f}" width="{wide:.2f}" height="{tall:.2f}">'
            f"<title>{escape(_slot_text(d, slot))}</title></rect>"
        )
        if tall > 13 and len(slot.tensor) * NAME_WIDTH < wide:
            yield f'<text class="name" x="{x + 3:.2f}" y="{top + 11:.2f}">{escape(slot.tensor)}</text>'
    yield f'<line class="bound" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(bound):.2f}" y2="{y(bound):.2f}"/>'
    yield from _step_numbers(d, PLAN_HEIGHT)
    yield "</svg>"


def _slot_text(d: Description, slot: Slot) -> str:
    since = "input" if slot.first < 0 else f"step {slot.first} ({d.rows[slot.first].name})"
    until = "output" if slot.last >= len(d.rows) else "never read"
    if 0 <= slot.last < len(d.rows):
        until = f"step {slot.last} ({d.rows[slot.last].name})"
    lines = [
        slot.tensor,
        f"{_sizes(slot.shape)} {slot.dtype}, {slot.nbytes:,} bytes at {slot.offset:,}",
        f"from {since} to {until}",
    ]
    if slot.shares:
        lines.append(f"shares storage with {', '.join(slot.shares[:6])}{' …' * (len(slot.shares) > 6)}")
    return "\n".join(lines)


def _charts(d: Description) -> Iterator[str]:
    """Bars per step, on the time axis of the plan."""
    if not d.rows:
        return
    live = live_bytes(d)[1:-1] if d.memory else []
    yield from _bars(d, "MACs", "multiply-accumulates of each", [r.macs for r in d.rows], _short)
    yield from _bars(
        d,
        "Bytes",
        "read and written by each, constants included",
        [r.activation_bytes + r.weight_bytes for r in d.rows],
        short_bytes,
        "warm",
    )
    if live:
        yield from _bars(d, "Live bytes", "of the arena in use at each", live, short_bytes)


def _measured(d: Description, measured: Sequence[Series]) -> Iterator[str]:
    for one in measured:
        yield from _bars(d, one.title, one.note, one.values, _short)


def _bars(d: Description, title: str, note: str, values: Sequence[int], text: Callable[[int], str],
          style: str = "") -> Iterator[str]:  # fmt: skip
    step, most = _step_width(d), max([*values, 1])
    yield f"<h2>{title}</h2><p>{note} {_unit(d)[:-1]}; click for its row.</p>"
    yield f'<svg viewBox="0 0 {LEFT + WIDTH} {BAR_HEIGHT + 24}" role="img" aria-label="{title} per {_unit(d)[:-1]}">'
    yield from _levels([(0, BAR_HEIGHT), (most, 0)], text)
    for i, value in enumerate(values):
        tall = BAR_HEIGHT * value / most
        row = d.rows[i]
        share = f"{value / sum(values):.1%}" if sum(values) else "0%"
        tip = f"{i}: {row.name} ({row.op})\n{title} {value:,}, {share}"
        yield (f'<rect class="bar {style}" data-step="{i}" x="{LEFT + (i + 1) * step:.2f}" '
               f'y="{BAR_HEIGHT - tall:.2f}" width="{step * 0.9:.2f}" height="{tall:.2f}">'
               f"<title>{escape(tip)}</title></rect>")  # fmt: skip
    yield from _step_numbers(d, BAR_HEIGHT)
    yield "</svg>"


def _step_width(d: Description) -> float:
    """SVG units of one moment: before the first step, each step, after the last."""
    return WIDTH / (len(d.rows) + 2)


def _levels(levels: Iterable[tuple[int, float]], text: Callable[[int], str] | None = None) -> Iterator[str]:
    for value, y in levels:
        yield f'<line class="axis" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.2f}" y2="{y:.2f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.2f}" text-anchor="end">{(text or short_bytes)(value)}</text>'


def _step_numbers(d: Description, height: int) -> Iterator[str]:
    count = len(d.rows)
    every = next(e for e in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if count / e <= 24)
    for i in range(0, count, every):
        x = LEFT + (i + 1.5) * _step_width(d)
        yield f'<text x="{x:.2f}" y="{height + 16}" text-anchor="middle">{i}</text>'


def _operators(d: Description) -> Iterator[str]:
    yield "<h2>Operators</h2>"
    rows = [((t.op, None), (f"{t.steps:,}", t.steps), (f"{t.macs:,}", t.macs),
             (f"{t.macs / d.macs:.1%}" if d.macs else "", t.macs), (f"{t.weight_bytes:,}", t.weight_bytes))
            for t in d.ops]  # fmt: skip
    yield from table(("operator", _unit(d), "MACs", "of all", "weight bytes"), rows)


def _steps(d: Description, measured: Sequence[Series]) -> Iterator[str]:
    yield f"<h2>{_unit(d).capitalize()}</h2><p>Click a heading to sort.</p>"
    names = ("#", _unit(d)[:-1], "operator", "kernel", "shapes", "dtype", "bits", "params", "MACs", "weight bytes",
             "bytes moved", *(one.title for one in measured))  # fmt: skip
    more = [[(f"{one.values[i]:,}", one.values[i]) for one in measured] for i in range(len(d.rows))]
    yield from table(names, ((*_step_cells(i, row), *more[i]) for i, row in enumerate(d.rows)), anchor="step-")


def _step_cells(index: int, row: Row) -> tuple[tuple[str, int | None], ...]:
    moved = row.activation_bytes + row.weight_bytes
    x = ", ".join(_shape(p) for p in row.inputs if not p.is_constant)
    shapes = f"{x} → {', '.join(_shape(p) for p in row.outputs)}"
    return ((str(index), index), (row.name, None), (row.op, None), (row.kernel, None), (shapes, None),
            (row.dtype, None), (str(row.bits or ""), row.bits), (f"{row.params:,}", row.params),
            (f"{row.macs:,}", row.macs), (f"{row.weight_bytes:,}", row.weight_bytes),
            (f"{moved:,}", moved))  # fmt: skip


def _memory(d: Description) -> Iterator[str]:
    if not d.memory:
        return
    yield "<h2>Tensors</h2><p>−1 is before the first step, the number of steps is after the last.</p>"
    names = ("offset", "bytes", "first", "last", "tensor", "shape", "dtype", "shares with")
    rows = [((f"{s.offset:,}", s.offset), (f"{s.nbytes:,}", s.nbytes), (str(s.first), s.first), (str(s.last), s.last),
             (s.tensor, None), (_sizes(s.shape), None), (s.dtype, None), (", ".join(s.shares), None))
            for s in sorted(d.memory, key=lambda s: (s.offset, s.first))]  # fmt: skip
    yield from table(names, rows)


def _shape(port: Port) -> str:
    return "?" if port.shape is None else _sizes(port.shape)


def _sizes(shape: Iterable[int]) -> str:
    return "×".join("?" if size < 0 else str(size) for size in shape) or "scalar"


def _short(count: int) -> str:
    """`16315376` -> `16.3 M`."""
    size = float(count)
    for unit in ("", " k", " M", " G"):
        if size < 1000:
            return f"{size:.3g}{unit}"
        size /= 1000
    return f"{size:.3g} T"
