"""Speech models loaded once, and the recordings they are tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasses_signals.media.audio import decode_audio
from glasses_signals.records import Waveform
from glasses_signals.speech.transcriber import SpeechSettings, Transcriber


@pytest.fixture(scope="session")
def transcriber() -> Transcriber:
    return Transcriber(SpeechSettings(device="cpu"))


@pytest.fixture(scope="session")
def recordings(media: Path) -> dict[str, Waveform]:
    return {path.stem: decode_audio(path) for path in sorted((media / "speech").glob("*.wav"))}
