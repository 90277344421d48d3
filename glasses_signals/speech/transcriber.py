"""Recordings to transcripts: voice activity, short guarded windows, batched Whisper, fallbacks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from glasses_signals.errors import BadInput
from glasses_signals.models.sessions import default_threads, resolve_device
from glasses_signals.models.store import open_model
from glasses_signals.records import Dropped, Hearing, Span, Transcript, Utterance, Waveform
from glasses_signals.speech.beams import decode_beams
from glasses_signals.speech.decoding import Decoded, Opening, decode, open_windows
from glasses_signals.speech.distance import DistanceSettings, far_speech
from glasses_signals.speech.guards import GuardSettings, fault, most_tokens
from glasses_signals.speech.languages import Language, LanguageSettings, choose_language, doubted
from glasses_signals.speech.mel import SAMPLE_RATE, power_spectrum
from glasses_signals.speech.model import Memory, WhisperModel
from glasses_signals.speech.second import SecondListener, SecondSettings
from glasses_signals.speech.vad import VadSettings, VoiceActivity, speech_spans
from glasses_signals.speech.windows import (
    Shape,
    WindowSettings,
    plan_windows,
    widened,
    window_shape,
)
from glasses_signals.speech.wording import Wording, WordingSettings

_CONTEXTS = 3  # short with borrowed silence, longer, full: see `window_shape`
Sounds = dict[int, NDArray[np.float32]]  # by their places in a list
MOST_LANES = 4  # 64 short clips make about as many batches


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """How to transcribe. A window that fails its guards is tried again with more context, then in
    Whisper's full window at each of `temperatures`, then dropped with its reason."""

    model: str = "whisper-base"
    device: str = "auto"
    threads: int | None = None
    precision: str | None = None  # None: what suits the device and the CPU's flags
    language: str | None = None  # None: detected per recording
    translate: bool = True  # give what is not English in English too
    batch_rows: int = 8
    batch_positions: int = 3000  # encoder positions whose keys and values a batch may hold
    beam: int = 3  # texts followed side by side; 1: the likeliest token each time
    beam_again: int = 8  # the same, where more than one, for the few windows heard again
    temperatures: tuple[float, ...] = (0.4, 0.8)
    vad: VadSettings = field(default_factory=VadSettings)
    distance: DistanceSettings = field(default_factory=DistanceSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)
    languages: LanguageSettings = field(default_factory=LanguageSettings)
    # How English is worded, and who hears again what Whisper is not sure of. None: not at all.
    wording: WordingSettings | None = field(default_factory=WordingSettings)
    second: SecondSettings | None = field(default_factory=SecondSettings)


@dataclass(frozen=True, slots=True)
class _Window:
    """A window of one recording on its way: `attempt` counts the tries so far, `best` is the
    likeliest of them that a last try could pass with."""

    recording: int
    span: Span
    speech_s: float
    far: bool = False  # a bystander's
    attempt: int = 0
    best: _Heard | None = None


@dataclass(frozen=True, slots=True)
class _Heard:
    """What came of a window: words, or the reason why not."""

    window: _Window
    text: str
    mean_log_probability: float
    reason: str | None
    english: str | None = None
    again: Hearing | None = None


@dataclass(slots=True)
class _Job:
    """One call's inputs, and each recording's language once its longest window was heard."""

    samples: Sequence[NDArray[np.float32]]
    spoken: Sequence[Sequence[str]]
    languages: dict[int, Language]


