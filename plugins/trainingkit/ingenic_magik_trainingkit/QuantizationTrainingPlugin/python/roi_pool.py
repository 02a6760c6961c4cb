from magik_trainingkit.roi_pooling import RoIPooling

__all__ = ["RoIPooling"]
