"""Batched beam search, as openai-whisper's `BeamSearchDecoder` with patience 1 and no penalty.

All windows search side by side in one batch; a window's beams share its encoder memory. What a
window gives does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glasses_signals.speech.decoding import COMPACT_BELOW, Decoded, Opening
from glasses_signals.speech.model import Memory, WhisperModel


@dataclass(frozen=True, slots=True)
class Beam:
    """A beginning of a text: `total` is the sum of its tokens' log-probabilities, the end token's
    included. `parent` is the beam of the step before that it continues."""

    tokens: tuple[int, ...]
    total: float
    parent: int


@dataclass(slots=True)
class Search:
    """One window's search. `beams` are always as many, likeliest first, from the first step on."""

    width: int
    most_tokens: int
    end: int
    beams: list[Beam] = field(default_factory=lambda: [Beam((), 0.0, 0)])
    finished: list[Beam] = field(default_factory=list)

    @property
    def over(self) -> bool:
        full = len(self.finished) >= self.width
        return full or len(self.beams[0].tokens) >= self.most_tokens

    def advance(self, tokens: NDArray[np.int64], log_probabilities: NDArray[np.float32]) -> None:
        """Take the likeliest continuations among each beam's likeliest tokens, int64 [beams, N]."""
        candidates = sorted(
            (-beam.total - float(log_probability), parent, int(token))
            for parent, beam in enumerate(self.beams)
            for token, log_probability in zip(
                tokens[parent], log_probabilities[parent], strict=True
            )
        )
        going: list[Beam] = []
        for negative, parent, token in candidates:
            before = self.beams[parent].tokens
            if token != self.end:
                going.append(Beam((*before, token), -negative, parent))
                if len(going) == self.width:
                    break
            elif len(self.finished) < self.width:
                self.finished.append(Beam(before, -negative, parent))
        self.beams = going

    def best(self) -> Decoded:
        """The finished text of the likeliest tokens on average; an unfinished one if there is no
        other."""
        chosen = max(self.finished or self.beams[:1], key=lambda b: b.total / max(len(b.tokens), 1))
        mean = chosen.total / (len(chosen.tokens) + 1)
        return Decoded(chosen.tokens, mean, bool(self.finished))


def decode_beams(
    model: WhisperModel,
    cross: Memory,
    opening: Opening,
    prompts: Sequence[Sequence[int]],
    most_tokens: Sequence[int],
    width: int,
) -> list[Decoded]:
    """Text of each window by a search `width` beams wide; arguments as for `decode`."""
    searches = [Search(width, most, model.tokens.end) for most in most_tokens]
    active = list(range(len(searches)))
    fed = np.array(prompts, np.int64).reshape(len(searches), -1)
    past, bias = opening.past, model.first_bias
    while active:
        step = model.step(fed, bias, past, cross, width + 1)
        shape = (len(active), -1, width + 1)
        tokens, log_probabilities = step.token.reshape(shape), step.log_probability.reshape(shape)
        keep = []
        for position, window in enumerate(active):
            search = searches[window]
            if search.over:
                continue  # carried along until enough others are over too
            search.advance(tokens[position], log_probabilities[position])
            if not search.over:
                keep.append(position)
        if not keep:
            break
        if len(keep) <= COMPACT_BELOW * len(active):
            cross = model.keep_rows(cross, keep)
        else:
            keep = list(range(len(active)))
        rows_each = tokens.shape[1]
        beams = [(position, beam) for position in keep for beam in searches[active[position]].beams]
        rows = [position * rows_each + beam.parent for position, beam in beams]
        past = model.keep_rows(step.past, rows, width)
        fed = np.array([beam.tokens[-1] for _, beam in beams], np.int64)[:, None]
        active = [active[position] for position in keep]
        bias = model.bias
    return [search.best() for search in searches]
