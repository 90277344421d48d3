from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from glasses_signals.media.decode import DecodeLimits
from glasses_signals.media.pool import DecodePool, DecodeSettings, DecodeTask
from glasses_signals.models.manifest import manifests_dir

PHOTOS = sorted((manifests_dir() / "parity").glob("*.jpg"))


def photo_tasks(count: int) -> list[DecodeTask]:
    return [DecodeTask(str(i), str(PHOTOS[i % len(PHOTOS)]), "photo") for i in range(count)]


def test_results_come_in_the_order_of_the_tasks_with_the_hash_of_each_file() -> None:
    tasks = photo_tasks(40)
    with DecodePool(3) as pool:
        results = list(pool.decode(tasks))
    assert [result.key for result in results] == [task.key for task in tasks]
    assert [result.sha256 for result in results] == [
        hashlib.sha256(Path(task.path).read_bytes()).hexdigest() for task in tasks
    ]
    assert all(result.image is not None for result in results)


def test_a_file_that_cannot_be_decoded_is_one_error_among_results(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(PHOTOS[0].read_bytes()[:5000])
    tasks = [*photo_tasks(2), DecodeTask("broken", str(broken), "photo"), *photo_tasks(2)]
    with DecodePool(2) as pool:
        results = list(pool.decode(tasks))
    assert [result.error is None for result in results] == [True, True, False, True, True]
    assert "truncated" in str(results[2].error)
    assert results[2].sha256 == hashlib.sha256(broken.read_bytes()).hexdigest()


def test_killed_workers_lose_no_file() -> None:
    with DecodePool(2) as pool:
        results = pool.decode(photo_tasks(60))
        first = [next(results) for _ in range(5)]
        for one in list(pool._workers):
            one.process.kill()
        rest = list(results)
    assert [int(result.key) for result in first + rest] == list(range(60))
    assert all(result.error is None for result in first + rest)


def test_a_file_that_stalls_its_worker_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    stalling = tmp_path / "pipe.wav"
    os.mkfifo(stalling)
    settings = DecodeSettings(limits=DecodeLimits(voice_s=0.5))
    tasks = [DecodeTask("stalls", str(stalling), "voice"), *photo_tasks(6)]
    with DecodePool(2, settings) as pool:
        results = list(pool.decode(tasks))
    assert "decoding took over 0.5 s" in str(results[0].error)
    assert all(result.image is not None for result in results[1:])


def test_tasks_are_taken_only_a_little_ahead() -> None:
    taken = []

    def tasks():
        for task in photo_tasks(50):
            taken.append(task)
            yield task

    with DecodePool(1, look_ahead=4) as pool:
        results = pool.decode(tasks())
        for _ in range(3):
            next(results)
        assert len(taken) <= 7
        results.close()
        assert len(list(pool.decode(photo_tasks(3)))) == 3


def test_the_pool_is_only_usable_inside_its_with_block() -> None:
    with pytest.raises(RuntimeError, match="outside"):
        next(DecodePool(1).decode(photo_tasks(1)))
