"""Pictures of digits, drawn here: Pillow's own font, turned, scaled, moved, unevenly lit and noisy.

The same seed gives the same pictures. Run it to write a folder of PNG files:

    python examples/digits/data.py FOLDER --count 20 --seed 1
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 32


def draw(digit: int, rng: np.random.Generator) -> np.ndarray:
    """One RGB picture (SIZE, SIZE, 3), u8."""
    ink, paper = rng.uniform(0, 120, 3), rng.uniform(110, 255, 3)
    if rng.random() < 0.5:
        ink, paper = paper, ink
    mask = Image.new("L", (2 * SIZE, 2 * SIZE))
    font = ImageFont.load_default(size=float(rng.uniform(22, 48)))
    ImageDraw.Draw(mask).text((SIZE, SIZE), str(digit), fill=255, font=font, anchor="mm")
    shift = tuple(float(v) for v in rng.uniform(-8, 8, 2))
    mask = mask.rotate(float(rng.uniform(-22, 22)), Image.Resampling.BILINEAR, translate=shift)
    alpha = np.asarray(mask.resize((SIZE, SIZE), Image.Resampling.BOX), np.float64)[..., None] / 255
    light = 1 + 0.25 * np.linspace(-1, 1, SIZE)[:, None, None] * rng.uniform(-1, 1)
    noise = rng.normal(0, rng.uniform(5, 75), (SIZE, SIZE, 3))
    return np.clip((alpha * ink + (1 - alpha) * paper) * light + noise, 0, 255).astype(np.uint8)


def make(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (count, SIZE, SIZE, 3) u8 and their digits (count)."""
    rng = np.random.default_rng(seed)
    digits = rng.integers(0, 10, count)
    return np.stack([draw(int(d), rng) for d in digits]), digits


def main() -> None:
    parser = argparse.ArgumentParser(description="Write pictures of digits.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    pictures, digits = make(options.count, options.seed)
    for i, (picture, digit) in enumerate(zip(pictures, digits, strict=True)):
        Image.fromarray(picture).save(options.folder / f"{i:04d}_{digit}.png")


if __name__ == "__main__":
    main()
