"""The tables of schema.py."""

from __future__ import annotations

from collections.abc import Mapping

# of V1 layers, in the order of their numbers
V1_TYPES = (
    "NONE,ACCURACY,BNLL,CONCAT,CONVOLUTION,DATA,DROPOUT,EUCLIDEAN_LOSS,FLATTEN,HDF5_DATA,HDF5_OUTPUT,IM2COL,"
    "IMAGE_DATA,INFOGAIN_LOSS,INNER_PRODUCT,LRN,MULTINOMIAL_LOGISTIC_LOSS,POOLING,RELU,SIGMOID,SOFTMAX,SOFTMAX_LOSS,"
    "SPLIT,TANH,WINDOW_DATA,ELTWISE,POWER,SIGMOID_CROSS_ENTROPY_LOSS,HINGE_LOSS,MEMORY_DATA,ARGMAX,THRESHOLD,"
    "DUMMY_DATA,SLICE,MVN,ABSVAL,SILENCE,CONTRASTIVE_LOSS,EXP,DECONVOLUTION"
)
ENGINE = "enum:DEFAULT,CAFFE,CUDNN"
# fields of a layer that hold its parameters: name, number in V2, number in V1, message
PARAMS = """
argmax_param           103 23 ArgMax
batch_norm_param       139 -  BatchNorm
bias_param             141 -  Bias
clip_param             148 -  Clip
concat_param           104 9  Concat
convolution_param      106 10 Convolution
crop_param             144 -  Crop
detection_output_param 204 -  DetectionOutput
dropout_param          108 12 Dropout
dummy_data_param       109 26 DummyData
eltwise_param          110 24 Eltwise
elu_param              140 -  Elu
exp_param              111 41 Exp
flatten_param          135 -  Flatten
inner_product_param    117 17 InnerProduct
input_param            143 -  Input
interp_param           -   -  Interp
log_param              134 -  Log
lrn_param              118 18 Lrn
memory_data_param      119 22 MemoryData
mvn_param              120 34 Mvn
norm_param             206 -  Norm
permute_param          202 -  Permute
pooling_param          121 19 Pooling
power_param            122 21 Power
prelu_param            131 -  Prelu
prior_box_param        203 -  PriorBox
reduction_param        136 -  Reduction
relu_param             123 30 Relu
reshape_param          133 -  Reshape
scale_param            142 -  Scale
shuffle_channel_param  -   -  ShuffleChannel
slice_param            126 31 Slice
softmax_param          125 39 Softmax
swish_param            147 -  Swish
threshold_param        128 25 Threshold
tile_param             138 -  Tile
upsample_param         -   -  Upsample
"""
_ROWS = [row.split() for row in PARAMS.strip().splitlines()]

