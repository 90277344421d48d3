"""A few telling frames of a video, at a small part of the cost of decoding it.

Keyframes decode alone, so only those that are wanted are decoded at all. Where a video has no
keyframe for long, the frames on the way to the wanted moment are decoded too, up to a budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from glasses_signals.errors import BadInput
from glasses_signals.records import Frame, Image

_THUMBNAIL = 16  # pixels a side: enough to tell scenes apart, too few to tell noise
_LOOKS_AT_LEAST = 4.0  # at a clip of under a minute, if it may use as many


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """How many frames to look at, and what it may cost.

    `side`: the short side of a frame in pixels. `max_between`: most frames decoded, in the whole
    video, only to reach a moment far from any keyframe. `duplicate_difference`: frames whose
    16 x 16 grey thumbnails differ less (mean absolute difference of 0..255) show the same thing.
    `max_pixels`: of a frame; 8K has 33 million. The values are chosen, not measured.
    """

    frames_per_minute: float = 12.0
    max_frames: int = 60
    max_between: int = 600
    side: int = 384
    duplicate_difference: float = 6.0
    max_pixels: int = 40_000_000
    threads: int = 1


@dataclass(frozen=True, slots=True)
class _Visit:
    """Seek to the keyframe at `key` (stream ticks) and take the frames at or after each target."""

    key: int
    targets: tuple[int, ...]


def sample_frames(path: str | Path, settings: VideoSettings | None = None) -> list[Frame]:
    """Upright, distinct frames in time order, at most `frames_per_minute` of them a minute.

    What comes before damage in the file is used. BadInput when not one frame can be decoded.
    """
    settings = settings or VideoSettings()
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise BadInput(f"{path}: no video stream")
            stream = container.streams.video[0]
            _refuse_bomb(stream, path, settings)
            frames = list(_distinct(_sampled(container, stream, settings), settings))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise BadInput(f"{path}: not a video that can be decoded: {error}") from None
    if not frames:
        raise BadInput(f"{path}: no frame of the video can be decoded")
    return frames


def _refuse_bomb(stream: Any, path: str | Path, settings: VideoSettings) -> None:
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > settings.max_pixels:
        raise BadInput(
            f"{path}: frames of {width} x {height} pixels are over the limit of "
            f"{settings.max_pixels:,}; not decoded"
        )


def _sampled(container: Any, stream: Any, settings: VideoSettings) -> Iterator[Frame]:
    context = stream.codec_context
    context.thread_count = settings.threads
    context.options = {"skip_loop_filter": "all"}
    keys, end = _keyframes(container, stream)
    if not keys:
        return
    tick_s = float(stream.time_base)
    budget = settings.max_between
    for visit in _plan(keys, end, tick_s, settings):
        try:
            container.seek(visit.key, stream=stream, backward=True, any_frame=False)
            if visit.targets == (visit.key,):
                found = _keyframe(container, stream, visit.key)
            else:
                found, spent = _walk(container, stream, visit.targets, budget)
                budget -= spent
        except av.error.FFmpegError:
            continue  # damage here says nothing about the frames elsewhere
        for frame in found:
            yield Frame(_image(frame, settings), round((frame.pts - keys[0]) * tick_s, 3))


def _keyframes(container: Any, stream: Any) -> tuple[list[int], int]:
    """Timestamps of all keyframes and the end of the video, in stream ticks, without decoding."""
    keys: list[int] = []
    end = 0
    try:
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            end = max(end, packet.pts + (packet.duration or 0))
            if packet.is_keyframe:
                keys.append(packet.pts)
    except av.error.FFmpegError:
        pass  # a broken tail: what came before stands
    return sorted(keys), end


def _plan(keys: Sequence[int], end: int, tick_s: float, settings: VideoSettings) -> list[_Visit]:
    """Which keyframes to visit, and where to walk on from one because the next is too far off."""
    gap_s = 60.0 / settings.frames_per_minute
    duration_s = (end - keys[0]) * tick_s
    # A short clip may use up its minute's frames: a few looks tell more than one.
    looks = max(1.0, min(_LOOKS_AT_LEAST, settings.frames_per_minute))
    gap = max(1, round(min(gap_s, max(1.0, duration_s / looks)) / tick_s))
    gap = max(gap, (end - keys[0]) // settings.max_frames)
    visits: list[_Visit] = []
    wanted = keys[0]
    for key, following in pairwise([*keys, end]):
        targets = [key] if key >= wanted else []
        if targets:
            wanted = key + gap
        # Walking costs many frames: worth it only when nothing else shows this stretch.
        if following - max(key, wanted - gap) > 2 * gap:
            inside = range(max(wanted, key + 1), following - gap // 2, gap)
            targets.extend(inside)
            if inside:
                wanted = inside[-1] + gap
        if targets:
            visits.append(_Visit(key, tuple(targets)))
    return visits


def _keyframe(container: Any, stream: Any, key: int) -> list[Any]:
    """The frame of one keyframe's packet, decoded without its neighbours."""
    context = stream.codec_context
    for packet in container.demux(stream):
        if packet.is_keyframe and packet.pts is not None and packet.pts >= key:
            frames = [*context.decode(packet), *context.decode(None)]
            context.flush_buffers()
            return [frame for frame in frames if not frame.is_corrupt][:1]
    return []


