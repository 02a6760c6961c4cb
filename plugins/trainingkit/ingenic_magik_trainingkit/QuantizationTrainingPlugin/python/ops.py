from magik_trainingkit.ops import *  # noqa: F403
