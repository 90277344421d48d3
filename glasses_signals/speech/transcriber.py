"""Recordings to transcripts: voice activity, short guarded windows, batched Whisper, fallbacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from glasses_signals.models.sessions import default_threads, resolve_device
from glasses_signals.models.store import open_model
from glasses_signals.records import Dropped, Span, Transcript, Utterance, Waveform
from glasses_signals.speech.decoding import Decoded, decode, open_windows
from glasses_signals.speech.guards import GuardSettings, fault, most_tokens
from glasses_signals.speech.mel import HOP_SAMPLES, SAMPLE_RATE, log_mel
from glasses_signals.speech.model import WhisperModel
from glasses_signals.speech.vad import VadSettings, VoiceActivity, speech_spans
from glasses_signals.speech.windows import WindowSettings, frames_for, plan_windows

_FULL_S = 30.0


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """How to transcribe. `language` None: detected per recording.

    `margins_s` is the silence after the speech in the first and the following tries; then comes
    Whisper's full window, then `temperatures` in it.
    """

    model: str = "whisper-base"
    device: str = "auto"
    threads: int | None = None
    precision: str | None = None  # None: what suits the device and the CPU's flags
    language: str | None = None
    default_language: str = "en"  # when detection can't tell
    batch_rows: int = 16
    batch_positions: int = 5000  # encoder positions whose keys and values a batch may hold
    margins_s: tuple[float, ...] = (3.0, 6.0)
    temperatures: tuple[float, ...] = (0.4, 0.8)
    vad: VadSettings = field(default_factory=VadSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)


@dataclass(frozen=True, slots=True)
class _Window:
    """A window of one recording on its way: `attempt` counts the tries so far."""

    recording: int
    span: Span
    speech_s: float
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class _Heard:
    """What came of a window: words, or the reason why not."""

    window: _Window
    text: str
    mean_log_probability: float
    reason: str | None
    language: str | None
    language_probability: float


class Transcriber:
    """Batch operator: recordings of any accounts in, transcripts out, in the same order."""

    def __init__(self, settings: SpeechSettings = SpeechSettings()) -> None:
        self.settings = settings
        device = resolve_device(settings.device)
        threads = settings.threads or default_threads()
        built = open_model(settings.model)
        self._whisper = WhisperModel(built, device, threads, settings.precision)
        self._vad = VoiceActivity(threads)
        self.provider = self._whisper.provider
        self.models = {
            f"{built.name}-{self._whisper.precision}": built.sha256,
            "silero-vad": self._vad.sha256,
        }

    def transcribe(
        self,
        waveforms: Sequence[Waveform],
        *,
        accounts: Sequence[str] | None = None,
        languages: Sequence[tuple[str, ...]] | None = None,
    ) -> list[Transcript]:
        """Transcripts of recordings. `accounts[i]` owns recording i (windows never join two);
        `languages[i]` are the languages its owner speaks, () for any.
        """
        samples = [waveform.samples for waveform in waveforms]
        waiting = list(self._windows(samples))
        heard: list[_Heard] = []
        while waiting:
            retry: list[_Window] = []
            for group in self._groups(waiting):
                for result in self._attempt(samples, group):
                    again = self._next_try(result)
                    if again is None:
                        heard.append(result)
                    else:
                        retry.append(again)
            waiting = retry
        return _transcripts(len(waveforms), heard)

    def _windows(self, samples: Sequence[NDArray[np.float32]]) -> Iterator[_Window]:
        for recording, probabilities in enumerate(self._vad(samples)):
            speech = speech_spans(probabilities, self.settings.vad)
            duration_s = len(samples[recording]) / SAMPLE_RATE
            for span in plan_windows(speech, duration_s, self.settings.windows):
                speech_s = sum(
                    min(s.end_s, span.end_s) - max(s.start_s, span.start_s)
                    for s in speech
                    if s.start_s < span.end_s and s.end_s > span.start_s
                )
                yield _Window(recording, span, speech_s)

    def _frames(self, window: _Window) -> int:
        margins = self.settings.margins_s
        margin = margins[window.attempt] if window.attempt < len(margins) else _FULL_S
        return frames_for(window.span.end_s - window.span.start_s, margin, self.settings.windows)

    def _groups(self, windows: Sequence[_Window]) -> Iterator[list[_Window]]:
        """Windows of one encoder length and attempt, as many as a batch may hold."""
        keyed = sorted(
            windows, key=lambda w: (w.attempt, self._frames(w), w.span.end_s - w.span.start_s)
        )
        group: list[_Window] = []
        for window in keyed:
            frames = self._frames(window)
            most = min(self.settings.batch_rows, self.settings.batch_positions * 2 // frames)
            alike = group and (
                self._frames(group[0]) == frames and group[0].attempt == window.attempt
            )
            if group and (not alike or len(group) >= max(most, 1)):
                yield group
                group = []
            group.append(window)
        if group:
            yield group

    def _attempt(
        self, samples: Sequence[NDArray[np.float32]], group: Sequence[_Window]
    ) -> Iterator[_Heard]:
        settings, model = self.settings, self._whisper
        frames = self._frames(group[0])
        mels = [log_mel(_cut(samples[w.recording], w.span), frames, model.filters) for w in group]
        cross = model.encode(mels)
        opening = open_windows(model, cross, len(group))
        choices = [self._language(row) for row in opening.languages]
        prompts = [self._prompt(language) for language, _ in choices]
        limits = [most_tokens(w.speech_s, settings.guards) for w in group]
        step = group[0].attempt - len(settings.margins_s) - 1
        temperature = settings.temperatures[step] if step >= 0 else 0.0
        results = decode(model, cross, opening, prompts, limits, temperature)
        for row, (window, decoded) in enumerate(zip(group, results, strict=True)):
            yield self._judged(window, decoded, float(opening.no_speech[row]), choices[row])

    def _judged(
        self, window: _Window, decoded: Decoded, no_speech: float, language: tuple[str, float]
    ) -> _Heard:
        text = self._whisper.text(decoded.tokens)
        last = window.attempt >= len(self.settings.margins_s)
        reason = fault(decoded, text, no_speech, self.settings.guards, last)
        return _Heard(window, text, decoded.mean_log_probability, reason, *language)

    def _next_try(self, heard: _Heard) -> _Window | None:
        tries = len(self.settings.margins_s) + 1 + len(self.settings.temperatures)
        if heard.reason is None or heard.window.attempt + 1 >= tries:
            return None
        return replace(heard.window, attempt=heard.window.attempt + 1)

    def _language(self, probabilities: NDArray[np.float32]) -> tuple[str, float]:
        """(code, probability)."""
        codes = list(self._whisper.languages)
        if not codes or self.settings.language:
            return self.settings.language or self.settings.default_language, 1.0
        best = int(probabilities.argmax())
        return codes[best], float(probabilities[best])

    def _prompt(self, language: str) -> list[int]:
        tokens = self._whisper.tokens
        if not self._whisper.languages:
            return [tokens.no_timestamps]
        return [self._whisper.languages[language], tokens.transcribe, tokens.no_timestamps]


def _cut(samples: NDArray[np.float32], span: Span) -> NDArray[np.float32]:
    start = round(span.start_s * SAMPLE_RATE / HOP_SAMPLES) * HOP_SAMPLES
    return samples[start : round(span.end_s * SAMPLE_RATE)]


def _transcripts(count: int, heard: Sequence[_Heard]) -> list[Transcript]:
    by_recording: list[list[_Heard]] = [[] for _ in range(count)]
    for result in sorted(heard, key=lambda h: h.window.span.start_s):
        by_recording[result.window.recording].append(result)
    return [_transcript(results) for results in by_recording]


def _transcript(results: Sequence[_Heard]) -> Transcript:
    utterances, dropped = [], []
    for result in results:
        start_s, end_s = result.window.span.start_s, result.window.span.end_s
        if result.reason is None:
            utterances.append(Utterance(start_s, end_s, result.text, result.mean_log_probability))
        else:
            dropped.append(Dropped(start_s, end_s, result.reason))
    kept = [result for result in results if result.reason is None]
    best = max(kept, key=lambda r: r.window.speech_s, default=None)
    return Transcript(
        best.language if best else None,
        tuple(utterances),
        tuple(dropped),
        best.language_probability if best else None,
    )
