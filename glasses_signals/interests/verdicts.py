"""From texts to verdicts: language check, sensitive gate, then the mapper."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from glasses_signals.interests.text_mapper import TextMapper
from glasses_signals.policy.policy import Policy
from glasses_signals.policy.sensitive import SensitiveGate
from glasses_signals.records import MappedInterest
from glasses_signals.text.encoder import EncoderSettings, TextEncoder
from glasses_signals.text.language import is_english

CHUNK_TEXTS = 256
MOST_KNOWN = 16_384  # verdicts that are kept for texts that come again, about 5 MB
LANGUAGE_UNSUPPORTED = "language_unsupported"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a text or picture suggests, or why nothing of it may be used. `harmless` is the
    probability that it touches no sensitive topic."""

    interests: tuple[MappedInterest, ...] = ()
    excluded: str | None = None  # "sensitive:<topic>" or "language_unsupported"
    harmless: float = 1.0


class TextVerdicts:
    """Texts in, verdicts out. A text that the gate can't read is excluded, never guessed at."""

    def __init__(self, policy: Policy, encoder: EncoderSettings | None = None) -> None:
        self._encoder = TextEncoder(encoder or EncoderSettings())
        self._gate = SensitiveGate(policy)
        self._mapper = TextMapper()
        self.models = dict(self._encoder.models)
        self._known: dict[bytes, Verdict] = {}  # by digest: no text is kept

    def __call__(self, texts: Sequence[str]) -> list[Verdict]:
        """One verdict a text, in order. Equal texts get equal verdicts, whatever their company,
        and are judged once, now or in a call not long ago."""
        digests = {
            text: hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            for text in texts
        }
        fresh = [text for text, digest in digests.items() if digest not in self._known]
        verdicts = {text: self._known[d] for text, d in digests.items() if d in self._known}
        verdicts.update(self._judged(fresh))
        self._known.update((digests[text], verdicts[text]) for text in fresh)
        for digest in list(islice(self._known, max(0, len(self._known) - MOST_KNOWN))):
            del self._known[digest]
        return [verdicts[text] for text in texts]

    def _judged(self, texts: Sequence[str]) -> dict[str, Verdict]:
        readable = [text for text in texts if is_english(text)]
        verdicts = dict.fromkeys(texts, Verdict(excluded=LANGUAGE_UNSUPPORTED))
        chunks = [readable[i : i + CHUNK_TEXTS] for i in range(0, len(readable), CHUNK_TEXTS)]
        with ThreadPoolExecutor(1) as ahead:  # encodes the next chunk while this one is judged
            for chunk, embeddings in zip(chunks, ahead.map(self._encoder, chunks), strict=True):
                verdicts.update(zip(chunk, self._judge(chunk, embeddings), strict=True))
        return verdicts

    def _judge(self, texts: Sequence[str], embeddings: NDArray[np.float32]) -> Iterator[Verdict]:
        readings = self._gate.read(texts, embeddings, self._encoder)
        mapped = self._mapper.map(texts, embeddings)
        for reading, interests in zip(readings, mapped, strict=True):
            if reading.topic is None:
                yield Verdict(interests, harmless=reading.harmless)
            else:
                yield Verdict(excluded=f"sensitive:{reading.topic}")
