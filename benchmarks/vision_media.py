"""What the vision benchmark looks at: the evaluation photos, enlarged, and videos made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sets import EVAL

BIG = (3024, 4032)
VIDEO_SECONDS = 60
PHOTO_FRAMES = 180  # that one photo is shown for in the video
SPEECH_SECONDS = 20
CLIPS = 10


def eval_photos() -> tuple[list[str], list[int]]:
    """Evaluation photos and their true classes."""
    from glasses_signals.tsv import read_tsv

    rows = list(read_tsv(EVAL / "photos_dev.tsv"))
    return [str(EVAL / "photos_dev" / row["file"]) for row in rows], [int(r["index"]) for r in rows]


def enlarged_photos(files: Sequence[str], folder: Path) -> list[str]:
    """12-megapixel JPEGs of the photos: enlarged to cover 3024 x 4032, the middle cut out."""
    import cv2

    width, height = BIG
    made = []
    for name in files:
        photo = cv2.imread(name)
        scale = max(width / photo.shape[1], height / photo.shape[0])
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
        path = folder / f"{Path(name).stem}.jpg"
        cut = photo[top : top + height, left : left + width]
        cv2.imwrite(str(path), cut, [cv2.IMWRITE_JPEG_QUALITY, 90])
        made.append(str(path))
    return made


def panning_video(photos: Sequence[str], path: Path) -> str:
    """A minute of panning over photos: 1440 x 1920, 30 frames/s, a keyframe every 60 frames."""
    import av
    import cv2
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 1440, 1920, "yuv420p"
        stream.options = {"g": "60", "sc_threshold": "0", "crf": "23", "preset": "veryfast"}
        for index in range(VIDEO_SECONDS * 30):
            if index % PHOTO_FRAMES == 0:
                photo = cv2.resize(cv2.imread(photos[index // PHOTO_FRAMES]), (1640, 2120))
            shift = index % PHOTO_FRAMES
            cut = np.ascontiguousarray(photo[shift : shift + 1920, shift : shift + 1440, ::-1])
            frame = av.VideoFrame.from_ndarray(cut, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def speaking_videos(video: str, folder: Path) -> list[str]:
    """Copies of the video, each with its own speech: short recordings and silence, 16 kHz AAC."""
    import av
    import numpy as np

    from glasses_signals.media.audio import decode_audio

    recordings = iter(sorted((EVAL / "voice_dev").glob("*.flac")))
    made = []
    for clip in range(CLIPS):
        sound = np.zeros((1, VIDEO_SECONDS * 16_000), np.float32)
        place, spoken = 8_000, 0
        while spoken < SPEECH_SECONDS * 16_000:
            samples = decode_audio(next(recordings)).samples[: sound.shape[1] - place]
            sound[0, place : place + len(samples)] = samples
            spoken += len(samples)
            place += 5 * len(samples) // 2
        path = folder / f"speaking{clip}.mp4"
        with av.open(video) as old, av.open(str(path), "w") as new:
            pictures = new.add_stream_from_template(old.streams.video[0])
            voice = new.add_stream("aac", rate=16_000, layout="mono")
            for packet in old.demux(video=0):
                if packet.dts is not None:
                    packet.stream = pictures
                    new.mux(packet)
            frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
            frame.sample_rate = 16_000
            new.mux(voice.encode(frame))
            new.mux(voice.encode(None))
        made.append(str(path))
    return made
