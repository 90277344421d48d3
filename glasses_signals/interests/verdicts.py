"""From texts to verdicts: language check, sensitive gate, then the mapper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glasses_signals.interests.text_mapper import TextMapper
from glasses_signals.policy.policy import Policy
from glasses_signals.policy.sensitive import SensitiveGate
from glasses_signals.records import MappedInterest
from glasses_signals.text.encoder import EncoderSettings, TextEncoder
from glasses_signals.text.language import is_english

LANGUAGE_UNSUPPORTED = "language_unsupported"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a text or picture suggests, or why nothing of it may be used."""

    interests: tuple[MappedInterest, ...] = ()
    excluded: str | None = None  # "sensitive:<topic>" or "language_unsupported"


class TextVerdicts:
    """Texts in, verdicts out. A text that the gate can't read is excluded, never guessed at."""

    def __init__(self, policy: Policy, encoder: EncoderSettings | None = None) -> None:
        self._encoder = TextEncoder(encoder or EncoderSettings())
        self._gate = SensitiveGate(policy)
        self._mapper = TextMapper()
        self.models = dict(self._encoder.models)

    def __call__(self, texts: Sequence[str]) -> list[Verdict]:
        """One verdict a text, in order. Equal texts get equal verdicts, whatever their company."""
        unique = list(dict.fromkeys(texts))
        readable = [text for text in unique if is_english(text)]
        verdicts = dict.fromkeys(unique, Verdict(excluded=LANGUAGE_UNSUPPORTED))
        if readable:
            embeddings = self._encoder(readable)
            topics = self._gate.check(readable, embeddings, self._encoder)
            mapped = self._mapper.map(readable, embeddings)
            for text, topic, interests in zip(readable, topics, mapped, strict=True):
                verdicts[text] = (
                    Verdict(interests) if topic is None else Verdict(excluded=f"sensitive:{topic}")
                )
        return [verdicts[text] for text in texts]
