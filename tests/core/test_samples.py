"""Every kind of sample, and every way that one can be wrong."""

from __future__ import annotations

import io
import os
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from magik_core import data_files
from magik_core.data_files import InputSpec
from magik_core.errors import DataError
from magik_core.samples import load_file, open_samples

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
RGB = InputSpec("x", (1, 3, 4, 6))
VECTOR = InputSpec("v", (1, 5))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def problems(call, *args, **keys):
    with pytest.raises(DataError) as caught:
        call(*args, **keys)
    return caught.value.problems


def only(call, *args, **keys):
    (problem,) = problems(call, *args, **keys)
    return problem


def test_images_come_in_order_as_raw_pixels(folder):
    for name, value in (("b.png", 20), ("a.png", 10), ("c.bmp", 30)):
        Image.new("RGB", (6, 4), (value, 0, 255)).save(folder / name)
    samples = open_samples(folder, [RGB])
    assert len(samples) == 3
    for _ in range(2):  # can be read again
        arrays = [s["x"] for s in samples]
        assert [a[0, 0, 0, 0] for a in arrays] == [10, 20, 30]
    assert arrays[0].shape == (1, 3, 4, 6) and arrays[0].dtype == np.float32
    assert arrays[0][0, 2].min() == 255


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".PNG"])
def test_color_and_axis_order(folder, suffix):
    Image.fromarray(PIXELS).save(folder / f"a{suffix}")
    (rgb,) = open_samples(folder, [RGB])
    assert np.array_equal(rgb["x"][0].transpose(1, 2, 0), PIXELS)
    (bgr,) = open_samples(folder, [InputSpec("x", (1, 3, 4, 6), "BGR")])
    assert np.array_equal(bgr["x"], rgb["x"][:, ::-1])
    (nhwc,) = open_samples(folder, [InputSpec("x", (1, 4, 6, 3), is_nhwc=True)])
    assert np.array_equal(nhwc["x"][0], PIXELS)
    (plain,) = open_samples(folder, [InputSpec("x", (3, 4, 6))])
    assert np.array_equal(plain["x"], rgb["x"][0])
    (twice,) = open_samples(folder, [InputSpec("x", (2, 3, 4, 6))])
    assert np.array_equal(twice["x"], np.repeat(rgb["x"], 2, axis=0))


def test_gray_and_color_become_each_other(folder):
    Image.fromarray(PIXELS).save(folder / "a.png")
    gray = np.asarray(Image.fromarray(PIXELS).convert("L"))
    for color in ("RGB", "BGR", "GRAY"):
        (one,) = open_samples(folder, [InputSpec("x", (1, 1, 4, 6), color)])
        assert np.array_equal(one["x"][0, 0], gray)
    (three,) = open_samples(folder, [InputSpec("x", (1, 3, 4, 6), "GRAY")])
    assert np.array_equal(three["x"][0], np.stack([gray] * 3))
    Image.fromarray(gray).save(folder / "a.png")
    (back,) = open_samples(folder, [RGB])
    assert np.array_equal(back["x"][0], np.stack([gray] * 3))


def test_images_are_stretched_bilinearly_and_turned_upright(folder):
    image = Image.fromarray(PIXELS)
    turned = Image.Exif()
    turned[0x0112] = 6  # rotate by 90 degrees clockwise to view
    image.save(folder / "a.png", exif=turned)
    expected = image.transpose(Image.Transpose.ROTATE_270).resize((8, 10), Image.Resampling.BILINEAR)
    (sample,) = open_samples(folder, [InputSpec("x", (1, 3, 10, 8))])
    assert np.array_equal(sample["x"][0].transpose(1, 2, 0), np.asarray(expected))


def test_odd_pixel_formats(folder):
    deep = PIXELS[..., 0].astype(np.uint16) << 8
    Image.fromarray(deep).save(folder / "deep.png")
    assert np.array_equal(load_file(folder / "deep.png", RGB)[0, 1], PIXELS[..., 0])
    rgba = np.dstack([PIXELS, np.zeros((4, 6), np.uint8)])
    Image.fromarray(rgba).save(folder / "clear.png")
    assert np.array_equal(load_file(folder / "clear.png", RGB)[0].transpose(1, 2, 0), PIXELS)
    Image.fromarray(PIXELS).convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(folder / "p.gif")
    assert np.array_equal(load_file(folder / "p.gif", RGB)[0].transpose(1, 2, 0), PIXELS)


def test_size_takes_the_first(folder):
    for i in range(5):
        np.save(folder / f"{i}.npy", np.full((2, 5), i, np.float32))
    samples = open_samples(folder, [VECTOR], 3)
    assert len(samples) == 3 and [s["v"][0, 0] for s in samples] == [0, 0, 1]
    assert len(open_samples(folder, [VECTOR], 100)) == 10
    (folder / "9.txt").touch()
    assert len(open_samples(folder, [VECTOR], 10)) == 10  # what is not needed is not looked at


