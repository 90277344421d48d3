"""Batched beam search, as openai-whisper's `BeamSearchDecoder` with patience 1 and no penalty.

Texts are compared by their tokens' log-probabilities, and by a little of how likely their wording
is (`speech/wording.py`; shallow fusion: Gulcehre et al., arXiv 1503.03535): on the way by the sum,
ended ones per token, or those that leave out the rest of a long window would win.

All windows search side by side in one batch; a window's beams share its encoder memory. What a
window gives does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from glasses_signals.speech.decoding import COMPACT_BELOW, Decoded, Opening
from glasses_signals.speech.model import Memory, WhisperModel
from glasses_signals.speech.wording import START_OF_TEXT, Said, Wording


@dataclass(frozen=True, slots=True)
class Beam:
    """A beginning of a text: `total` is the sum of its tokens' log-probabilities, the end token's
    included. `parent` is the beam of the step before that it continues, `said` what its words are
    worth beside that."""

    tokens: tuple[int, ...]
    total: float
    parent: int
    said: Said = START_OF_TEXT

    @property
    def rank(self) -> float:
        return self.total + self.said.worth


@dataclass(slots=True)
class Search:
    """One window's search. `beams` are always as many, likeliest first, from the first step on."""

    width: int
    most_tokens: int
    end: int
    wording: Wording | None = None
    beams: list[Beam] = field(default_factory=lambda: [Beam((), 0.0, 0)])
    finished: list[Beam] = field(default_factory=list)

    @property
    def over(self) -> bool:
        full = len(self.finished) >= self.width
        return full or len(self.beams[0].tokens) >= self.most_tokens

    def advance(self, tokens: NDArray[np.int64], log_probabilities: NDArray[np.float32]) -> None:
        """Take the likeliest continuations among each beam's likeliest tokens, int64 [beams, N]."""
        candidates = [
            self._continued(parent, token, log_probability)
            for parent in range(len(self.beams))
            for token, log_probability in zip(
                tokens[parent].tolist(), log_probabilities[parent].tolist(), strict=True
            )
        ]
        going: list[Beam] = []
        for beam in sorted(candidates, key=lambda b: (-b.rank, b.parent, b.tokens[-1])):
            if beam.tokens[-1] != self.end:
                going.append(beam)
                if len(going) == self.width:
                    break
            elif len(self.finished) < self.width:
                self.finished.append(replace(beam, tokens=beam.tokens[:-1]))
        self.beams = going

    def _continued(self, parent: int, token: int, log_probability: float) -> Beam:
        beam = self.beams[parent]
        said = self.wording.after(beam.said, token) if self.wording else beam.said
        return Beam((*beam.tokens, token), beam.total + log_probability, parent, said)

    def best(self) -> Decoded:
        """The likeliest finished text, per token; an unfinished one if there is no other."""
        chosen = max(self.finished or self.beams[:1], key=lambda b: b.rank / (len(b.tokens) + 1))
        mean = chosen.total / (len(chosen.tokens) + 1)
        return Decoded(chosen.tokens, mean, bool(self.finished))


def decode_beams(
    model: WhisperModel,
    cross: Memory,
    opening: Opening,
    prompts: Sequence[Sequence[int]],
    most_tokens: Sequence[int],
    width: int,
    wordings: Sequence[Wording | None] | None = None,
) -> list[Decoded]:
    """Text of each window by a search `width` beams wide; arguments as for `decode`. `wordings[i]`
    knows how what is said in window i is usually worded."""
    searches = [
        Search(width, most, model.tokens.end, wording)
        for most, wording in zip(most_tokens, wordings or [None] * len(prompts), strict=True)
    ]
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
