"""Whisper's log-mel spectrogram in numpy, equal to `whisper/audio.py` of openai-whisper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SAMPLE_RATE = 16_000
FFT_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
FRAMES_PER_S = SAMPLE_RATE // HOP_SAMPLES
LONGEST_FRAMES = 30 * FRAMES_PER_S  # Whisper's window
_FLOOR = np.float32(1e-10)
_DYNAMIC_RANGE = np.float32(8.0)  # powers of ten below the loudest bin of the window
_HANN = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)  # periodic, as torch.hann_window


def log_mel(samples: Floats, frames: int, filters: Floats) -> Floats:
    """Log-mel features [frames, M] of `samples` [N] followed by silence.

    `filters` [M, 201] are Whisper's mel filters. `frames` is even, up to 3000; samples beyond
    frames x 160 are cut. Only frames that touch the samples are transformed.
    """
    samples = samples[: frames * HOP_SAMPLES]
    half = FFT_SAMPLES // 2
    touched = min(frames, (len(samples) + half) // HOP_SAMPLES + 1)
    padded = np.zeros((touched - 1) * HOP_SAMPLES + FFT_SAMPLES, np.float32)
    start = samples[1 : half + 1][::-1]  # centred frames: the start is mirrored
    padded[half - len(start) : half] = start
    room = len(padded) - half
    padded[half : half + min(len(samples), room)] = samples[:room]
    beyond = len(padded) - half - frames * HOP_SAMPLES
    if beyond > 0:  # the window is full to its end, which is mirrored too
        padded[-beyond:] = padded[-beyond - 2 : -2 * beyond - 2 : -1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(windows * _HANN, axis=-1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    features = np.full((frames, filters.shape[0]), np.log10(_FLOOR), np.float32)
    np.log10(np.maximum(power @ filters.T, _FLOOR), out=features[:touched])
    np.maximum(features, features.max() - _DYNAMIC_RANGE, out=features)
    features += np.float32(4.0)
    features *= np.float32(0.25)
    return features