@pytest.mark.parametrize("shape, count", [((1, 5), 1), ((5,), 1), ((7, 5), 7)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.int16, np.bool_, ">f4"])
def test_npy_holds_one_sample_or_several(folder, shape, count, dtype):
    array = (np.arange(np.prod(shape)).reshape(shape) % 50).astype(dtype)
    np.save(folder / "a.npy", array)
    samples = list(open_samples(folder / "a.npy", [VECTOR]))
    assert len(samples) == count
    assert np.array_equal(np.concatenate([s["v"] for s in samples]), array.reshape(-1, 5).astype(np.float32))
    assert all(s["v"].dtype == np.float32 for s in samples)


def test_a_batch_of_the_model_is_one_sample(folder):
    np.save(folder / "a.npy", np.arange(24.0).reshape(4, 6))
    samples = list(open_samples(folder, [InputSpec("v", (2, 6))]))
    assert [s["v"].shape for s in samples] == [(2, 6)] * 2 and samples[1]["v"][0, 0] == 12


def test_npz_feeds_several_inputs(folder):
    np.savez(folder / "a.npz", **{"in/a": np.ones((2, 5)), "b": np.zeros((2, 3))})
    samples = list(open_samples(folder, [InputSpec("in/a", (1, 5)), InputSpec("b", (1, 3))]))
    assert len(samples) == 2 and samples[0]["in/a"].shape == (1, 5) and samples[0]["b"].shape == (1, 3)


@pytest.mark.parametrize(
    "name, dtype",
    [
        ("a.bin", "u1"),
        ("a.bin", "<u2"),
        ("a.bin", "<f4"),
        ("a_s8.bin", "i1"),
        ("a.s16.bin", "<i2"),
        ("a_s32.bin", "<i4"),
        ("a_u12.bin", "<u2"),
        ("a_f32.bin", "<f4"),
    ],
)
def test_the_type_of_a_bin(folder, name, dtype):
    values = np.array([1, 2, 100, 0, -3 if dtype[-2] in "if" else 7], dtype)
    values.tofile(folder / name)
    (sample,) = open_samples(folder, [VECTOR])
    assert np.array_equal(sample["v"], values[None].astype(np.float32))


def test_a_folder_per_sample(folder):
    inputs = [InputSpec("740", (1, 3)), InputSpec("state/h:0", (1, 2)), InputSpec("image", (1, 3, 4, 6))]
    for i in range(3):
        at = folder / str(i)
        at.mkdir()
        np.full(3, i, np.float32).tofile(at / "740_input.bin")
        np.full(2, i, np.uint8).tofile(at / "state_h_0_u8.bin")
        Image.fromarray(PIXELS).save(at / "image.png")
        (at / "notes.txt").write_text("not ours")
    samples = list(open_samples(folder, inputs))
    assert [s["740"][0, 0] for s in samples] == [0, 1, 2]
    assert [s["state/h:0"][0, 1] for s in samples] == [0, 1, 2]
    assert samples[0]["image"].shape == (1, 3, 4, 6)


def test_the_folder_of_one_sample(folder):
    inputs = [InputSpec("x", (1, 3)), InputSpec("state/h", (1, 2))]
    np.full(3, 1, np.float32).tofile(folder / "x_input.bin")
    problem = only(open_samples, folder, inputs)
    assert (problem.what, problem.where) == ("sample has no file for input 'state/h'", str(folder))
    np.full(2, 2, np.uint8).tofile(folder / "state_h_u8.bin")
    (sample,) = open_samples(folder, inputs)
    assert (sample["x"].max(), sample["state/h"].max()) == (1, 2)


def test_an_input_called_input(folder):
    (folder / "0").mkdir()
    np.zeros(1, np.float32).tofile(folder / "0" / "x.bin")
    np.ones(1, np.float32).tofile(folder / "0" / "x_input.bin")
    (sample,) = open_samples(folder, [InputSpec("x", (1,)), InputSpec("x_input", (1,))])
    assert (sample["x"], sample["x_input"]) == ([0.0], [1.0])


def test_hidden_files_are_not_samples(folder):
    for name in (".DS_Store", "Thumbs.db"):
        (folder / name).touch()
    assert only(open_samples, folder, [RGB]).what == "the folder has no calibration data"


def test_missing_and_empty(folder):
    assert only(open_samples, folder / "no", [RGB]).what == "calibration data not found"
    empty = only(open_samples, folder, [RGB])
    assert (empty.what, empty.where) == ("the folder has no calibration data", str(folder))
    folder_given, none = only(load_file, folder, RGB), only(load_file, folder / "x.jpg", RGB)
    assert folder_given.what == none.what == "input file not found"
    assert (folder_given.found, none.found) == ("a folder", f"no file x.jpg in {folder}")
    assert only(open_samples, folder / "no", [RGB], what="input data").what == "input data not found"


