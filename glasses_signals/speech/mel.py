"""The front of Whisper's log-mel spectrogram in numpy: the rest is part of the encoder graph.

Equal to `log_mel_spectrogram` in `whisper/audio.py` of openai-whisper up to the mel filters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SAMPLE_RATE = 16_000
FFT_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
FRAMES_PER_S = SAMPLE_RATE // HOP_SAMPLES
LONGEST_FRAMES = 30 * FRAMES_PER_S  # Whisper's window
_HANN = np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)  # periodic, as torch.hann_window


def power_spectrum(samples: Floats, frames: int) -> Floats:
    """Squared magnitudes float32 [frames, 201] of `samples`, float32 [N], followed by silence.

    Samples beyond frames x 160 are cut. Only frames that touch the samples are transformed.
    """
    samples = samples[: frames * HOP_SAMPLES]
    half = FFT_SAMPLES // 2
    touched = min(frames, (len(samples) + half) // HOP_SAMPLES + 1)
    padded = np.zeros((touched - 1) * HOP_SAMPLES + FFT_SAMPLES, np.float32)
    start = samples[1 : half + 1][::-1]  # frames are centred: the start is mirrored
    padded[half - len(start) : half] = start
    room = len(padded) - half
    padded[half : half + min(len(samples), room)] = samples[:room]
    beyond = len(padded) - half - frames * HOP_SAMPLES
    if beyond > 0:  # the window is full to its end, which is mirrored too
        padded[-beyond:] = padded[-beyond - 2 : -2 * beyond - 2 : -1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(windows * _HANN, axis=-1)
    power = np.zeros((frames, spectrum.shape[1]), np.float32)
    np.square(spectrum.real, out=power[:touched])
    power[:touched] += np.square(spectrum.imag)
    return power
