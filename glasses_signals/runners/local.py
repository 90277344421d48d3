"""The runner on one machine: decode workers ahead in their own processes, models in this one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from glasses_signals.media.pool import DecodePool, DecodeResult, DecodeTask
from glasses_signals.records import Item
from glasses_signals.runners.admission import Admitted
from glasses_signals.runners.units import UnitOperator, UnitResult
from glasses_signals.uploads.local import Fetched, LocalUploads

if TYPE_CHECKING:
    from glasses_signals.uploads.remote import RemoteUploads

Uploads: TypeAlias = "LocalUploads | RemoteUploads"

UNIT_AUDIO_S = 600.0  # about 40 MB of samples


def run_locally(
    admitted: Iterator[Admitted],
    place: Uploads,
    operator: UnitOperator,
    unit_items: int,
    decode_workers: int,
) -> Iterator[UnitResult]:
    """Fetch and decode ahead, gather units, and finish them one by one, in the order of arrival."""
    unit: list[tuple[Admitted, DecodeResult]] = []
    with DecodePool(decode_workers) as pool:
        for arrival in decoded(admitted, place, pool):
            unit.append(arrival)
            if len(unit) >= unit_items or _audio_s(unit) >= UNIT_AUDIO_S:
                yield operator(unit)
                unit = []
        if unit:
            yield operator(unit)


def decoded(
    admitted: Iterable[Admitted], place: Uploads, pool: DecodePool
) -> Iterator[tuple[Admitted, DecodeResult]]:
    """Each item with its decoded media, in order."""
    sent: deque[tuple[Admitted, Fetched | None]] = deque()
    fetched = place.fetch(admitted, lambda entry: entry.item)
    for media in pool.decode(_decode_tasks(fetched, sent)):
        entry, file = sent.popleft()
        if file is not None:
            media = _placed(file, media)
            place.release(file)
        yield entry, media


def _audio_s(unit: list[tuple[Admitted, DecodeResult]]) -> float:
    return sum(media.waveform.duration_s for _, media in unit if media.waveform is not None)


def _decode_tasks(
    fetched: Iterable[tuple[Admitted, Fetched | None]],
    sent: deque[tuple[Admitted, Fetched | None]],
) -> Iterator[DecodeTask]:
    """A task an item, noted in `sent`: results come in the order of their tasks."""
    for entry, file in fetched:
        item: Item = entry.item
        sent.append((entry, file))
        if file is None or file.error is not None:
            yield DecodeTask(item.item_id, "", "text")
        else:
            yield DecodeTask(item.item_id, str(file.path), item.kind.value)


def _placed(file: Fetched, media: DecodeResult) -> DecodeResult:
    """The result with the reason of a failure, told without the place of the fetched copy."""
    if file.error is not None:
        return replace(media, error=file.error)
    if media.error is not None:
        return replace(media, error=media.error.removeprefix(f"{file.path}: "))
    return media
