"""How much of what is sensitive gets through when it is spoken instead of typed.

    python benchmarks/spoken_restraint.py [EVAL] [--sentences 50] [--seed 0] [--seeds 1] [--show]
                                          [--json FILE]

Sentences of EVAL's `sensitive_dev.jsonl`, as many of each topic and style as there are, are spoken
by flite (voices slt, rms, awb, kal16) and espeak-ng (American, British, Scottish; other languages
in their own voice), with ambient sound of `nonspeech_dev` 10 to 20 dB below, and go through speech,
language check, sensitive gate and mapper as in a job. A sentence leaks, strictly, when any interest
comes out of it; "beyond its harmless part" leaves out those that its `also` names. Every leak is of
one of three kinds: the sentence leaks when typed too, it was heard well enough (at most a fifth of
its words wrong), or it was misheard.

`--seeds` draws and speaks as many sets of sentences, one after another: 4 give 200 sentences,
and a narrower interval. Needs the Debian packages `flite` and `espeak-ng`. `--show` prints the
leaked sentences.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import jiwer
from listening import observed
from restraint import share
from results import write_json
from speaking import VOICES, Voice, noisy, speak
from whisper.normalizers import EnglishTextNormalizer

from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.media.audio import decode_audio
from glasses_signals.policy.policy import load_policy
from glasses_signals.records import Item, ItemKind, Source, Waveform
from glasses_signals.runners.judge import Judge, Judged
from glasses_signals.runners.recognise import Clock, Observed
from glasses_signals.text.language import detect_language

SNR_DB = (10.0, 20.0)
HEARD_WELL = 0.2
Row = dict[str, str]


def chosen(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Sentences from every topic and style in turn."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["topic"], row["style"]].append(row)
    order = random.Random(seed)
    for key in groups:
        order.shuffle(groups[key])
    names = sorted(groups)
    order.shuffle(names)
    picked: list[Row] = []
    for name in cycle(names):
        if len(picked) >= count or not any(groups.values()):
            return picked
        if groups[name]:
            picked.append(groups[name].pop())
    return picked


def voice_of(row: Row, number: int) -> Voice:
    """The voices in turn; another language has its own."""
    if row["style"] == "foreign":
        return "espeak-ng", detect_language(row["text"])[0] or "en-us"
    return VOICES[number % len(VOICES)]


def recordings(rows: Sequence[Row], eval_folder: Path, seed: int) -> list[tuple[Waveform, str]]:
    noises = [decode_audio(f).samples for f in sorted((eval_folder / "nonspeech_dev").iterdir())]
    order = random.Random(seed)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number, row in enumerate(rows):
            voice = voice_of(row, number)
            wave = speak(row["text"], voice, Path(folder) / "spoken.wav")
            sound = noisy(wave, order.choice(noises), order.uniform(*SNR_DB))
            made.append((sound, " ".join(voice)))
    return made


def typed(rows: Sequence[Row]) -> list[Observed]:
    now = datetime.now(UTC)
    return [
        Observed(
            Item(str(i), "a", Source.CHAT, ItemKind.TEXT, now, True, text=row["text"]),
            written=(row["text"],),
        )
        for i, row in enumerate(rows)
    ]


def kind_of_leak(row: Row, heard: Observed, when_typed: Judged) -> str:
    if when_typed.evidence:
        return "leaks when typed too"
    plain = EnglishTextNormalizer()
    words = plain(" ".join(spoken.text for spoken in heard.spoken))
    wrong = jiwer.wer(plain(row["text"]), words) if words else 1.0
    return "heard well enough" if wrong <= HEARD_WELL else "misheard"


def beyond_harmless(row: Row, judged: Judged) -> bool:
    taxonomy = load_taxonomy()
    names = {taxonomy.tier2(e.interest_id).name for e in judged.evidence}
    return not names <= set(row["also"])


def groups(rows: Sequence[Row], voices: Sequence[str], leaked: Sequence[bool]) -> Iterable[object]:
    yield share("leak, spoken", leaked)
    for name in ("style", "topic"):
        for value in sorted({row[name] for row in rows}):
            some = [hit for hit, row in zip(leaked, rows, strict=True) if row[name] == value]
            yield share(f"leak, {name} {value}", some)
    for engine in ("flite", "espeak-ng"):
        some = [hit for hit, v in zip(leaked, voices, strict=True) if v.startswith(engine)]
        yield share(f"leak, {engine}", some)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = Path(__file__).parents[2] / "shared" / "eval"
    default = Path(os.environ.get("GLASSES_SIGNALS_EVAL", beside))
    parser.add_argument("eval", nargs="?", type=Path, default=default)
    parser.add_argument("--sentences", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    lines = (arguments.eval / "sensitive_dev.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[Row] = []
    sounds: list[tuple[Waveform, str]] = []
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        some = chosen([json.loads(line) for line in lines], arguments.sentences, seed)
        rows += some
        sounds += recordings(some, arguments.eval, seed)
    voices = [voice for _, voice in sounds]
    heard = observed([wave for wave, _ in sounds])
    judge = Judge(load_policy())
    judged = judge(heard, Clock())
    by_typing = judge(typed(rows), Clock())
    leaked = [bool(j.evidence) for j in judged]
    figures = list(groups(rows, voices, leaked))
    figures.insert(1, share("leak, the same typed", (bool(j.evidence) for j in by_typing)))
    beyond = (beyond_harmless(row, j) for row, j in zip(rows, judged, strict=True))
    figures.insert(1, share("leak, spoken, beyond its harmless part", beyond))
    nothing = sum(not observed.spoken and not observed.bystander for observed in heard)
    kinds: dict[str, int] = {"of the leaks": sum(leaked), "nothing heard at all": nothing}
    for row, one, j, t in zip(rows, heard, judged, by_typing, strict=True):
        if j.evidence:
            kind = kind_of_leak(row, one, t)
            kinds[kind] = kinds.get(kind, 0) + 1
            if arguments.show:
                print(kind, row, one.spoken, [e.interest_id for e in j.evidence])
    if arguments.json:
        write_json(arguments.json, {"figures": figures, "kinds": kinds})
    for figure in figures:
        print("  ".join(str(value) for value in dict(figure).values()))  # type: ignore[call-overload]
    print(kinds)


if __name__ == "__main__":
    main()
