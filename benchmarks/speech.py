"""Clips per second and words right, whole processes, beside other Whisper engines.

    python benchmarks/speech.py [--device auto|cpu|cuda] [--clips 240] [--repeats 3] [--json FILE]
        [--only NAME,...] [--sets voice_dev,voice_real_dev,nonspeech_dev,long]
    python benchmarks/speech.py --soak N     memory of ours over N short clips

Every contestant is a process of its own, started anew for each measurement, imports and model
loading included; contestants take turns within a round, and the median of the rounds counts. All
run the same Whisper base weights. The peers need `pip install 'glasses-signals[bench]'`, and
`whisper-s2t` besides; one that is not installed is left out, and said so.

Contestants:
  ours        `Transcriber` with its defaults: language detected, guards on
  fw1, fw5    faster-whisper int8, beam 1 and 5, language="en"
  openai      openai-whisper fp32, greedy, language="en"
  cpp         whisper.cpp f16, language="en", context = clip + 6 s rounded up to 256
  s2t         WhisperS2T (CTranslate2 int8, its own voice activity, batches of 16 over files)

Sets: `voice_dev` (WER), `voice_real_dev` (slot recall), `nonspeech_dev` (phantom words an hour,
with made noise, tones, clicks and music), `long` (the clips of voice_dev in one file of half an
hour: how much WER rises over the same clips alone).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import speech_soak
import speech_weights
from numpy.typing import NDArray
from results import write_json
from sets import EVAL

from glasses_signals.peak_memory import peak_rss_mb

RATE = 16_000
LONG_S = 1800
MODEL = "whisper-base"
Clips = Sequence[NDArray[np.float32]]


def ours(clips: Clips, device: str) -> list[str]:
    from glasses_signals.records import Waveform
    from glasses_signals.speech.transcriber import SpeechSettings, Transcriber

    transcriber = Transcriber(SpeechSettings(model=MODEL, device=device))
    return [t.text for t in transcriber.transcribe([Waveform(clip) for clip in clips])]


def _faster_whisper(clips: Clips, device: str, beam: int) -> list[str]:
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(speech_weights.ctranslate2(MODEL)),
        device=device,
        compute_type="float16" if device == "cuda" else "int8",
        cpu_threads=os.cpu_count() or 1,
    )
    texts = []
    for clip in clips:
        segments, _ = model.transcribe(clip, beam_size=beam, language="en")
        texts.append(" ".join(segment.text for segment in segments))
    return texts


def fw1(clips: Clips, device: str) -> list[str]:
    return _faster_whisper(clips, device, 1)


def fw5(clips: Clips, device: str) -> list[str]:
    return _faster_whisper(clips, device, 5)


def openai(clips: Clips, device: str) -> list[str]:
    import whisper

    model = whisper.load_model(str(speech_weights.torch_checkpoint(MODEL)), device=device)
    options = {"language": "en", "fp16": device == "cuda", "beam_size": None}
    return [str(model.transcribe(np.array(clip), **options)["text"]) for clip in clips]


def cpp(clips: Clips, device: str) -> list[str]:
    from pywhispercpp.model import Model

    model = Model(
        str(speech_weights.ggml(MODEL)),
        n_threads=os.cpu_count() or 1,
        language="en",
        print_progress=False,
        print_realtime=False,
    )
    texts = []
    for clip in clips:
        positions = (len(clip) / RATE + 6) * 50  # other contexts read stale rows: its PR 3941
        context = min(1500, -int(-positions // 256) * 256)
        segments = model.transcribe(np.array(clip), audio_ctx=context)
        texts.append(" ".join(segment.text for segment in segments))
    return texts


def s2t(clips: Clips, device: str) -> list[str]:
    import whisper_s2t

    model = whisper_s2t.load_model(
        str(speech_weights.ctranslate2(MODEL)),
        backend="CTranslate2",
        device=device,
        compute_type="float16" if device == "cuda" else "int8",
        cpu_threads=os.cpu_count() or 1,
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{number}.wav" for number in range(len(clips))]
        for file, clip in zip(files, clips, strict=True):
            with wave.open(file, "wb") as out:
                out.setparams((1, 2, RATE, 0, "NONE", ""))
                out.writeframes((np.clip(clip, -1, 1) * 32767).astype("<i2").tobytes())
        heard = model.transcribe_with_vad(files, lang_codes=["en"], batch_size=16)
    return [" ".join(segment["text"] for segment in segments) for segments in heard]


CONTESTANTS: dict[str, tuple[Callable[[Clips, str], list[str]], str]] = {
    "ours": (ours, "onnxruntime"),
    "fw1": (fw1, "faster_whisper"),
    "fw5": (fw5, "faster_whisper"),
    "openai": (openai, "whisper"),
    "cpp": (cpp, "pywhispercpp"),
    "s2t": (s2t, "whisper_s2t"),
}


def clips_of(name: str, count: int) -> tuple[list[NDArray[np.float32]], list[dict[str, object]]]:
    """(sound, what is known of each) of a set."""
    if name == "long":
        return _long(count)
    lines = (EVAL / f"{name}.jsonl").read_text().splitlines()[:count]
    known = [json.loads(line) for line in lines]
    from glasses_signals.media.audio import decode_audio

    clips = [decode_audio(EVAL / name / str(k["file"])).samples for k in known]
    if name == "nonspeech_dev":
        clips += list(_made_sounds())
    return clips, known


def _long(count: int) -> tuple[list[NDArray[np.float32]], list[dict[str, object]]]:
    """One recording of the clips, over and over, until half an hour is full."""
    clips, known = clips_of("voice_dev", count)
    chosen: list[int] = []
    while sum(len(clips[i]) for i in chosen) < LONG_S * RATE:
        chosen.append(len(chosen) % len(clips))
    whole = np.concatenate([clips[i] for i in chosen])
    return [whole], [{"text": " ".join(str(known[i]["text"]) for i in chosen)}]


def _made_sounds() -> Iterator[NDArray[np.float32]]:
    """Half a minute each of noise (white, brown), tones, clicks, chords and silence."""
    random = np.random.default_rng(0)
    count = 30 * RATE
    time_s = np.arange(count) / RATE
    white = random.standard_normal(count)
    brown = np.cumsum(white - white.mean())
    clicks = (random.random(count) < 3 / RATE) * random.choice([-1.0, 1.0], count)
    chords = sum(
        np.sin(2 * np.pi * f * 2 ** (np.floor(time_s) % 5 / 12) * time_s) for f in (220, 277, 330)
    )
    for sound in (white, brown, np.sin(2 * np.pi * 440 * time_s), clicks, chords):
        yield (0.2 * sound / np.abs(sound).max()).astype(np.float32)
    yield np.zeros(count, np.float32)


def contest(name: str, set_name: str, count: int, device: str) -> None:
    """Child process: transcribe, print JSON."""
    clips, _ = clips_of(set_name, count)
    texts = CONTESTANTS[name][0](clips, device)
    print("\n" + json.dumps({"texts": texts, "peak_mb": peak_rss_mb()}))


def run(name: str, set_name: str, count: int, device: str) -> dict[str, object]:
    """One whole process: its answer, with `seconds` from start to end."""
    arguments = ["--contest", name, "--sets", set_name, "--clips", str(count), "--device", device]
    began = time.perf_counter()
    child = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if child.returncode:
        raise SystemExit(f"{name} on {set_name} failed:\n{child.stderr[-2000:]}")
    answer: dict[str, object] = json.loads(child.stdout.splitlines()[-1])
    return answer | {"seconds": seconds}


def score(set_name: str, count: int, texts: Sequence[str]) -> dict[str, float]:
    """Figures of merit of a set's transcripts."""
    import jiwer
    from whisper.normalizers import EnglishTextNormalizer

    plain = EnglishTextNormalizer()
    clips, known = clips_of(set_name, count)
    if set_name == "nonspeech_dev":
        words = sum(len(plain(text).split()) for text in texts)
        hours = sum(map(len, clips)) / RATE / 3600
        return {"phantom_words": words, "phantom_words_per_hour": round(words / hours, 1)}
    if set_name == "voice_real_dev":
        slots = [
            (plain(s), plain(t)) for k, t in zip(known, texts, strict=True) for s in k["slots"]
        ]
        heard = sum(_in_order(slot.split(), text.split()) for slot, text in slots)
        return {"slot_recall_percent": round(100 * heard / len(slots), 2)}
    references = [plain(str(k["text"])) for k in known]
    measured = jiwer.process_words(references, [plain(text) for text in texts])
    return {
        "wer_percent": round(100 * measured.wer, 2),
        "insertions": measured.insertions,
        "deletions": measured.deletions,
    }


