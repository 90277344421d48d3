"""Sentences spoken by synthetic voices, with noise. Needs the Debian packages `flite` and
`espeak-ng`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glasses_signals.media.audio import decode_audio
from glasses_signals.records import Waveform

Samples = NDArray[np.float32]
Voice = tuple[str, str]  # engine and voice
FLITE: tuple[Voice, ...] = tuple(("flite", name) for name in ("slt", "rms", "awb", "kal16"))
ESPEAK: tuple[Voice, ...] = tuple(
    ("espeak-ng", name) for name in ("en-us", "en-gb", "en-gb-scotland")
)
VOICES = (*FLITE, *ESPEAK)
LEAD_SAMPLES = 8_000  # half a second before and after


def speak(text: str, voice: Voice, file: Path) -> Waveform:
    """The sound of a sentence, by way of `file` (.wav). SystemExit where the engine is missing."""
    engine, name = voice
    if shutil.which(engine) is None:
        raise SystemExit(f"{engine} isn't installed: apt-get install flite espeak-ng")
    if engine == "flite":
        command = ["flite", "-voice", name, "-t", text, "-o", str(file)]
    else:
        command = [engine, "-v", name, "-s", "155", "-w", str(file), text]
    subprocess.run(command, check=True, capture_output=True)
    return decode_audio(file)


def noisy(wave: Waveform, noise: Samples, snr_db: float) -> Waveform:
    """With half a second of lead-in and tail, and noise through all of it."""
    silence = np.zeros(LEAD_SAMPLES, np.float32)
    sound = np.concatenate([silence, wave.samples, silence])
    sound = sound + noise_under(wave.samples, noise, snr_db, len(sound))
    return Waveform((0.3 * sound / np.abs(sound).max()).astype(np.float32))


def noise_under(speech: Samples, noise: Samples, snr_db: float, count: int) -> Samples:
    """`count` samples of the noise, over and over, at this level under the speech's loud ones."""
    loud = speech[np.abs(speech) > 1e-3]
    noise = np.resize(noise, count)
    level = np.sqrt(np.mean(loud**2) / np.mean(noise**2) / 10 ** (snr_db / 10))
    return np.asarray(noise * level, np.float32)
