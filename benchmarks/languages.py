"""Which language recordings are taken for, how sure that is, and what is translated.

    python benchmarks/languages.py FOLDER [--eval EVAL] [--clips 400] [--snr DB] [--show]
                                   [--json FILE]

FOLDER has a folder for each language, named by its code: `es/*.wav`, `fr/*.flac`, ... English is
taken from `voice_dev` and `voice_real_dev` of EVAL (default: $GLASSES_SIGNALS_EVAL, else
`../shared/eval` beside the checkout), `--clips` of them at most. `--snr` mixes ambient sound of
EVAL's `nonspeech_dev` into what is in FOLDER. Columns:

  right       in its own language
  English     words are given as English
  other       words are given in another wrong language
  uncertain   dropped, for `language_uncertain`
  dropped     dropped for another reason, or nothing heard
  translated  of the right ones, those with English for every utterance
  narrowed    right when the account's `languages` names it and English
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from results import write_json
from sets import EVAL
from speaking import noise_under

from glasses_signals.media.audio import decode_audio
from glasses_signals.records import Transcript, Waveform
from glasses_signals.speech.transcriber import SpeechSettings, Transcriber

COLUMNS = ("right", "English", "other", "uncertain", "dropped")
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".g722", ".gsm")
STEPS = (0.0, 0.45, 0.7, 0.9, 0.99, 1.01)
Row = dict[str, object]


def sounds(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES)


def english(folder: Path, count: int) -> list[Path]:
    """Files of both sets, as many of each."""
    sets = [sounds(folder / name) for name in ("voice_dev", "voice_real_dev")]
    return [file for files in sets for file in files[: -(-count // len(sets))]]


def with_noise(waves: Sequence[Waveform], folder: Path, snr_db: float) -> list[Waveform]:
    noises = [decode_audio(file).samples for file in sounds(folder / "nonspeech_dev")]
    mixed = []
    for number, wave in enumerate(waves):
        noise = noises[number % len(noises)]
        sound = wave.samples + noise_under(wave.samples, noise, snr_db, len(wave.samples))
        mixed.append(Waveform((sound / max(1.0, np.abs(sound).max())).astype(np.float32)))
    return mixed


def outcome(true: str, transcript: Transcript) -> str:
    if transcript.language == true:
        return "right"
    if transcript.language is not None:
        return "English" if transcript.language == "en" else "other"
    uncertain = any(d.reason == "language_uncertain" for d in transcript.dropped)
    return "uncertain" if uncertain else "dropped"


def row(true: str, transcripts: Sequence[Transcript], narrowed: Sequence[Transcript]) -> Row:
    outcomes = [outcome(true, t) for t in transcripts]
    counts: Row = {"language": true, "clips": len(transcripts)}
    counts |= {name: outcomes.count(name) for name in COLUMNS}
    if true != "en":
        right = [t for t, o in zip(transcripts, outcomes, strict=True) if o == "right"]
        counts["translated"] = sum(all(u.english for u in t.utterances) for t in right)
        counts["narrowed"] = sum(outcome(true, t) == "right" for t in narrowed)
    return counts


def calibration(heard: Sequence[tuple[str, Transcript]]) -> list[Row]:
    """How often the language is right, by the probability that was given for it."""
    rows: list[Row] = []
    for low, high in itertools.pairwise(STEPS):
        inside = [
            (outcome(true, t) == "right", t.language_probability)
            for true, t in heard
            if t.language_probability is not None and low <= t.language_probability < high
        ]
        if inside:
            mean = sum(p for _, p in inside) / len(inside)
            right = sum(hit for hit, _ in inside) / len(inside)
            rows.append({"from": low, "clips": len(inside), "said": mean, "right": right})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--eval", type=Path, default=EVAL)
    parser.add_argument("--clips", type=int, default=400, help="English clips; 0 for none")
    parser.add_argument("--snr", type=float, metavar="DB")
    parser.add_argument("--show", action="store_true", help="print what was heard")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    transcriber = Transcriber(SpeechSettings())
    files = {d.name: sounds(d) for d in sorted(arguments.folder.iterdir()) if d.is_dir()}
    files["en"] = files.get("en", []) + english(arguments.eval, arguments.clips)
    table: list[Row] = []
    heard: list[tuple[str, Transcript]] = []
    for true, paths in files.items():
        waves = [decode_audio(path) for path in paths]
        if arguments.snr is not None and true != "en":
            waves = with_noise(waves, arguments.eval, arguments.snr)
        found = transcriber.transcribe(waves)
        named = [(true, "en")] * len(waves)
        narrowed = transcriber.transcribe(waves, languages=named) if true != "en" else []
        heard += [(true, transcript) for transcript in found]
        table.append(row(true, found, narrowed))
        for path, transcript in zip(paths, found, strict=True):
            wrong = outcome(true, transcript) != "right"
            if arguments.show and (true != "en" or wrong):
                in_english = " ".join(u.english or "-" for u in transcript.utterances)
                print(path.name, outcome(true, transcript), transcript.language_probability)
                print("   ", transcript.text, "\n   ", in_english)
    result = {"table": table, "calibration": calibration(heard)}
    if arguments.json:
        write_json(arguments.json, result)
    for line in (*table, *result["calibration"]):
        cells = (f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items())
        print("  ".join(cells))


if __name__ == "__main__":
    main()