TABLES: Mapping[str, str] = {
    "Net": """
        name 1 str
        layers 2 V1Layer*
        input 3 str*
        input_dim 4 int*
        state 6 State
        input_shape 8 Shape*
        layer 100 Layer*
        """,
    # what is needed of a caffemodel beside a prototxt: forks disagree about the numbers of all else
    "Weights": "layers 2 V1LayerWeights*\nlayer 100 LayerWeights*",
    "LayerWeights": "name 1 str\nblobs 7 Blob*",
    "V1LayerWeights": "layer 1 V0Layer\nname 4 str\nblobs 6 Blob*",
    "State": "phase 1 enum:TRAIN,TEST TEST\nlevel 2 int\nstage 3 str*",
    "Rule": "phase 1 enum:TRAIN,TEST\nmin_level 2 int\nmax_level 3 int\nstage 4 str*\nnot_stage 5 str*",
    "Shape": "dim 1 long*",
    "Blob": """
        num 1 int
        channels 2 int
        height 3 int
        width 4 int
        data 5 f32s
        shape 7 Shape
        double_data 8 f64s
        """,
    "Layer": """
        name 1 str
        type 2 str
        bottom 3 str*
        top 4 str*
        blobs 7 Blob*
        include 8 Rule*
        exclude 9 Rule*
        """
    + "\n".join(f"{name} {number} {kind}" for name, number, _, kind in _ROWS),
    "V1Layer": f"""
        layer 1 V0Layer
        bottom 2 str*
        top 3 str*
        name 4 str
        type 5 enum:{V1_TYPES}
        blobs 6 Blob*
        include 32 Rule*
        exclude 33 Rule*
        """
    + "\n".join(f"{name} {number} {kind}" for name, _, number, kind in _ROWS),
    "V0Layer": "name 1 str\ntype 2 str",
    "Filler": "type 1 str\nvalue 2 float\nmin 3 float\nmax 4 float\nmean 5 float\nstd 6 float\nsparse 7 int\n"
    "variance_norm 8 enum:FAN_IN,FAN_OUT,AVERAGE",
    "ArgMax": "out_max_val 1 bool\ntop_k 2 uint 1\naxis 3 int",
    "BatchNorm": "use_global_stats 1 bool true\nmoving_average_fraction 2 float 0.999\neps 3 float 1e-5",
    "Bias": "axis 1 int 1\nnum_axes 2 int 1\nfiller 3 Filler",
    "Clip": "min 1 float\nmax 2 float",
    "Concat": "concat_dim 1 uint 1\naxis 2 int 1",
    "Convolution": f"""
        num_output 1 uint
        bias_term 2 bool true
        pad 3 uint*
        kernel_size 4 uint*
        group 5 uint 1
        stride 6 uint*
        weight_filler 7 Filler
        bias_filler 8 Filler
        pad_h 9 uint
        pad_w 10 uint
        kernel_h 11 uint
        kernel_w 12 uint
        stride_h 13 uint
        stride_w 14 uint
        engine 15 {ENGINE}
        axis 16 int 1
        force_nd_im2col 17 bool
        dilation 18 uint*
        """,
    "Crop": "axis 1 int 2\noffset 2 uint*",
    "DetectionOutput": """
        num_classes 1 uint
        share_location 2 bool true
        background_label_id 3 int
        nms_param 4 Nms
        save_output_param 5 SaveOutput
        code_type 6 enum:CORNER=1,CENTER_SIZE=2,CORNER_SIZE=3 CORNER
        variance_encoded_in_target 8 bool
        keep_top_k 7 int -1
        confidence_threshold 9 float
        visualize 10 bool
        visualize_threshold 11 float
        save_file 12 str
        """,
    "Nms": "nms_threshold 1 float 0.3\ntop_k 2 int\neta 3 float 1",
    "SaveOutput": "output_directory 1 str",
    "Dropout": "dropout_ratio 1 float 0.5\nscale_train - bool true",
    "DummyData": "data_filler 1 Filler*\nnum 2 uint*\nchannels 3 uint*\nheight 4 uint*\nwidth 5 uint*\nshape 6 Shape*",
    "Eltwise": "operation 1 enum:PROD,SUM,MAX SUM\ncoeff 2 float*\nstable_prod_grad 3 bool true",
    "Elu": "alpha 1 float 1",
    "Exp": "base 1 float -1\nscale 2 float 1\nshift 3 float",
    "Flatten": "axis 1 int 1\nend_axis 2 int -1",
    "InnerProduct": """
        num_output 1 uint
        bias_term 2 bool true
        weight_filler 3 Filler
        bias_filler 4 Filler
        axis 5 int 1
        transpose 6 bool
        """,
    "Input": "shape 1 Shape*",
    "Interp": "height 1 int\nwidth 2 int\nzoom_factor 3 int 1\nshrink_factor 4 int 1\npad_beg 5 int\npad_end 6 int",
    "Log": "base 1 float -1\nscale 2 float 1\nshift 3 float",
    "Lrn": f"""
        local_size 1 uint 5
        alpha 2 float 1
        beta 3 float 0.75
        norm_region 4 enum:ACROSS_CHANNELS,WITHIN_CHANNEL
        k 5 float 1
        engine 6 {ENGINE}
        """,
    "MemoryData": "batch_size 1 uint\nchannels 2 uint\nheight 3 uint\nwidth 4 uint",
    "Mvn": "normalize_variance 1 bool true\nacross_channels 2 bool\neps 3 float 1e-9",
    "Norm": "across_spatial 1 bool true\nscale_filler 2 Filler\nchannel_shared 3 bool true\neps 4 float 1e-10",
    "Permute": "order 1 uint*",
    "Pooling": f"""
        pool 1 enum:MAX,AVE,STOCHASTIC
        kernel_size 2 uint
        stride 3 uint 1
        pad 4 uint
        kernel_h 5 uint
        kernel_w 6 uint
        stride_h 7 uint
        stride_w 8 uint
        pad_h 9 uint
        pad_w 10 uint
        engine 11 {ENGINE}
        global_pooling 12 bool
        round_mode 13 enum:CEIL,FLOOR
        ceil_mode - bool true
        """,
    "Power": "power 1 float 1\nscale 2 float 1\nshift 3 float",
    "Prelu": "filler 1 Filler\nchannel_shared 2 bool",
    "PriorBox": """
        min_size 1 float*
        max_size 2 float*
        aspect_ratio 3 float*
        flip 4 bool true
        clip 5 bool
        variance 6 float*
        img_size 7 uint
        img_h 8 uint
        img_w 9 uint
        step 10 float
        step_h 11 float
        step_w 12 float
        offset 13 float 0.5
        """,
    "Reduction": "operation 1 enum:SUM=1,ASUM=2,SUMSQ=3,MEAN=4\naxis 2 int\ncoeff 3 float 1",
    "Relu": f"negative_slope 1 float\nengine 2 {ENGINE}",
    "Reshape": "shape 1 Shape\naxis 2 int\nnum_axes 3 int -1",
    "Scale": "axis 1 int 1\nnum_axes 2 int 1\nfiller 3 Filler\nbias_term 4 bool\nbias_filler 5 Filler",
    "ShuffleChannel": "group 1 uint 1",
    "Slice": "slice_dim 1 uint 1\nslice_point 2 uint*\naxis 3 int 1",
    "Softmax": f"engine 1 {ENGINE}\naxis 2 int 1",
    "Swish": "beta 1 float 1",
    "Threshold": "threshold 1 float",
    "Tile": "axis 1 int 1\ntiles 2 int",
    "Upsample": "scale - uint\nscale_h - uint\nscale_w - uint\nupsample_h - uint\nupsample_w - uint",
}
