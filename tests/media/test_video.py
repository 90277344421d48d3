from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest

from glasses_signals.errors import BadInput
from glasses_signals.media.video import VideoSettings, sample_frames
from glasses_signals.models.manifest import manifests_dir

FRAMES_PER_S = 10


def scenes() -> list[np.ndarray]:
    """Three different pictures of 320 x 240."""
    folder = manifests_dir() / "parity"
    return [
        np.asarray(PIL.Image.open(folder / name).convert("RGB").resize((320, 240)))
        for name in ("cat.jpg", "coffee.jpg", "rocket.jpg")
    ]


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    seconds_each: float,
    keyframe_every: int = FRAMES_PER_S,
    codec: str = "libx264",
    rate: int = FRAMES_PER_S,
) -> Path:
    """Each picture stands still for its time. `keyframe_every` counts frames, `rate` a second's."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"g": str(keyframe_every), "sc_threshold": "0"}
        if codec == "libx265":
            parameters = f"keyint={keyframe_every}:scenecut=0:log-level=none"
            stream.options = {"preset": "ultrafast", "x265-params": parameters}
        for index in range(int(len(pictures) * seconds_each * rate)):
            picture = pictures[int(index / rate / seconds_each)]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shows(pixels: np.ndarray, picture: np.ndarray) -> bool:
    small = PIL.Image.fromarray(picture).resize((pixels.shape[1], pixels.shape[0]))
    return float(np.abs(pixels.astype(int) - np.asarray(small).astype(int)).mean()) < 15


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_each_scene_of_a_video_is_seen_once(tmp_path: Path, codec: str) -> None:
    pictures = scenes()
    path = write_video(tmp_path / "clip.mp4", pictures, seconds_each=10, codec=codec)
    frames = sample_frames(path)
    assert len(frames) == 3
    assert all(shows(f.image.pixels, p) for f, p in zip(frames, pictures, strict=True))
    assert [10 * i <= f.time_s < 10 * (i + 1) for i, f in enumerate(frames)] == [True] * 3


def test_frames_a_minute_are_limited(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", scenes() * 2, seconds_each=5)
    settings = VideoSettings(frames_per_minute=2, duplicate_difference=0)
    times = [frame.time_s for frame in sample_frames(path, settings)]
    assert times == [0.0, 15.0]


def test_a_video_with_a_single_keyframe_is_seen_throughout(tmp_path: Path) -> None:
    pictures = scenes()
    path = write_video(tmp_path / "clip.mp4", pictures, seconds_each=14, keyframe_every=10_000)
    frames = sample_frames(path)
    assert [shows(f.image.pixels, p) for f, p in zip(frames, pictures, strict=True)] == [True] * 3


def test_walking_far_from_a_keyframe_stops_at_the_budget(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", scenes(), seconds_each=14, keyframe_every=10_000)
    frames = sample_frames(path, VideoSettings(max_between=30, duplicate_difference=0))
    assert len(frames) < 4


def test_a_portrait_video_comes_out_upright(tmp_path: Path) -> None:
    picture = scenes()[0]
    path = write_video(tmp_path / "clip.mp4", [picture], seconds_each=2)
    turn_clockwise(path)
    (frame,) = sample_frames(path)
    assert (frame.image.full_width, frame.image.full_height) == (240, 320)
    assert shows(frame.image.pixels, np.rot90(picture, -1))


def turn_clockwise(path: Path) -> None:
    """Write a 90 degree display matrix into the track header (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    unity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 240 << 16, 0, 1 << 30)
    start = data.index(unity, data.index(b"tkhd"))
    data[start : start + len(turned)] = turned
    path.write_bytes(data)


def test_a_variable_frame_rate_shifts_nothing(tmp_path: Path) -> None:
    """Long stills between bursts: each picture is seen at the time it stands there."""
    pictures = scenes()
    path = tmp_path / "clip.mp4"
    moments = [
        *(i / 30 for i in range(60)),  # two seconds of the first picture, 30 frames each
        *(2 + i * 4 for i in range(4)),  # sixteen of the second, a frame every four
        *(18 + i / 10 for i in range(100)),  # ten of the third
    ]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = 240, 320, "yuv420p"
        stream.time_base = Fraction(1, 600)
        stream.codec_context.time_base = Fraction(1, 600)
        stream.options = {"g": "10", "sc_threshold": "0"}
        for moment in moments:
            picture = pictures[0 if moment < 2 else 1 if moment < 18 else 2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(moment * 600), Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = sample_frames(path)
    assert [shows(f.image.pixels, p) for f, p in zip(frames, pictures, strict=True)] == [True] * 3
    assert frames[0].time_s == 0
    assert 2 <= frames[1].time_s < 18 <= frames[2].time_s


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_long_clips_cost_no_more_frames_than_allowed(tmp_path: Path, codec: str) -> None:
    pictures = scenes() * 20
    path = write_video(tmp_path / "clip.mp4", pictures, 3, keyframe_every=6, codec=codec, rate=2)
    frames = sample_frames(path, VideoSettings(duplicate_difference=0))
    assert len(frames) <= 12 * 3 + 1


def test_a_broken_tail_of_an_mp4_costs_only_the_tail(tmp_path: Path) -> None:
    """With its index in front (as for streaming), half a file plays half the time."""
    pictures = scenes()
    plain = write_video(tmp_path / "plain.mp4", pictures, seconds_each=10)
    path = tmp_path / "clip.mp4"
    with (
        av.open(str(plain)) as old,
        av.open(str(path), "w", options={"movflags": "faststart"}) as new,
    ):
        copied = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                new.mux(packet)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = sample_frames(path)
    assert shows(frames[0].image.pixels, pictures[0])
    assert not any(shows(frame.image.pixels, pictures[2]) for frame in frames)


def test_a_broken_tail_costs_only_the_tail(tmp_path: Path) -> None:
    pictures = scenes()
    path = write_video(tmp_path / "clip.ts", pictures, seconds_each=10)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    frames = sample_frames(path)
    assert shows(frames[0].image.pixels, pictures[0])
    assert not any(shows(frame.image.pixels, pictures[2]) for frame in frames)


def test_a_video_without_an_index_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", scenes(), seconds_each=2)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadInput, match=r"clip\.mp4: not a video"):
        sample_frames(path)


def test_sound_alone_is_no_video() -> None:
    with pytest.raises(BadInput, match="no video stream"):
        sample_frames(manifests_dir() / "parity" / "jfk.wav")
