from ingenic_magik_trainingkit.QuantizationTrainingPlugin.python import ops, quantize_ops

__all__ = ["ops", "quantize_ops"]
