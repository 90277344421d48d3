"""Decodes one file of any kind: what a decode worker does, and the records that say so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from glasses_signals.errors import BadInput
from glasses_signals.media.photo import PhotoSettings, decode_photo, photo_bytes
from glasses_signals.records import Frame, Image, Waveform

if TYPE_CHECKING:
    from glasses_signals.media.video import VideoSettings

Kind = Literal["voice", "photo", "video", "text"]


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one file may cost a worker; a file that needs more is refused.

    Chosen, not measured: far beyond what honest uploads need, little enough to wait for.
    """

    photo_s: float = 30.0
    voice_s: float = 120.0
    video_s: float = 300.0
    memory_bytes: int = 4 << 30

    def seconds(self, kind: Kind) -> float:
        """The time limit for a file of this kind."""
        return {"photo": self.photo_s, "voice": self.voice_s}.get(kind, self.video_s)


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """`video` None: the defaults of media.video, which is imported only where videos come."""

    photo: PhotoSettings = field(default_factory=PhotoSettings)
    video: VideoSettings | None = None
    limits: DecodeLimits = field(default_factory=DecodeLimits)


@dataclass(frozen=True, slots=True)
class DecodeTask:
    """One file to decode; `key` is the caller's own name for it.

    One of kind `text` has no file: its result is empty, in its place in the order.
    """

    key: str
    path: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """What a file holds: voice a waveform; photo an image; video frames, and a waveform if any.

    `sha256` is that of the file's bytes (None when it can't be read); `error` says why there is
    nothing else.
    """

    key: str
    waveform: Waveform | None = None
    image: Image | None = None
    frames: tuple[Frame, ...] = ()
    sha256: str | None = None
    error: str | None = None

    @property
    def pictures(self) -> tuple[Image, ...]:
        """The photo, or the video's frames."""
        photo = () if self.image is None else (self.image,)
        return (*photo, *(frame.image for frame in self.frames))

    @property
    def held_bytes(self) -> int:
        """Memory that samples and pixels take."""
        sound = 0 if self.waveform is None else self.waveform.samples.nbytes
        return sound + sum(picture.pixels.nbytes for picture in self.pictures)


def decode_file(task: DecodeTask, settings: DecodeSettings) -> DecodeResult:
    """Decode and hash a file. Anything wrong with the file is in the result, not raised."""
    sha256 = None
    try:
        if task.kind == "photo":
            data = photo_bytes(Path(task.path), settings.photo)
            sha256 = hashlib.sha256(data).hexdigest()
            image = decode_photo(data, task.path, settings.photo)
            return DecodeResult(task.key, image=image, sha256=sha256)
        with Path(task.path).open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if task.kind == "voice":
            from glasses_signals.media.audio import decode_audio

            return DecodeResult(task.key, waveform=decode_audio(task.path), sha256=sha256)
        return _decode_video(task, settings, sha256)
    except BadInput as error:
        return DecodeResult(task.key, sha256=sha256, error=str(error))
    except OSError as error:
        reason = error.strerror or str(error)
        return DecodeResult(task.key, sha256=sha256, error=f"{task.path}: can't be read: {reason}")
    except MemoryError:
        limit = f"{settings.limits.memory_bytes:,}"
        error_text = f"{task.path}: decoding it needs more than {limit} bytes of memory"
        return DecodeResult(task.key, sha256=sha256, error=error_text)
    except Exception as error:  # a decoder's surprise at one file must not end the job
        reason = f"{type(error).__name__}: {error}"
        return DecodeResult(task.key, sha256=sha256, error=f"{task.path}: can't decode: {reason}")


def _decode_video(task: DecodeTask, settings: DecodeSettings, sha256: str) -> DecodeResult:
    from glasses_signals.media.audio import decode_audio
    from glasses_signals.media.video import sample_frames

    frames = tuple(sample_frames(task.path, settings.video))
    try:
        waveform = decode_audio(task.path)
    except BadInput:  # no audio track, or none that decodes: the pictures stand alone
        waveform = None
    return DecodeResult(task.key, waveform=waveform, frames=frames, sha256=sha256)