def test_another_kind_of_file(folder):
    (folder / "labels.csv").touch()
    problem = only(open_samples, folder, [RGB])
    assert problem.what == "not calibration data" and problem.found == "suffix '.csv'"
    assert ".npz" in problem.need and ".jpg" in problem.need
    assert only(load_file, folder / "labels.csv", RGB) == replace(problem, what="not input data")
    assert only(open_samples, folder, [RGB], what="input data").what == "not input data"
    (folder / "sub").mkdir()
    found = problems(open_samples, folder, [RGB])[1]
    assert (found.found, found.hint) == ("a folder beside files", "")
    Image.fromarray(PIXELS).save(folder / "sub" / "a.png")
    found = problems(open_samples, folder, [RGB])[1]
    assert found.hint == f"the files in it are read when it is given itself: {folder / 'sub'}"


def test_broken_images_are_reported_together(folder):
    (folder / "a.png").write_bytes(b"hello")
    good = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(good, "png")
    (folder / "b.png").write_bytes(good.getvalue())
    found = problems(open_samples, folder, [RGB])
    assert [p.what for p in found] == ["not an image"] and found[0].where.endswith("a.png")
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(good.getvalue()[:3000])
    samples = open_samples(folder, [RGB])
    seen = []
    with pytest.raises(DataError) as caught:
        seen.extend(samples)
    assert len(seen) == 1  # the good one
    assert [p.what for p in caught.value.problems] == ["image cannot be read"] * 2
    assert all(p.found for p in caught.value.problems)


def png_of_size(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.mark.parametrize("size", [(12000, 12000), (60000, 60000)])
def test_decompression_bombs_are_refused(folder, size):
    (folder / "a.png").write_bytes(png_of_size(*size))
    problem = only(open_samples, folder, [RGB])
    assert problem.what == "image is too large" and problem.need == "at most 134217728 pixels"


def test_float_images_are_refused(folder):
    Image.fromarray(np.ones((4, 6), np.float32)).save(folder / "a.tif")
    problem = only(open_samples, folder, [RGB])
    assert problem.what == "image has f32 pixels" and ".npy" in problem.hint


def test_an_image_for_what_is_no_image(folder):
    Image.fromarray(PIXELS).save(folder / "a.png")
    for shape in ((1, 5), (1, 12, 4, 6), (1, 49, 10)):
        problem = only(open_samples, folder, [InputSpec("v", shape)])
        assert problem.what == "an image cannot feed input 'v'"
        assert problem.found == f"input shape {'x'.join(map(str, shape))}"


def test_a_bin_of_the_wrong_size(folder):
    (folder / "a.bin").write_bytes(bytes(7))
    problem = only(open_samples, folder, [VECTOR])
    assert (problem.what, problem.found) == ("file has the wrong size", "7 bytes")
    assert problem.need == "5 (u8) or 10 (u16) or 20 (f32) bytes for 1x5 of input 'v'"
    (folder / "a.bin").rename(folder / "a_s16.bin")
    assert only(open_samples, folder, [VECTOR]).need == "10 (s16) bytes for 1x5 of input 'v'"


@pytest.mark.parametrize("shape", [(1, 6), (5, 1), (2, 2, 5), (0, 5), ()])
def test_an_array_of_the_wrong_shape(folder, shape):
    np.save(folder / "a.npy", np.zeros(shape))
    problem = only(open_samples, folder, [VECTOR])
    assert problem.what == "array has the wrong shape"
    assert problem.found == ("x".join(map(str, shape)) or "scalar")
    assert problem.need.startswith("1x5 of input 'v'")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_data_that_are_not_finite(folder, bad):
    np.save(folder / "a.npy", np.array([[0, 0, bad, 0, bad]]))
    problem = only(lambda: list(open_samples(folder, [VECTOR])))
    assert problem.what == "data are not finite" and problem.where.endswith("a.npy, sample 0")
    assert problem.found == "2 of 5 values are NaN, infinite or beyond f32"


def test_arrays_that_are_no_numbers(folder):
    np.save(folder / "a.npy", np.array(["a"] * 5))
    assert only(open_samples, folder, [VECTOR]).found == "dtype <U1"
    np.save(folder / "a.npy", np.array([{}] * 5), allow_pickle=True)
    assert only(open_samples, folder, [VECTOR]).what == "array cannot be read"  # a pickle is not opened
    (folder / "a.npy").write_bytes(b"\x93NUMPY rubbish")
    assert only(open_samples, folder, [VECTOR]).what == "array cannot be read"


def test_a_pickle_is_never_run(folder):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(folder / "exploded"),)

    np.savez(folder / "a.npz", v=np.array([Bomb()], dtype=object))
    assert only(open_samples, folder, [VECTOR]).what == "array cannot be read"
    assert not (folder / "exploded").exists()


