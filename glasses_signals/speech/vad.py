"""Where speech is in a recording: Silero VAD over all its windows in one run, then hysteresis."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasses_signals.models.sessions import Session, default_threads
from glasses_signals.models.store import open_model
from glasses_signals.records import Span
from glasses_signals.speech.mel import SAMPLE_RATE

FRAME_SAMPLES = 512  # Silero's window at 16 kHz, 32 ms
_CONTEXT_SAMPLES = 64  # of the window before, fed along with each window
_STATE = (1, 1, 128)
_BLOCK_FRAMES = 1024  # windows in one run: bounds memory on recordings of hours


@dataclass(frozen=True, slots=True)
class VadSettings:
    """Silero's own defaults, but for shorter least speech: "hiya" lasts a quarter second."""

    start_threshold: float = 0.5
    end_threshold: float = 0.35
    least_speech_s: float = 0.12
    least_silence_s: float = 0.1


class VoiceActivity:
    """Batch operator: recordings in, speech probabilities per 32 ms out."""

    def __init__(self, threads: int | None = None) -> None:
        built = open_model("silero-vad")
        self.sha256 = built.sha256
        self._threads = threads or default_threads()
        self._session = Session(built.file("sequence.onnx"), "cpu", threads=1)

    def __call__(self, recordings: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Speech probability 0..1 of each started 32 ms window, float32 [ceil(N / 512)] each.

        Recordings run side by side, each on one thread: nine tenths of the work are convolutions
        over all windows of a recording at once, too small for two threads to share.
        """
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self._probabilities, recordings))

    def _probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        count = -(-len(samples) // FRAME_SAMPLES)
        if not count:
            return np.zeros(0, np.float32)
        padded = np.zeros(_CONTEXT_SAMPLES + count * FRAME_SAMPLES, np.float32)
        padded[_CONTEXT_SAMPLES : _CONTEXT_SAMPLES + len(samples)] = samples
        windows = np.lib.stride_tricks.sliding_window_view(
            padded, _CONTEXT_SAMPLES + FRAME_SAMPLES
        )[::FRAME_SAMPLES]
        hidden = cell = np.zeros(_STATE, np.float32)
        probabilities = []
        for start in range(0, count, _BLOCK_FRAMES):
            feeds = {"input": windows[start : start + _BLOCK_FRAMES], "h": hidden, "c": cell}
            values, hidden, cell = self._session.run(feeds)
            probabilities.append(values)
        return np.concatenate(probabilities)


def speech_spans(
    probabilities: NDArray[np.float32],
    settings: VadSettings = VadSettings(),
) -> list[Span]:
    """Stretches of speech, without padding, in order.

    `probabilities` are one recording's, float32 [windows], as `VoiceActivity` gives them. Speech
    starts above one threshold and ends when it stays under a lower one for long enough, as in
    Silero's `get_speech_timestamps`.
    """
    frame_s = FRAME_SAMPLES / SAMPLE_RATE
    spans: list[Span] = []
    start: float | None = None
    quiet_from: float | None = None
    for index, probability in enumerate(probabilities):
        now = index * frame_s
        if start is None:
            if probability >= settings.start_threshold:
                start, quiet_from = now, None
        elif probability >= settings.end_threshold:
            quiet_from = None
        else:
            quiet_from = now if quiet_from is None else quiet_from
            if now + frame_s - quiet_from >= settings.least_silence_s:
                spans.append(Span(start, quiet_from))
                start = None
    if start is not None:
        end = quiet_from if quiet_from is not None else len(probabilities) * frame_s
        spans.append(Span(start, end))
    return [span for span in spans if span.end_s - span.start_s >= settings.least_speech_s]
