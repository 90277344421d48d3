"""The runner on one machine: decode workers ahead in their own processes, models in this one."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from glasses_signals.media.pool import DecodePool, DecodeResult, DecodeTask
from glasses_signals.records import Item
from glasses_signals.runners.admission import Admitted
from glasses_signals.runners.units import UnitOperator, UnitResult, gather, weight
from glasses_signals.uploads.local import Fetched
from glasses_signals.uploads.place import Uploads

UNIT_AUDIO_S = 600.0  # fills a unit by itself, as do so many bytes of decoded media
UNIT_BYTES = 128 << 20
NICER = 5  # about a quarter of a core where another thread wants it too
UNIT_PHOTOS = 4  # count as one item with sound: seeing costs less than hearing


def run_locally(
    admitted: Iterator[Admitted],
    place: Uploads,
    operator: UnitOperator,
    unit_items: int,
    decode_workers: int,
) -> Iterator[UnitResult]:
    """Finish units in the order of arrival. Stages work side by side: while files are fetched and
    decoded for a unit, the one before is recognised, and the one before that judged.
    """

    judged: Future[UnitResult] | None = None
    with (
        DecodePool(decode_workers, operator.decode_settings, at_once=False) as pool,
        ThreadPoolExecutor(1, "judge", give_way) as beside,
    ):
        weight_of = partial(_weight, unit_items)
        for unit in gather(decoded(admitted, place, pool), unit_items, weight_of):
            # In this thread, which an interrupt reaches, is what takes longest.
            recognised = operator.recognise(unit)
            unit.clear()  # its media, before the next ones gather
            before, judged = judged, beside.submit(operator.judge, recognised)
            if before is not None:
                yield before.result()
        if judged is not None:
            yield judged.result()


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


def give_way() -> None:
    """Lower the priority of this thread and of those that it will start, where threads have one:
    judging then fills the moments in which hearing leaves a core idle, rather than slow it down.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, now + NICER)  # 19 at most, says the kernel


def _weight(unit_items: int, arrival: tuple[Admitted, DecodeResult]) -> float:
    """How much of a unit an item fills once it is decoded, by what recognising it costs."""
    admitted, media = arrival
    items = 1 / UNIT_PHOTOS if media.image is not None else weight(admitted)
    audio_s = media.waveform.duration_s if media.waveform is not None else 0.0
    return max(items, unit_items * max(audio_s / UNIT_AUDIO_S, media.held_bytes / UNIT_BYTES))


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
