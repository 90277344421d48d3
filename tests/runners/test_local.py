"""How much of a unit a decoded item fills, and which thread gives way to which."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from glasses_signals.media.pool import DecodeResult
from glasses_signals.records import Account, Frame, Image, Item, ItemKind, Source, Waveform
from glasses_signals.runners.admission import Admitted
from glasses_signals.runners.local import (
    NICER,
    UNIT_AUDIO_S,
    UNIT_BYTES,
    UNIT_PHOTOS,
    _weight,
    give_way,
)
from glasses_signals.runners.units import UNIT_TEXTS

UNIT_ITEMS = 128
SMALL = Image(np.zeros((2, 2, 3), np.uint8), 2, 2)
LARGE = Image(np.zeros((UNIT_BYTES // 8 // 3, 1, 3), np.uint8), 1, UNIT_BYTES // 8 // 3)


def priority_of_a_child() -> int:
    with ThreadPoolExecutor(1) as child:
        thread = child.submit(threading.get_native_id)
        return os.getpriority(os.PRIO_PROCESS, thread.result())


@pytest.mark.parametrize("times", [1, 9])
def test_a_thread_that_gives_way_takes_its_children_along_and_no_other(times: int) -> None:
    mine = threading.get_native_id()
    before = os.getpriority(os.PRIO_PROCESS, mine)
    with ThreadPoolExecutor(1) as beside:
        for _ in range(times):
            beside.submit(give_way).result()
        lowered = beside.submit(priority_of_a_child).result()
    assert lowered == min(19, before + times * NICER)
    assert os.getpriority(os.PRIO_PROCESS, mine) == before


def sound(seconds: float) -> Waveform:
    return Waveform(np.zeros(int(16_000 * seconds), np.float32))


@pytest.mark.parametrize(
    ("kind", "media", "expected"),
    [
        (ItemKind.TEXT, DecodeResult("i"), 1 / UNIT_TEXTS),
        (ItemKind.PHOTO, DecodeResult("i", image=SMALL), 1 / UNIT_PHOTOS),
        (ItemKind.PHOTO, DecodeResult("i", image=LARGE), UNIT_ITEMS / 8),
        (ItemKind.VOICE, DecodeResult("i", waveform=sound(2)), 1.0),
        (ItemKind.VOICE, DecodeResult("i", waveform=sound(UNIT_AUDIO_S / 4)), UNIT_ITEMS / 4),
        (ItemKind.VOICE, DecodeResult("i", error="a reason"), 1.0),
        (ItemKind.VIDEO, DecodeResult("i", frames=(Frame(SMALL, 0.0),)), 1.0),
        (ItemKind.VIDEO, DecodeResult("i", frames=(Frame(LARGE, 0.0),) * 4), UNIT_ITEMS / 2),
    ],
)
def test_an_item_fills_a_unit_by_its_work_or_its_memory(
    kind: ItemKind, media: DecodeResult, expected: float
) -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    path = None if kind is ItemKind.TEXT else "a"
    item = Item("i", "a", Source.CHAT, kind, moment, ai_interaction=True, path=path)
    account = Account("a", "US", frozenset(), moment, ads_opt_out=False, minor=False)
    arrival = Admitted(item, account, "f"), media
    assert _weight(UNIT_ITEMS, arrival) == pytest.approx(expected, rel=1e-6)
