"""Figures of speech: `speech.py`, `bystanders.py`, `languages.py`."""

from __future__ import annotations

from results import Found, Make, Results, number, table, times

SPEECH_PARTS = ("speech", "speech_real", "speech_sets")
COUNTS = ("insertions", "deletions", "peak_mb")


def heard(r: Results, part: str, contestant: str = "ours", set_name: str = "voice_dev") -> Found:
    return next(
        row for row in r.found(part) if (row["contestant"], row["set"]) == (contestant, set_name)
    )


def engine(r: Results, part: str, contestant: str) -> str:
    versions = r.parts[part]["machine"]["packages"]
    return {
        "ours": "ours (int8, 3 beams, language detected, guards on)",
        "fw1": f'faster-whisper {versions["faster-whisper"]} int8, beam 1, `language="en"`',
        "cpp": "whisper.cpp f16, context = clip + 6 s",
        "openai": f"openai-whisper {versions['openai-whisper']}, float32, greedy",
    }[contestant]


def speech(part: str) -> Make:
    def make(r: Results) -> str:
        ours = heard(r, part)["clips_per_s"]
        rows = [
            [
                engine(r, part, row["contestant"]),
                f"{row['clips_per_s']:.2f}",
                "" if row["contestant"] == "ours" else times(ours / row["clips_per_s"]),
                f"{row['wer_percent']:.2f}",
                *("" if row[key] is None else str(row[key]) for key in COUNTS),
            ]
            for row in r.found(part)
        ]
        heads = ["contestant", "clips/s", "ours is", "WER %"]
        return table([*heads, "insertions", "deletions", "peak MB"], rows)

    return make


def faster(part: str, contestant: str) -> Make:
    return lambda r: times(
        heard(r, part)["clips_per_s"] / heard(r, part, contestant)["clips_per_s"]
    )


def wer(part: str, contestant: str = "ours", set_name: str = "voice_dev") -> Make:
    return lambda r: f"{heard(r, part, contestant, set_name)['wer_percent']:.2f} %"


def slots(part: str, contestant: str) -> Make:
    return lambda r: f"{heard(r, part, contestant, 'voice_real_dev')['slot_recall_percent']:.2f} %"


def peaks(r: Results) -> list[int]:
    parts = [part for name, part in r.parts.items() if name in SPEECH_PARTS]
    rows = [row for part in parts for row in part["found"] if row["contestant"] == "ours"]
    return sorted(row["peak_mb"] for row in rows)


def other_sets(r: Results) -> str:
    phantom = heard(r, "speech_sets", set_name="nonspeech_dev")["phantom_words_per_hour"]
    lone, joined = wer("speech")(r), wer("speech_sets", set_name="long")(r)
    slot = [slots("speech_real", "ours")(r), slots("speech_real", "fw1")(r)]
    return table(
        ["set", "figure"],
        [
            [
                "`voice_real_dev` (160 real orders, half with real noise): slot recall",
                f"{slot[0]} (faster-whisper beam 1: {slot[1]})",
            ],
            [
                "`nonspeech_dev` and made noise, tones, clicks, music: phantom words an hour",
                f"{phantom:g}",
            ],
            [
                "the 240 clips in one file of half an hour: WER",
                f"{joined} (the clips alone: {lone})",
            ],
            [
                "peak memory, with what scores the words",
                f"{peaks(r)[0]:,} to {peaks(r)[-1]:,} MB",
            ],
        ],
    )


def bystanders(r: Results) -> str:
    names = {"set": "mixes", "far words": "far words", "used %": "used %"}
    names |= {"near words": "near words", "lost %": "lost %"}
    rows = [
        [
            f"{row['mixes']} {row['set']}" if row["set"].startswith("to ") else row["set"].strip(),
            *(str(row[key]) for key in list(names)[1:]),
        ]
        for row in r.found("bystanders")
    ]
    return table(list(names.values()), rows)


def far(key: str) -> Make:
    """Of the mixes that report."""
    return lambda r: str(
        next(row for row in r.found("bystanders") if row["set"].startswith("to report"))[key]
    )


def languages(english: bool, *keys: str) -> Make:
    """How many of the clips, in English or in other languages."""

    def make(r: Results) -> str:
        rows = [
            row for row in r.found("languages")["table"] if (row["language"] == "en") == english
        ]
        hits = sum(row[key] for row in rows for key in keys)
        return f"{hits} of {sum(row['clips'] for row in rows)}"

    return make


FIGURES: dict[str, Make] = {
    "speech": speech("speech"),
    "speech_cpp": speech("speech_cpp"),
    "speech_openai": speech("speech_openai"),
    "speech_sets": other_sets,
    "bystanders": bystanders,
    "speech.clips_per_s": lambda r: number(heard(r, "speech")["clips_per_s"]),
    "speech.faster_whisper": faster("speech", "fw1"),
    "speech.whisper_cpp": faster("speech_cpp", "cpp"),
    "speech.openai_whisper": faster("speech_openai", "openai"),
    "speech.wer": wer("speech"),
    "speech.wer_beam1": wer("speech", "fw1"),
    "speech.wer_beam5": wer("speech_beam5", "fw5"),
    "speech.wer_long": wer("speech_sets", set_name="long"),
    "speech.slots": slots("speech_real", "ours"),
    "speech.slots_beam1": slots("speech_real", "fw1"),
    "speech.slots_beam5": slots("speech_beam5", "fw5"),
    "speech.peak_long": lambda r: f"{peaks(r)[-1]:,} MB",
    "speech.peaks_short": lambda r: f"{peaks(r)[0]:,} to {peaks(r)[-2]:,} MB",
    "bystanders.used": far("used %"),
    "bystanders.far_words": far("far words"),
    "bystanders.lost": far("lost %"),
    "bystanders.near_words": far("near words"),
    "languages.right": languages(False, "right"),
    "languages.narrowed": languages(False, "narrowed"),
    "languages.english_wrong": languages(True, "English", "other", "uncertain", "dropped"),
}
