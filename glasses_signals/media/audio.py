"""Decodes the sound of any file that FFmpeg knows, audio or video, to 16 kHz mono."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from glasses_signals.errors import BadInput
from glasses_signals.records import Waveform

SAMPLE_RATE = 16_000
_LONGEST_S = 3 * 3600  # an upload; a longer one would fill the memory of a worker
_INT16_SCALE = np.float32(1 / 32768)


class NoAudioTrack(BadInput):
    """The file is sound media but holds no sound: a silent video, a file of pictures."""


def decode_audio(path: str | Path) -> Waveform:
    """All sound of the file's first audio track, mixed to mono, at 16 kHz.

    NoAudioTrack when it has none; BadInput when it can't be decoded or is longer than three hours.
    """
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise NoAudioTrack(f"{path}: has no audio track")
            samples = _samples(container, path)
    except (av.FFmpegError, ValueError, OSError) as error:
        raise BadInput(f"{path}: can't be decoded as sound: {error}") from error
    if samples.size == 0:
        raise BadInput(f"{path}: its audio track holds no samples")
    return Waveform(samples)


def _samples(container: av.container.InputContainer, path: str | Path) -> NDArray[np.float32]:
    """Float32 [N] in -1..1. Goes through 16-bit samples, as Whisper's training data did."""
    stream = container.streams.audio[0]
    stream.thread_type = "NONE"  # threads cost more than they give on short files
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    chunks: list[NDArray[np.int16]] = []
    left = _LONGEST_S * SAMPLE_RATE
    for frame in _frames(container, stream):
        for resampled in resampler.resample(frame):
            chunk = resampled.to_ndarray().ravel()
            chunks.append(chunk)
            left -= chunk.size
        if left < 0:
            raise BadInput(f"{path}: longer than {_LONGEST_S // 3600} hours: cut it into parts")
    if not chunks:
        return np.zeros(0, np.float32)
    return np.concatenate(chunks).astype(np.float32) * _INT16_SCALE


def _frames(
    container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[av.AudioFrame | None]:
    """Frames of the stream, then None to flush. Frames damaged on the way are left out."""
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue
    yield None