def test_a_broken_npz(folder, monkeypatch):
    (folder / "a.npz").write_bytes(b"PK rubbish")
    assert only(open_samples, folder, [VECTOR]).need == "a .npz file of numbers"
    np.savez(folder / "a.npz", other=np.zeros((1, 5)))
    problem = only(open_samples, folder, [VECTOR])
    assert (problem.what, problem.found) == (".npz has no array for input 'v'", "other")
    np.savez(folder / "a.npz", v=np.zeros((1, 6)))
    assert only(open_samples, folder, [VECTOR]).where.endswith("a.npz, array 'v'")
    monkeypatch.setattr(data_files, "MAX_NPZ_BYTES", 100)
    problem = only(open_samples, folder, [VECTOR])
    assert (problem.what, problem.need) == ("array is too large", "at most 100 bytes")


def test_several_inputs_need_a_place_each(folder):
    inputs = [VECTOR, InputSpec("w", (1, 2))]
    np.save(folder / "a.npy", np.zeros((1, 5)))
    problem = only(open_samples, folder, inputs)
    assert (problem.what, problem.found) == ("one file cannot feed several inputs", "inputs v, w")
    np.savez(folder / "a.npz", v=np.zeros((2, 5)), w=np.zeros((3, 2)))
    (folder / "a.npy").unlink()
    problem = only(open_samples, folder, inputs)
    assert (problem.what, problem.found) == ("inputs have different numbers of samples", "v: 2, w: 3")


def test_a_sample_folder_that_lacks_or_doubles_an_input(folder):
    at = folder / "0"
    at.mkdir()
    problem = only(open_samples, folder, [VECTOR])
    assert (problem.what, problem.found) == ("sample has no file for input 'v'", "an empty folder")
    assert problem.need == "one of v.*, v_input.*"
    np.save(at / "v.npy", np.zeros(5))
    bytes_ = np.zeros(5, np.uint8)
    bytes_.tofile(at / "v_input.bin")
    problem = only(open_samples, folder, [VECTOR])
    assert (problem.what, problem.found) == (
        "sample has several files for input 'v'",
        "v.npy, v_input.bin",
    )


def test_at_most_twenty_problems_in_full(folder):
    for i in range(25):
        (folder / f"{i}.bin").touch()
    found = problems(open_samples, folder, [VECTOR])
    assert len(found) == 21 and found[-1].what == "and 5 more problems of the same stage"


def test_load_file_wants_one_sample(folder):
    np.save(folder / "a.npy", np.zeros((2, 5)))
    problem = only(load_file, folder / "a.npy", VECTOR)
    assert (problem.what, problem.found) == ("input file holds more than one sample", "2 samples")
    np.save(folder / "a.npy", np.ones(5, np.int8))
    assert np.array_equal(load_file(folder / "a.npy", VECTOR), np.ones((1, 5), np.float32))


@pytest.mark.parametrize("tag, top", [("u8", 255), ("u10", 1023), ("u12", 4095), ("u14", 16383), ("u16", 65535)])
def test_typed_bins(folder, tag, top):
    codes = np.array([0, 1, 2, top - 1, top], np.uint8 if tag == "u8" else "<u2")
    for name in (f"a_{tag}.bin", f"b.{tag}.bin"):
        codes.tofile(folder / name)
    for sample in open_samples(folder, [VECTOR]):
        assert sample["v"].dtype == np.float32 and np.array_equal(sample["v"][0], codes)


def test_values_wider_than_their_type(folder):
    np.array([0, 1024, 5, 4000, 1023], "<u2").tofile(folder / "a_u10.bin")
    problem = only(open_samples, folder, [VECTOR])
    assert problem.what == "values do not fit the type in the file's name"
    assert (problem.found, problem.need) == ("2 of 5 values above 1023, up to 4000", "u10: 0 to 1023")


def test_typed_bins_of_several_inputs(folder):
    """As the vendor's demo of a GRU has them: a folder for each sample, a file for each input."""
    (folder / "0").mkdir()
    np.arange(5, dtype="<u2").tofile(folder / "0/740_input_u12.bin")
    np.ones(3, "<f4").tofile(folder / "0/last_state_tgru.bin")
    (sample,) = open_samples(folder, [InputSpec("740", (1, 5)), InputSpec("last_state_tgru", (1, 3))])
    assert np.array_equal(sample["740"], [[0, 1, 2, 3, 4]]) and np.array_equal(sample["last_state_tgru"], [[1, 1, 1]])
