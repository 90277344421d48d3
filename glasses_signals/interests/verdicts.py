"""From texts to verdicts: language check, sensitive gate, then the mapper."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from glasses_signals.interests.text_mapper import TextMapper
from glasses_signals.models.sessions import default_threads
from glasses_signals.policy.policy import Policy
from glasses_signals.policy.sensitive import SensitiveGate
from glasses_signals.records import MappedInterest
from glasses_signals.text.encoder import EncoderSettings, TextEncoder
from glasses_signals.text.language import is_english

CHUNK_TEXTS = 64  # judged at a time: a batch or two of the encoder
MOST_LANES = 8  # of which one at a time is in Python, some of its time
MOST_KNOWN = 16_384  # verdicts that are kept for texts that come again, about 5 MB
LANGUAGE_UNSUPPORTED = "language_unsupported"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a text or picture suggests, or why nothing of it may be used. `harmless` is the
    probability that it touches no sensitive topic."""

    interests: tuple[MappedInterest, ...] = ()
    excluded: str | None = None  # "sensitive:<topic>" or "language_unsupported"
    harmless: float = 1.0


def first_reason(reasons: Iterable[str | None]) -> str | None:
    """Of the reasons why parts of an item are excluded, the one to give: sensitive topics first."""
    return min(
        (reason for reason in reasons if reason is not None),
        key=lambda reason: (not reason.startswith("sensitive:"), reason),
        default=None,
    )


class TextVerdicts:
    """Texts in, verdicts out. A text that the gate can't read is excluded, never guessed at."""

    def __init__(self, policy: Policy, encoder: EncoderSettings | None = None) -> None:
        encoder = encoder or EncoderSettings()
        # Each lane encodes on a core of its own while another looks words up, in Python.
        threads = encoder.threads or default_threads()
        self._lanes = min(threads, MOST_LANES)
        self._encoder = TextEncoder(replace(encoder, threads=threads // self._lanes))
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
        verdicts = dict.fromkeys(texts, Verdict(excluded=LANGUAGE_UNSUPPORTED))
        readable = sorted(filter(is_english, texts), key=len)  # fuller batches of each length
        chunks = [readable[i : i + CHUNK_TEXTS] for i in range(0, len(readable), CHUNK_TEXTS)]
        with ThreadPoolExecutor(self._lanes, "lane") as lanes:
            for chunk, judged in zip(chunks, lanes.map(self._judge, chunks), strict=True):
                verdicts.update(zip(chunk, judged, strict=True))
        return verdicts

    def _judge(self, texts: Sequence[str]) -> list[Verdict]:
        embeddings = self._encoder(texts)
        readings = self._gate.read(texts, embeddings, self._encoder)
        mapped = self._mapper.map(texts, embeddings)
        return [
            Verdict(interests, harmless=reading.harmless)
            if reading.topic is None
            else Verdict(excluded=f"sensitive:{reading.topic}")
            for reading, interests in zip(readings, mapped, strict=True)
        ]
