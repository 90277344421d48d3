"""The records that flow: items -> waveforms and images -> observations -> evidence -> interests.

All times are timezone-aware UTC datetimes. Records are frozen; their arrays are never written to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Source(StrEnum):
    """The product a capture comes from, named as in an account's `linked_products`."""

    GLASSES = "glasses"
    CHAT = "chat"
    IMAGINE = "imagine"
    FEED = "feed"


class ItemKind(StrEnum):
    """What an upload is, as manifests say it; a photo or video may come with a text."""

    VOICE = "voice"
    PHOTO = "photo"
    VIDEO = "video"
    TEXT = "text"


class Modality(StrEnum):
    """How something was noticed: heard, seen in a photo or video, typed, read in a picture."""

    VOICE = "voice"
    PHOTO = "photo"
    VIDEO = "video"
    TEXT = "text"
    OCR = "ocr"


class InterestKind(StrEnum):
    """Which of the taxonomy's two trees a node is in: cares about it, or wants to buy it."""

    INTEREST = "interest"
    PURCHASE_INTENT = "purchase_intent"


class ItemState(StrEnum):
    """States of an item in the ledger."""

    DONE = "done"
    EXCLUDED = "excluded"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Account:
    """One account holder's settings. `None`: missing or malformed, which the gates take as a no."""

    account_id: str
    region: str | None
    linked_products: frozenset[str] | None
    notice_sent_at: datetime | None
    ads_opt_out: bool | None
    minor: bool | None
    languages: tuple[str, ...] = ()
    ads_opt_out_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One upload: a media file, a message, or both. `item_id` is unique over sources and runs."""

    item_id: str
    account_id: str
    source: Source
    kind: ItemKind
    captured_at: datetime
    ai_interaction: bool
    path: str | None = None  # of the media
    root: str | None = None  # the folder that `path`, links followed, must lie in
    text: str | None = None  # chat message, image prompt, caption
    declared_sha256: str | None = None
    watched_share: float | None = None  # feed only, 0..1


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono sound: `samples` float32 [N] in -1..1 at 16 kHz."""

    samples: NDArray[np.float32]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / 16_000


@dataclass(frozen=True, slots=True)
class Image:
    """An upright picture: `pixels` uint8 [H, W, 3] RGB; the full size is before any reduction."""

    pixels: NDArray[np.uint8]
    full_width: int
    full_height: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A video frame at `time_s` from the start."""

    image: Image
    time_s: float


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording, in seconds from its start."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a recogniser heard, and how sure it is, per token."""

    text: str
    mean_log_probability: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """Recognised speech. `text` is what was said, `english` its translation if not English, `again`
    what a second recogniser heard, where the first was not sure."""

    start_s: float
    end_s: float
    text: str
    mean_log_probability: float
    speaker: str = "wearer"  # or "bystander"
    english: str | None = None
    again: Hearing | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A stretch of a recording that gave nothing, and why."""

    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one recording. `language` is an ISO 639-1 code, with its probability 0..1;
    None when nothing was understood.
    """

    language: str | None
    utterances: tuple[Utterance, ...]
    dropped: tuple[Dropped, ...] = ()
    language_probability: float | None = None

    @property
    def text(self) -> str:
        """All that was said, by whomever."""
        return " ".join(u.text for u in self.utterances).strip()


@dataclass(frozen=True, slots=True)
class Label:
    """One class seen in a picture; `class_id` names it in the label table, e.g. `imagenet:920`."""

    class_id: str
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text read in a picture, 0..1 sure. Lines of one paragraph bear one number."""

    text: str
    confidence: float
    paragraph: int


@dataclass(frozen=True, slots=True)
class MappedInterest:
    """A taxonomy node that one text or picture suggests, with a calibrated probability 0..1."""

    interest_id: str
    kind: InterestKind
    confidence: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an interest is held. `rule` names the mapper and what fired it: a label name, or `text`.

    Never holds words that were said, written or read.
    """

    account_id: str
    item_id: str
    interest_id: str
    kind: InterestKind
    source: Source
    modality: Modality
    captured_at: datetime
    confidence: float
    rule: str
    labels: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Interest:
    """One line of a profile: an interest as of a moment, aggregated over its evidence.

    `score` is strength now (it decays), `confidence` the probability that it is right; both 0..1.
    """

    interest_id: str
    kind: InterestKind
    score: float
    confidence: float
    first_seen: datetime
    last_seen: datetime
    expires_at: datetime
    evidence_count: int
    sources: tuple[tuple[str, int], ...]  # sorted (source, count)
    modalities: tuple[tuple[str, int], ...]  # sorted (modality, count)
