from __future__ import annotations

import numpy as np
import pytest

from glasses_signals.records import Waveform
from glasses_signals.speech.mel import power_spectrum


def _by_definition(samples: np.ndarray, frames: int) -> np.ndarray:
    """The whole window padded with zeros and mirrored at both ends, as torch.stft does it."""
    window = np.zeros(frames * 160, np.float64)
    window[: min(len(samples), len(window))] = samples[: len(window)]
    padded = np.pad(window, 200, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    return np.stack(
        [np.abs(np.fft.rfft(padded[i * 160 : i * 160 + 400] * hann)) ** 2 for i in range(frames)]
    )


@pytest.mark.parametrize("count", [100, 300, 48_037, 79_990, 80_000, 90_000])
def test_spectrum_is_whispers_for_short_full_and_overlong_samples(
    recordings: dict[str, Waveform], count: int
) -> None:
    samples = recordings["jfk"].samples[:count]
    frames = 500
    assert np.allclose(
        power_spectrum(samples, frames), _by_definition(samples, frames), rtol=1e-3, atol=1e-5
    )


def test_no_samples_give_an_empty_spectrum() -> None:
    assert not power_spectrum(np.zeros(0, np.float32), 100).any()
