from __future__ import annotations

import hashlib
import os
from pathlib import Path

import av
import numpy as np
import PIL.Image
import psutil
import pytest

from glasses_signals.media.decode import DecodeLimits
from glasses_signals.media.pool import DecodePool, DecodeSettings, DecodeTask, _Run
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


@pytest.mark.parametrize("name", ["gone.jpg", "gone.wav"])
def test_a_file_that_is_gone_is_named_in_its_error(tmp_path: Path, name: str) -> None:
    kind = "photo" if name.endswith("jpg") else "voice"
    with DecodePool(1) as pool:
        (result,) = pool.decode([DecodeTask("gone", str(tmp_path / name), kind)])
    assert result.error == f"{tmp_path / name}: can't be read: No such file or directory"


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


def write_clip(path: Path, sound: bool) -> Path:
    """Three seconds of the cat, with a tone or without any sound."""
    pixels = np.asarray(PIL.Image.open(PHOTOS[0]).convert("RGB").resize((320, 240)))
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = container.add_stream("aac", rate=16_000) if sound else None
        for _ in range(30):
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode(None))
        if audio is not None:
            tone = np.sin(np.arange(48_000) * 0.17).astype(np.float32)[None] * 0.3
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize("sound", [True, False])
def test_a_video_gives_frames_and_its_sound_if_it_has_any(tmp_path: Path, sound: bool) -> None:
    clip = write_clip(tmp_path / "clip.mp4", sound)
    with DecodePool(1) as pool:
        (result,) = pool.decode([DecodeTask("clip", str(clip), "video")])
    assert result.error is None
    assert len(result.frames) == 1
    if sound:
        assert result.waveform is not None
        assert result.waveform.duration_s == pytest.approx(3, abs=0.2)
    else:
        assert result.waveform is None


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


def test_a_call_may_end_after_its_thread_has() -> None:
    """The thread sees that it is to end before it is woken for it."""
    with DecodePool(1) as pool:
        run = _Run(pool._workers, pool._start, DecodeSettings())
        run._finished = True
        run.serve()
        run.finish()
        run.close()


@pytest.mark.parametrize("with_file", [False, True])
def test_workers_wait_for_the_first_file(with_file: bool) -> None:
    before = set(psutil.Process().children())
    tasks = [DecodeTask(str(n), "", "text") for n in range(3)]
    if with_file:
        tasks.insert(1, DecodeTask("photo", str(PHOTOS[0]), "photo"))
    with DecodePool(2, at_once=False) as pool:
        results = list(pool.decode(tasks))
        started = set(psutil.Process().children()) - before
    assert [result.key for result in results] == [task.key for task in tasks]
    assert all(result.error is None for result in results)
    assert len(started) == (2 if with_file else 0)


def test_the_pool_is_only_usable_inside_its_with_block() -> None:
    with pytest.raises(RuntimeError, match="outside"):
        next(DecodePool(1).decode(photo_tasks(1)))
