from magik_trainingkit.quantize_ops import *  # noqa: F403
