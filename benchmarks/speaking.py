"""Sentences spoken by synthetic voices, with noise: for measuring, and for examples of mishearing.

Needs the Debian packages `flite` and `espeak-ng`; other voices are a test-time matter as well.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glasses_signals.media.audio import decode_audio
from glasses_signals.records import Waveform

Voice = tuple[str, str]  # engine and voice
FLITE: tuple[Voice, ...] = tuple(("flite", name) for name in ("slt", "rms", "awb", "kal16"))
ESPEAK: tuple[Voice, ...] = tuple(
    ("espeak-ng", name) for name in ("en-us", "en-gb", "en-gb-scotland")
)
VOICES = (*FLITE, *ESPEAK)
LEAD_SAMPLES = 8_000  # half a second before and after


def speak(text: str, voice: Voice, file: Path) -> Waveform:
    """The sound of a sentence, by way of `file` (.wav)."""
    engine, name = voice
    if engine == "flite":
        command = ["flite", "-voice", name, "-t", text, "-o", str(file)]
    elif engine == "piper":
        command = ["piper", "-m", name, "-f", str(file), "--", text]
    else:
        command = [engine, "-v", name, "-s", "155", "-w", str(file), text]
    subprocess.run(command, check=True, capture_output=True)
    return decode_audio(file)


def noisy(wave: Waveform, noise: NDArray[np.float32], snr_db: float) -> Waveform:
    """With half a second of lead-in and tail, and noise through all of it."""
    silence = np.zeros(LEAD_SAMPLES, np.float32)
    sound = np.concatenate([silence, wave.samples, silence])
    loud = wave.samples[np.abs(wave.samples) > 1e-3]
    noise = np.resize(noise, len(sound))
    noise = noise * np.sqrt(np.mean(loud**2) / np.mean(noise**2) / 10 ** (snr_db / 10))
    sound = 0.3 * (sound + noise) / np.abs(sound + noise).max()
    return Waveform(sound.astype(np.float32))


def murmur(samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Made noise, float32 [samples]: its power falls with frequency as 1/f to 1/f^2, as that of
    wind, traffic and halls does, and it swells and ebbs within seconds."""
    slope = rng.uniform(0.5, 1.0)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hum = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** slope, samples)
    beats = np.interp(np.arange(samples), *_swell(samples, rng))
    return np.asarray(hum / np.abs(hum).max() * beats, np.float32)


def _swell(samples: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Loudness at points half a second apart."""
    points = np.arange(0, samples + LEAD_SAMPLES, LEAD_SAMPLES)
    return points, rng.uniform(0.4, 1.0, len(points))
