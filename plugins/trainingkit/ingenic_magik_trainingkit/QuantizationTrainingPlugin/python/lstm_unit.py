from magik_trainingkit.lstm import LSTM

__all__ = ["LSTM"]
