from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from glasses_signals.errors import BadInput
from glasses_signals.media.audio import NoAudioTrack, decode_audio


def test_flac_of_44_khz_or_16_khz_gives_16_khz_mono(media: Path) -> None:
    waveform = decode_audio(media / "jfk.flac")
    assert waveform.samples.dtype == np.float32
    assert waveform.duration_s == pytest.approx(11.0, abs=0.01)
    assert 0.1 < np.abs(waveform.samples).max() <= 1.0


@pytest.mark.parametrize("rate, channels", [(8_000, 1), (44_100, 2), (48_000, 1)])
def test_wav_of_any_rate_is_resampled_and_mixed(tmp_path: Path, rate: int, channels: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.repeat(tone, channels) * 32767).astype(np.int16).tobytes())
    samples = decode_audio(tmp_path / "tone.wav").samples
    spectrum = np.abs(np.fft.rfft(samples[4000:20000]))
    assert len(samples) == pytest.approx(32_000, abs=50)
    assert spectrum.argmax() == 440


def test_a_silent_video_says_that_it_has_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(black))
        container.mux(stream.encode())
    with pytest.raises(NoAudioTrack, match="no audio track"):
        decode_audio(path)


@pytest.mark.parametrize("content", [b"", b"not sound at all", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_sound_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"broken\.wav"):
        decode_audio(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.wav"):
        decode_audio(tmp_path / "gone.wav")
