"""Make the tiny Caffe models of this folder, and record what OpenCV computes for them.

    python -m tests.data.caffe.make

Needs numpy and opencv-python-headless below 5, the last with an importer for Caffe, in an environment of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.frontends.caffe_files import inputs_text, layer_text, write

HERE = Path(__file__).resolve().parent
Shapes = Mapping[str, Sequence[Sequence[int]]]


def layers(text: str) -> str:
    """A layer a line: name, type, bottoms, tops, and the parameters."""
    out = []
    for line in text.strip().splitlines():
        name, kind, bottoms, tops, *param = line.split(maxsplit=4)
        one = layer_text(kind, " ".join(param), bottoms.split(","), tops.split(","))
        out.append(one.replace('name: "l"', f'name: "{name}"'))
    return "".join(out)


CLASSIFIER = """
conv1  Convolution  data c1 convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1 }
prelu1 PReLU        c1 c1
norm1  LRN          c1 n1 lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 k: 1 }
pool1  Pooling      n1 p1 pooling_param { pool: MAX kernel_size: 3 stride: 2 }
conv2  Convolution  p1 c2 convolution_param { num_output: 8 kernel_h: 3 kernel_w: 1 pad_h: 1 pad_w: 0 group: 2 }
bn2    BatchNorm    c2 c2
scale2 Scale        c2 c2 scale_param { bias_term: true }
relu2  ReLU         c2 c2 relu_param { negative_slope: 0.1 }
pool2  Pooling      c2 p2 pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }
drop2  Dropout      p2 p2
small  Power        p2 s2 power_param { scale: 0.05 }
fc3    InnerProduct s2 f3 inner_product_param { num_output: 6 }
tanh3  TanH         f3 f3
prob   Softmax      f3 prob
"""
MOVER = """
slice  Slice         data a,b slice_param { axis: 1 slice_point: 2 }
pow    Power         a a1 power_param { power: 2 scale: 0.5 shift: 0.25 }
abs    AbsVal        b b1
sum    Eltwise       a1,b1 s eltwise_param { operation: SUM coeff: 0.5 coeff: -2 }
up     Deconvolution s u convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 bias_term: false }
crop   Crop          u,data k crop_param { axis: 2 offset: 3 offset: 1 }
cat    Concat        k,data t concat_param { axis: 1 }
elu    ELU           t e elu_param { alpha: 0.5 }
perm   Permute       e q permute_param { order: 0 order: 2 order: 3 order: 1 }
shape  Reshape       q r reshape_param { shape { dim: 0 dim: -1 dim: 4 } }
soft   Softmax       r soft softmax_param { axis: 2 }
max    Eltwise       a,b m eltwise_param { operation: MAX }
pool   Pooling       m pool pooling_param { pool: AVE kernel_size: 3 stride: 2 }
"""
DETECTOR = """
conv   Convolution data f convolution_param { num_output: 6 kernel_size: 3 stride: 4 dilation: 2 pad: 2 }
relu   ReLU        f f
norm   Normalize   f n norm_param { across_spatial: false channel_shared: false }
loc    Convolution n l convolution_param { num_output: 48 kernel_size: 1 }
permL  Permute     l lp permute_param { order: 0 order: 2 order: 3 order: 1 }
shape  Reshape     lp lr reshape_param { shape { dim: 1 dim: 2 dim: -1 } }
prior1 PriorBox    n,data q1 prior_box_param { clip: false min_size: 4 max_size: 8 aspect_ratio: 2 flip: true VARIANCE }
prior2 PriorBox    f,data q2 prior_box_param { min_size: 6 clip: true flip: false aspect_ratio: 3 step: 4 VARIANCE }
priors Concat      q1,q2 priors concat_param { axis: 2 }
sum    Eltwise     lr,priors sum
""".replace("VARIANCE", "variance: [0.1, 0.1, 0.2, 0.2]")
MODELS: Mapping[str, tuple[str, tuple[int, ...], Shapes]] = {
    "classifier": (CLASSIFIER, (1, 3, 22, 20), {
        "conv1": [(8, 3, 3, 3), (8,)], "prelu1": [(8,)], "conv2": [(8, 4, 3, 1), (8,)], "bn2": [(8,), (8,), (1,)],
        "scale2": [(8,), (8,)], "fc3": [(6, 72), (6,)],
    }),
    "mover": (MOVER, (1, 4, 8, 7), {"up": [(2, 4, 4, 4)]}),
    "detector": (DETECTOR, (1, 3, 21, 18), {
        "conv": [(6, 3, 3, 3), (6,)], "norm": [(6,)], "loc": [(48, 6, 1, 1), (48,)],
    }),
}  # fmt: skip


def main() -> None:
    import cv2

    rng = np.random.default_rng(0)
    for name, (text, shape, shapes) in MODELS.items():
        blobs = {
            layer: [rng.uniform(0.2 if layer.startswith("bn") else -0.5, 1, s).astype(np.float32) for s in each]
            for layer, each in shapes.items()
        }
        path = write(HERE, inputs_text({"data": shape}) + layers(text), blobs, name)
        net = cv2.dnn.readNetFromCaffe(str(path), str(path.with_suffix(".caffemodel")))
        x = rng.uniform(-1, 1, shape).astype(np.float32)
        net.setInput(x, "data")
        names = list(net.getUnconnectedOutLayersNames())
        made = dict(zip(names, net.forward(names), strict=True))
        np.savez(path.with_suffix(".npz"), data=x, **made)
        print(name, {key: value.shape for key, value in made.items()})


if __name__ == "__main__":
    main()