def _in_order(words: Sequence[str], text: Sequence[str]) -> bool:
    left = iter(text)
    return all(word in left for word in words)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--clips", type=int, default=240)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(CONTESTANTS))
    parser.add_argument("--sets", default="voice_dev,voice_real_dev,nonspeech_dev,long")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--soak", type=int, metavar="N", help="memory of ours over N short clips")
    parser.add_argument("--contest", help=argparse.SUPPRESS)
    return parser.parse_args()


def installed(names: Sequence[str]) -> Iterator[str]:
    """Those whose package is there; the others are named."""
    for name in names:
        if importlib.util.find_spec(CONTESTANTS[name][1]):
            yield name
        else:
            print(f"{name}: {CONTESTANTS[name][1]} is not installed, left out")


def measure(
    set_name: str, names: Sequence[str], count: int, device: str, repeats: int
) -> Iterator[dict[str, object]]:
    """A line a contestant, after `repeats` rounds in which they take turns."""
    rounds = [{name: run(name, set_name, count, device) for name in names} for _ in range(repeats)]
    clips = len(clips_of(set_name, count)[0])
    for name in names:
        seconds = statistics.median(float(str(r[name]["seconds"])) for r in rounds)
        last = rounds[-1][name]
        row = {"set": set_name, "contestant": name, "clips": clips}
        row |= {"seconds": round(seconds, 2), "clips_per_s": round(clips / seconds, 2)}
        row |= score(set_name, count, last["texts"])  # type: ignore[arg-type]
        yield row | {"peak_mb": last["peak_mb"]}


def main() -> None:
    arguments = parsed()
    if arguments.contest:
        contest(arguments.contest, arguments.sets, arguments.clips, arguments.device)
        return
    from glasses_signals.models.sessions import cpu_flags, resolve_device

    device = resolve_device(arguments.device)
    if arguments.soak:
        speech_soak.soak(clips_of("voice_dev", 240)[0], arguments.soak, MODEL, device)
        return
    names = list(installed(arguments.only.split(",")))
    speech_weights.prepare(MODEL, names)
    results = []
    for set_name in arguments.sets.split(","):
        # Speed is measured on the clips; the other sets ask what is heard.
        repeats = arguments.repeats if set_name == "voice_dev" else 1
        for row in measure(set_name, names, arguments.clips, device, repeats):
            results.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    machine = {
        "device": device,
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "cpu_flags": cpu_flags(),
    }
    print(machine)
    if arguments.json:
        write_json(arguments.json, {"machine": machine, "results": results})


if __name__ == "__main__":
    main()
