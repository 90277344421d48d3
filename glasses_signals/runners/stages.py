"""Single stages over files or texts, for people who want only one: a JSON-ready line per input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from glasses_signals.interests.label_mapper import LabelVerdict, label_mapper
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.interests.verdicts import TextVerdicts, Verdict, first_reason
from glasses_signals.media.pool import DecodePool, DecodeTask
from glasses_signals.policy.policy import load_policy
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import Image, ItemKind, Label, MappedInterest, Transcript
from glasses_signals.runners.judge import printed_interests, printed_reasons, texts_in_picture
from glasses_signals.speech.transcriber import SpeechSettings, Transcriber
from glasses_signals.uploads.bundles import MEDIA_KINDS
from glasses_signals.vision.ocr import TextReader, decode_settings
from glasses_signals.vision.tagger import Tagger, VisionSettings

BATCH_FILES = 64
BATCH_TEXTS = 1024

Line = dict[str, Any]


def transcribe_files(
    files: Sequence[Path], settings: SpeechSettings, decode_workers: int = 2
) -> Iterator[Line]:
    """One line a sound or video file, in order; `error` in place of a transcript for a bad one."""
    with DecodePool(decode_workers) as pool:  # workers start while the models load
        transcriber = Transcriber(settings)
        tasks = (DecodeTask(str(i), str(file), "voice") for i, file in enumerate(files))
        for batch in _batches(pool.decode(tasks), BATCH_FILES):
            good = [result for result in batch if result.waveform is not None]
            transcripts = transcriber.transcribe(
                [r.waveform for r in good if r.waveform is not None]
            )
            by_key = {result.key: t for result, t in zip(good, transcripts, strict=True)}
            for result in batch:
                file = str(files[int(result.key)])
                if result.key in by_key:
                    yield {"file": file, **transcript_line(by_key[result.key])}
                else:
                    yield {"file": file, "error": result.error or "no sound in this file"}


def transcript_line(transcript: Transcript) -> Line:
    """`speaker` stands only on segments of bystanders, `english` only on translated ones, `again`
    (what a second recogniser heard) only on those that the first was not sure of."""
    return {
        "language": transcript.language,
        "text": transcript.text,
        "segments": [
            {
                "start_s": round(u.start_s, 2),
                "end_s": round(u.end_s, 2),
                "text": u.text,
                **({"speaker": u.speaker} if u.speaker != "wearer" else {}),
                **({"english": u.english} if u.english is not None else {}),
                **({"again": u.again.text} if u.again is not None else {}),
            }
            for u in transcript.utterances
        ],
        "dropped": [
            {"start_s": round(d.start_s, 2), "end_s": round(d.end_s, 2), "reason": d.reason}
            for d in transcript.dropped
        ],
    }


def tag_files(
    files: Sequence[Path],
    settings: VisionSettings,
    decode_workers: int = 2,
    policy: Path | None = None,
) -> Iterator[Line]:
    """One line a photo or video, in order; a video's labels are its frames' best ones.

    With a reader in the settings also `text`, each line of text in the picture once.
    """
    kinds = [MEDIA_KINDS.get(file.suffix.lower(), ItemKind.PHOTO) for file in files]
    reads = settings.reader is not None
    with DecodePool(decode_workers, decode_settings(reads)) as pool:  # start while models load
        tagger, mapper = Tagger(settings), label_mapper(settings.model, settings.labels)
        texts = _PictureTexts(settings, policy) if reads else None
        tasks = (
            DecodeTask(str(i), str(file), kind.value)
            for i, (file, kind) in enumerate(zip(files, kinds, strict=True))
        )
        for batch in _batches(pool.decode(tasks), BATCH_FILES):
            images = [result.pictures for result in batch]
            labels = iter(tagger.tag([image for found in images for image in found]))
            for result, found in zip(batch, images, strict=True):
                seen = list(islice(labels, len(found)))
                file = str(files[int(result.key)])
                if result.error is not None:
                    yield {"file": file, "error": result.error}
                elif not found:
                    yield {"file": file, "error": "no picture in this file"}
                else:
                    printed = texts(found) if texts is not None else None
                    yield {"file": file, **_tag_line(seen, [mapper.map(s) for s in seen], printed)}


@dataclass(frozen=True, slots=True)
class _Printed:
    """The lines of text in one file's pictures, and what they suggest."""

    lines: tuple[str, ...]
    verdict: Verdict


