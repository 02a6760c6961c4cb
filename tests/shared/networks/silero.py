"""Silero VAD at 16 kHz: a short-time Fourier transform as a convolution, four convolutions, an LSTM cell."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CUTOFF = 129  # bins of a transform of 256 samples
LAYERS = ((129, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1))  # in, out, stride


class Silero(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * CUTOFF, 256, 128, bias=False)
        for n, (inp, oup, stride) in enumerate(LAYERS, 1):
            self.add_module(f"conv{n}", nn.Conv1d(inp, oup, 3, stride, 1))
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, window: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
        spectrum = self.stft_conv(F.pad(window, (0, 64), mode="reflect").unsqueeze(1))
        x = torch.sqrt(spectrum[:, :CUTOFF] ** 2 + spectrum[:, CUTOFF:] ** 2)
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = F.relu(layer(x))
        h, c = self.lstm_cell(x.squeeze(-1), (h, c))
        speech = torch.sigmoid(self.final_conv(F.relu(h).unsqueeze(-1)))
        return {"speech": speech.squeeze(-1), "h_next": h, "c_next": c}


def build() -> nn.Module:
    return Silero()