def _walk(
    container: Any, stream: Any, targets: Sequence[int], budget: int
) -> tuple[list[Any], int]:
    """Decode on from the keyframe sought, keeping the first frame at or after each target."""
    found: list[Any] = []
    waiting = list(targets)
    spent = 0
    context = stream.codec_context
    context.skip_frame = "NONREF"
    try:
        for frame in container.decode(stream):
            spent += 1
            if frame.pts is not None and frame.pts >= waiting[0] and not frame.is_corrupt:
                found.append(frame)
                waiting = [target for target in waiting if target > frame.pts]
            if not waiting or spent >= budget:
                break
    except av.error.FFmpegError:
        pass  # a broken tail: what was found stands
    finally:
        context.skip_frame = "DEFAULT"
        context.flush_buffers()
    return found, spent


def _image(frame: Any, settings: VideoSettings) -> Image:
    """The frame scaled to `side`, upright (its display matrix says the turn, in degrees)."""
    scale = min(1.0, settings.side / min(frame.width, frame.height))
    small = frame.reformat(
        width=max(1, round(frame.width * scale)),
        height=max(1, round(frame.height * scale)),
        format="rgb24",
        interpolation="AREA",
    )
    quarter_turns = round(frame.rotation / 90) % 4
    pixels = np.ascontiguousarray(np.rot90(small.to_ndarray(), quarter_turns))
    full = (frame.width, frame.height)[:: -1 if quarter_turns % 2 else 1]
    return Image(pixels, *full)


def _distinct(frames: Iterator[Frame], settings: VideoSettings) -> Iterator[Frame]:
    seen: list[NDArray[np.float32]] = []
    for frame in frames:
        thumbnail = _thumbnail(frame.image.pixels)
        if all(np.abs(thumbnail - old).mean() >= settings.duplicate_difference for old in seen):
            seen.append(thumbnail)
            yield frame


def _thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey means over a 16 x 16 grid, float32 [16, 16] in 0..255."""
    rows = np.linspace(0, pixels.shape[0], _THUMBNAIL, endpoint=False).astype(int)
    columns = np.linspace(0, pixels.shape[1], _THUMBNAIL, endpoint=False).astype(int)
    red, green, blue = (pixels[..., colour].astype(np.uint16) for colour in range(3))
    grey = (red + green + blue).astype(np.float32) / np.float32(3)  # `mean` takes eight times that
    sums = np.add.reduceat(np.add.reduceat(grey, rows, axis=0), columns, axis=1)
    area = np.outer(np.diff([*rows, grey.shape[0]]), np.diff([*columns, grey.shape[1]]))
    thumbnail: NDArray[np.float32] = (sums / np.maximum(area, 1)).astype(np.float32)
    return thumbnail