class _PictureTexts:
    """Reads the pictures of one file and judges their texts."""

    def __init__(self, settings: VisionSettings, policy: Path | None) -> None:
        self._reader = TextReader(str(settings.reader), settings.device, settings.threads)
        self._judge = TextVerdicts(load_policy(policy))

    def __call__(self, images: Sequence[Image]) -> _Printed:
        read = self._reader.read(images)
        wanted = [text for lines in read for text in texts_in_picture(lines)]
        verdicts = dict(zip(wanted, self._judge(wanted), strict=True)) if wanted else {}
        reasons = {v.excluded for v in verdicts.values() if v.excluded is not None}
        reasons.update(reason for lines in read for reason in printed_reasons(lines))
        return _Printed(
            lines=tuple(dict.fromkeys(line.text for lines in read for line in lines)),
            verdict=Verdict(
                interests=tuple(i for lines in read for i in printed_interests(lines, verdicts)),
                excluded=first_reason(reasons),
            ),
        )


def _tag_line(
    seen: Sequence[Sequence[Label]],
    verdicts: Sequence[LabelVerdict],
    printed: _Printed | None,
) -> Line:
    best: dict[str, Label] = {}
    for label in (label for labels in seen for label in labels):
        known = best.get(label.class_id)
        if known is None or known.probability < label.probability:
            best[label.class_id] = label
    reasons = [v.excluded for v in verdicts]
    interests = [i for v in verdicts for i in v.interests]
    if printed is not None:
        reasons.append(printed.verdict.excluded)
        interests += printed.verdict.interests
    excluded = first_reason(reasons)
    ordered = sorted(best.values(), key=lambda label: (-label.probability, label.class_id))
    return {
        "labels": [{"label": x.name, "probability": round(x.probability, 3)} for x in ordered],
        **({"text": list(printed.lines)} if printed is not None else {}),
        "interests": interest_lines(interests if excluded is None else ()),
        "excluded": excluded,
    }


def map_texts(texts: Iterable[str], policy: Path | None = None) -> Iterator[Line]:
    """One line a text, in order, `text_index` counting from 0."""
    judge = TextVerdicts(load_policy(policy))
    for batch in _batches(enumerate(texts), BATCH_TEXTS):
        verdicts = judge([text for _, text in batch])
        for (index, _), verdict in zip(batch, verdicts, strict=True):
            yield {
                "text_index": index,
                "interests": interest_lines(verdict.interests),
                "excluded": verdict.excluded,
            }


def interest_lines(interests: Iterable[MappedInterest]) -> list[Line]:
    """Each interest once, at its highest confidence, the surest first, without blocked nodes."""
    taxonomy = load_taxonomy()
    best: dict[str, MappedInterest] = {}
    for interest in interests:
        known = best.get(interest.interest_id)
        if known is None or known.confidence < interest.confidence:
            best[interest.interest_id] = interest
    ordered = sorted(best.values(), key=lambda i: (-i.confidence, int(i.interest_id)))
    return [
        {
            "id": interest.interest_id,
            "name": taxonomy.node(interest.interest_id).name,
            "path": list(taxonomy.node(interest.interest_id).path),
            "kind": str(interest.kind),
            "confidence": round(interest.confidence, 3),
        }
        for interest in ordered
        if interest.interest_id not in blocked_nodes()
    ]


def _batches(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
