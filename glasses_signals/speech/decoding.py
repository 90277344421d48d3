"""Batched decoding over one group of windows of equal length: language first, then tokens.

Rows never mix: what a row gives does not depend on its neighbours. Finished rows leave the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasses_signals.models.sessions import DeviceArray
from glasses_signals.models.softmax import softmax
from glasses_signals.speech.model import Memory, Step, WhisperModel

COMPACT_BELOW = 0.7  # of the rows still going: copying the rest is cheaper than carrying all


@dataclass(frozen=True, slots=True)
class Opening:
    """What Whisper says of windows before any word: B rows.

    `languages` [B, number of languages] and `no_speech` [B] are probabilities.
    """

    languages: NDArray[np.float32]
    no_speech: NDArray[np.float32]
    past: Memory


@dataclass(frozen=True, slots=True)
class Decoded:
    """One window's tokens without the end token. `finished`: the end token came by itself."""

    tokens: tuple[int, ...]
    mean_log_probability: float
    finished: bool


def open_windows(model: WhisperModel, cross: Memory, rows: int) -> Opening:
    """First decoder step: language and no-speech probabilities of each row."""
    tokens = np.full((rows, 1), model.tokens.start, np.int64)
    step = model.step(tokens, model.bias, model.no_past(rows), cross)
    logits = step.logits.numpy()[:rows]
    language_tokens = list(model.languages.values())
    languages = softmax(logits[:, language_tokens]) if language_tokens else logits[:, :0]
    return Opening(languages, softmax(logits)[:, model.tokens.no_speech], step.past)


def decode(
    model: WhisperModel,
    cross: Memory,
    opening: Opening,
    prompts: Sequence[Sequence[int]],
    most_tokens: Sequence[int],
    temperature: float = 0.0,
) -> list[Decoded]:
    """Text of each row by its likeliest tokens, or drawn at `temperature`.

    `prompts` are the tokens after the start token (language, task, no timestamps), all of one
    length; a row stops at the end token or after its share of `most_tokens`.
    """
    rows = len(prompts)
    draw = [np.random.default_rng(0) for _ in range(rows)]  # own source: neighbours change nothing
    tokens: list[list[int]] = [[] for _ in range(rows)]
    sums = np.zeros(rows)
    finished = [False] * rows
    active = list(range(rows))
    fed = np.array(prompts, np.int64).reshape(rows, -1)
    past, bias = opening.past, model.first_bias
    while active:
        step = model.step(fed, bias, past, cross)
        chosen, log_probabilities = _choose(step, bias, temperature, [draw[row] for row in active])
        keep = []
        for position, row in enumerate(active):
            token = int(chosen[position])
            if finished[row] or len(tokens[row]) >= most_tokens[row]:
                continue  # already over, still carried along
            sums[row] += log_probabilities[position]
            if token == model.tokens.end:
                finished[row] = True
            else:
                tokens[row].append(token)
                if len(tokens[row]) < most_tokens[row]:
                    keep.append(position)
        past, bias, fed = step.past, model.bias, chosen[:, None]
        if not keep:
            break
        if len(keep) <= COMPACT_BELOW * len(active):
            active = [active[position] for position in keep]
            past, cross = model.keep_rows(past, keep), model.keep_rows(cross, keep)
            fed = fed[keep]
    return [
        Decoded(tuple(t), float(s) / (len(t) + 1), f)
        for t, s, f in zip(tokens, sums, finished, strict=True)
    ]


def _choose(
    step: Step,
    bias: DeviceArray,
    temperature: float,
    draws: Sequence[np.random.Generator],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Next token of each row and its log-probability."""
    if temperature == 0:
        return step.token[:, 0], step.log_probability[:, 0]
    logits = step.logits.numpy()[: len(draws)] + bias.numpy()
    noise = np.stack([draw.gumbel(size=logits.shape[1]) for draw in draws])
    token = (logits / temperature + noise).argmax(1)
    log_probability = np.log(softmax(logits)[np.arange(len(token)), token] + 1e-30)
    return token, log_probability