class Transcriber:
    """Batch operator: recordings of any accounts in, transcripts out, in the same order."""

    def __init__(self, settings: SpeechSettings = SpeechSettings()) -> None:
        """Open the models. BadModel when one isn't built or the device can't be had; BadInput for a
        language that the model doesn't know, or a beam under 1.
        """
        if settings.language:
            narrowed = replace(settings.languages, language=settings.language)
            settings = replace(settings, languages=narrowed)
        if settings.beam < 1:
            raise BadInput(f"beam {settings.beam} is too narrow: use 1 (greedy) or more")
        self.settings = settings
        device = resolve_device(settings.device)
        threads = settings.threads or default_threads()
        built = open_model(settings.model)
        # A decoder step is many small products: cores do more with a batch each than with one
        # batch together. Other devices take the batches of all lanes as one.
        self._lanes = min(threads, MOST_LANES) if device == "cpu" else 1
        self._batches = 1 if device == "cpu" else MOST_LANES
        self._whisper = WhisperModel(built, device, threads // self._lanes, settings.precision)
        known = self._whisper.languages
        if settings.language and known and settings.language not in known:
            raise BadInput(
                f"language {settings.language!r} is unknown to {built.name}: "
                f"use one of {', '.join(sorted(known))}"
            )
        self._wording = (
            Wording(self._whisper.vocabulary, self._whisper.tokens.end, settings.wording)
            if settings.wording is not None
            else None
        )
        self._second = (
            SecondListener(settings.second, device, threads, settings.precision)
            if settings.second is not None
            else None
        )
        self._vad = VoiceActivity(threads)
        self.provider = self._whisper.provider
        self.models = {
            f"{built.name}-{self._whisper.precision}": built.sha256,
            "silero-vad": self._vad.sha256,
            **(self._second.models if self._second is not None else {}),
        }

    def transcribe(
        self,
        waveforms: Sequence[Waveform],
        *,
        languages: Sequence[tuple[str, ...]] | None = None,
    ) -> list[Transcript]:
        """Transcripts of recordings. `languages[i]` are the languages that the owner of recording i
        speaks, () for any. A window never spans two recordings.
        """
        samples = [waveform.samples for waveform in waveforms]
        job = _Job(samples, languages or [()] * len(samples), {})
        waiting = list(self._windows(samples))
        spans = [[w.span for w in waiting if w.recording == r] for r in range(len(samples))]
        heard: list[Future[list[_Heard]]] = []
        # What is done is heard again beside the rest's next tries: those few leave cores idle.
        with ThreadPoolExecutor(1, "again") as beside:
            while waiting:
                ready, waiting = _ready(waiting, job)
                done = []
                for result in self._attempts(job, list(self._groups(ready))):
                    again = self._next_try(result)
                    if again is None or job.languages[result.window.recording].unknown:
                        done.append(_best(result))
                    else:
                        waiting.append(again)
                        self._doubt_language(job, result)
                unsure = self._unsure(job, done, spans)
                heard.append(beside.submit(self._heard_again, done, unsure))
        return _transcripts(job, [one for future in heard for one in future.result()])

    def _unsure(self, job: _Job, heard: list[_Heard], spans: list[list[Span]]) -> Sounds:
        """The wearer's English that Whisper is not sure of; `spans` are all windows."""
        settings = self.settings.second
        if settings is None:
            return {}
        sounds: Sounds = {}
        for place, one in enumerate(heard):
            recording = one.window.recording
            unsure = one.mean_log_probability < math.log(settings.below)
            english = job.languages[recording].code == "en"
            if one.reason is None and unsure and english and not one.window.far:
                wide = widened(one.window.span, spans[recording], settings.margin_s)
                if wide.end_s - wide.start_s <= settings.longest_s:
                    sounds[place] = _cut(job.samples[recording], wide)
        return sounds

    def _heard_again(self, heard: list[_Heard], sounds: Sounds) -> list[_Heard]:
        if self._second is not None and sounds:
            found = self._second(list(sounds.values()))
            for place, again in zip(sounds, found, strict=True):
                heard[place] = replace(heard[place], again=again)
        return heard

    def _windows(self, samples: Sequence[NDArray[np.float32]]) -> Iterator[_Window]:
        for recording, probabilities in enumerate(self._vad(samples)):
            speech = speech_spans(probabilities, self.settings.vad)
            far = far_speech(samples[recording], speech, self.settings.distance)
            duration_s = len(samples[recording]) / SAMPLE_RATE
            for planned in plan_windows(speech, far, duration_s, self.settings.windows):
                yield _Window(recording, planned.span, planned.speech_s, planned.far)

    def _shape(self, window: _Window) -> Shape:
        duration_s = window.span.end_s - window.span.start_s
        return window_shape(duration_s, window.attempt, self.settings.windows)

    def _groups(self, windows: Sequence[_Window]) -> Iterator[list[_Window]]:
        """Windows of one attempt with as many positions, as many as a batch may hold."""

        def key(window: _Window) -> tuple[int, int]:
            return window.attempt, self._shape(window).positions

        group: list[_Window] = []
        most = 1
        for window in sorted(windows, key=lambda w: (*key(w), w.speech_s)):
            if group and (len(group) >= most or key(window) != key(group[0])):
                yield group
                group = []
            held = max(2, self.settings.batch_positions // key(window)[1] // 2 * 2)  # even: Memory
            most = max(1, min(self.settings.batch_rows, held)) * self._batches
            group.append(window)
        if group:
            yield group

    def _attempts(self, job: _Job, groups: Sequence[Sequence[_Window]]) -> list[_Heard]:
        """Hear each group once, as many at a time as there are lanes, the longest first."""
        with ThreadPoolExecutor(self._lanes, "lane") as lanes:
            results = list(lanes.map(lambda group: self._attempt(job, group), reversed(groups)))
        return [heard for result in reversed(results) for heard in result]

    def _attempt(self, job: _Job, group: Sequence[_Window]) -> list[_Heard]:
        """Hear windows of one shape once."""
        model = self._whisper
        powers = [
            power_spectrum(_cut(job.samples[w.recording], w.span), self._shape(w).frames)
            for w in group
        ]
        cross = model.encode(powers, self._shape(group[0]).positions)
        opening = open_windows(model, cross, len(group))
        for row, window in enumerate(group):
            if window.recording not in job.languages:
                job.languages[window.recording] = choose_language(
                    opening.languages[row],
                    list(model.languages),
                    job.spoken[window.recording],
                    window.speech_s,
                    self.settings.languages,
                )
        codes = [job.languages[w.recording].code for w in group]
        prompts = [model.prompt(code, model.tokens.transcribe) for code in codes]
        hot = group[0].attempt - _CONTEXTS
        temperature = self.settings.temperatures[hot] if hot >= 0 else 0.0
        results = self._decoded(cross, opening, prompts, group, codes, temperature)
        heard = [
            self._judged(window, decoded, float(no_speech))
            for window, decoded, no_speech in zip(group, results, opening.no_speech, strict=True)
        ]
        return self._in_english(heard, codes, cross, opening)

    def _decoded(
        self,
        cross: Memory,
        opening: Opening,
        prompts: Sequence[Sequence[int]],
        windows: Sequence[_Window],
        codes: Sequence[str],
        temperature: float = 0.0,
    ) -> list[Decoded]:
        """Texts of windows, to be written in the languages of `codes`."""
        limits = [most_tokens(w.speech_s, self.settings.guards) for w in windows]
        if self.settings.beam > 1 and temperature == 0:
            wordings = [self._wording if code == "en" else None for code in codes]
            again = self.settings.beam_again if windows[0].attempt else 0
            width = max(self.settings.beam, again)
            return decode_beams(self._whisper, cross, opening, prompts, limits, width, wordings)
        return decode(self._whisper, cross, opening, prompts, limits, temperature)

    def _judged(self, window: _Window, decoded: Decoded, no_speech: float) -> _Heard:
        text = self._whisper.text(decoded.tokens)
        reason = fault(decoded, text, no_speech, self.settings.guards)
        return _Heard(window, text, decoded.mean_log_probability, reason)

    def _in_english(
        self, heard: list[_Heard], codes: Sequence[str], cross: Memory, opening: Opening
    ) -> list[_Heard]:
        """Add Whisper's translation where good words are not English."""
        model = self._whisper
        foreign = [row for row, h in enumerate(heard) if h.reason is None and codes[row] != "en"]
        if not foreign or not self.settings.translate or not model.languages:
            return heard
        results = self._decoded(
            model.keep_rows(cross, foreign),
            replace(opening, past=model.keep_rows(opening.past, foreign)),
            [model.prompt(codes[row], model.tokens.translate) for row in foreign],
            [heard[row].window for row in foreign],
            ["en"] * len(foreign),
        )
        for row, decoded in zip(foreign, results, strict=True):
            if self._judged(heard[row].window, decoded, 0.0).reason is None:
                heard[row] = replace(heard[row], english=model.text(decoded.tokens))
        return heard

    def _doubt_language(self, job: _Job, heard: _Heard) -> None:
        """Accented English may pass for Dutch: what fails its guards in a language that nobody
        named is heard again in the default language."""
        recording, settings = heard.window.recording, self.settings.languages
        named = settings.language or job.spoken[recording]
        other = doubted(job.languages[recording], settings)
        if heard.reason and heard.window.attempt == 0 and other is not None and not named:
            job.languages[recording] = other

    def _next_try(self, heard: _Heard) -> _Window | None:
        """The window to hear again, or None: the words are good, or no try is left."""
        window, guards = heard.window, self.settings.guards
        good = heard.reason is None and heard.mean_log_probability >= guards.sure_log_probability
        tries = _CONTEXTS + len(self.settings.temperatures)
        # Words that pass, but barely, get one more try with more context: the likelier text wins.
        enough = window.attempt + 1 >= (2 if _best(heard).reason is None else tries)
        if good or enough:
            return None
        best = _best(heard)
        return replace(
            window, attempt=window.attempt + 1, best=best if best.reason is None else None
        )


def _best(heard: _Heard) -> _Heard:
    """The likelier of this try and the best before it."""
    before = heard.window.best
    if before is None or (
        heard.reason is None and heard.mean_log_probability > before.mean_log_probability
    ):
        return heard
    return before


def _ready(waiting: Sequence[_Window], job: _Job) -> tuple[list[_Window], list[_Window]]:
    """(to hear now, to hear later): of a recording whose language isn't known, the longest window
    goes first."""
    leads: dict[int, _Window] = {}
    for window in waiting:
        lead = leads.get(window.recording)
        if lead is None or window.speech_s > lead.speech_s:
            leads[window.recording] = window
    now: list[_Window] = []
    later: list[_Window] = []
    for window in waiting:
        known = window.recording in job.languages or leads[window.recording] is window
        (now if known else later).append(window)
    return now, later


def _cut(samples: NDArray[np.float32], span: Span) -> NDArray[np.float32]:
    return samples[round(span.start_s * SAMPLE_RATE) : round(span.end_s * SAMPLE_RATE)]


def _transcripts(job: _Job, heard: Sequence[_Heard]) -> list[Transcript]:
    by_recording: list[list[_Heard]] = [[] for _ in job.samples]
    for result in sorted(heard, key=lambda h: h.window.span.start_s):
        by_recording[result.window.recording].append(result)
    return [
        _transcript(results, job.languages.get(recording))
        for recording, results in enumerate(by_recording)
    ]


def _transcript(results: Sequence[_Heard], language: Language | None) -> Transcript:
    utterances, dropped = [], []
    least = language.least_log_probability if language is not None else 0.0
    for result in results:
        span = result.window.span
        if result.reason is None and result.mean_log_probability >= least:
            utterances.append(
                Utterance(
                    span.start_s,
                    span.end_s,
                    result.text,
                    result.mean_log_probability,
                    speaker="bystander" if result.window.far else "wearer",
                    english=result.english,
                    again=result.again,
                )
            )
        else:
            unsure = language is not None and not language.sure
            reason = "language_uncertain" if unsure or result.reason is None else result.reason
            dropped.append(Dropped(span.start_s, span.end_s, reason))
    spoken = language if utterances else None
    return Transcript(
        spoken.code if spoken else None,
        tuple(utterances),
        tuple(dropped),
        spoken.probability if spoken else None,
    )
