from __future__ import annotations

import numpy as np

from glasses_signals.records import Waveform
from glasses_signals.speech.vad import FRAME_SAMPLES, VoiceActivity, speech_spans


def test_speech_is_found_where_it_is(recordings: dict[str, Waveform]) -> None:
    jfk = recordings["jfk"].samples
    gap = np.zeros(5 * 16_000, np.float32)
    [probabilities] = VoiceActivity()([np.concatenate([gap, jfk, gap])])
    spans = speech_spans(probabilities)
    assert 5.0 < spans[0].start_s < 6.0
    assert 15.0 < spans[-1].end_s < 16.2


def test_there_is_one_probability_per_started_window() -> None:
    lengths = (0, 1, FRAME_SAMPLES, FRAME_SAMPLES + 1)
    answers = VoiceActivity()([np.zeros(n, np.float32) for n in lengths])
    assert [len(a) for a in answers] == [0, 1, 1, 2]


def test_blocks_of_a_long_recording_join_seamlessly(recordings: dict[str, Waveform]) -> None:
    jfk = recordings["jfk"].samples
    repeated = np.tile(jfk, 4)  # over one block of windows
    [whole] = VoiceActivity()([repeated])
    [start] = VoiceActivity()([repeated[: 900 * FRAME_SAMPLES]])
    assert np.allclose(whole[:900], start, atol=1e-5)


def test_short_dips_do_not_end_speech_and_short_peaks_do_not_start_it() -> None:
    probabilities = np.array([0.0, 0.9] + [0.0] * 10 + [0.9] * 10 + [0.2] + [0.9] * 10, np.float32)
    [span] = speech_spans(probabilities)
    assert (round(span.start_s / 0.032), round(span.end_s / 0.032)) == (12, 33)
