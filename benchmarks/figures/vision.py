"""Figures of photos and video: `vision.py`, `labels.py`."""

from __future__ import annotations

from results import Make, Results, number, percent, table, times

VIDEO_SECONDS = 60  # of each clip of `vision.py`


def looked(r: Results, media: str, contestant: str) -> float:
    """Photos a second, or seconds of video a second."""
    per_s = float(r.found("vision")["measured"][media][contestant]["per_s"])
    return per_s * (VIDEO_SECONDS if media.startswith("video") else 1)


VISION_ROWS = (
    ("photos_12mp", "ours", "12-megapixel photos", "ours"),
    ("photos_12mp", "decode", "", "decode workers alone"),
    ("photos_12mp", "usual", "", "usual script (PIL, torch eager, one by one)"),
    ("photos_12mp", "careful", "", "careful script (DataLoader, 2 workers, batch 16)"),
    ("photos_small", "ours", "small photos", "ours"),
    ("photos_small", "usual", "", "usual script"),
    ("video_60s", "ours", "video, pictures only (seconds of video)", "ours"),
    ("video_60s", "decode", "", "decode workers alone"),
    ("video_60s", "all_frames", "", "PyAV, all frames"),
    ("video_60s_with_sound", "seen_and_heard", "video with its sound, seen and heard", "ours"),
)


def vision(r: Results) -> str:
    rows = []
    for media, contestant, shown, name in VISION_ROWS:
        per_s = looked(r, media, contestant)
        first = contestant in ("ours", "seen_and_heard")
        ratio = "" if first else times(looked(r, media, "ours") / per_s)
        top1 = r.found("vision")["measured"][media][contestant]["top1"]
        seen = media.startswith("photos") and contestant != "decode"
        rows.append([shown, name, number(per_s), ratio, percent(top1) if seen else ""])
    return table(["media", "contestant", "a second", "ours is", "top-1"], rows)


def outrun(media: str, contestant: str) -> Make:
    return lambda r: times(looked(r, media, "ours") / looked(r, media, contestant))


def labels(r: Results) -> str:
    found = r.found("labels")
    ways = [found["as_they_are"], found["enlarged"]]
    photos = "photos of classes with an interest that"

    def line(name: str, key: str) -> list[str]:
        return [
            name,
            *(f"{percent(way[key][0] / max(1, way[key][1]))} of {way[key][1]}" for way in ways),
        ]

    usual = r.found("vision")["measured"]["photos_small"]["usual"]["top1"]
    top1 = line("top-1", "top1")
    top1[1] += f" (torch, full decode: {percent(usual)})"
    fears = [
        f"{way['sensitive_emitting'][0]} of {way['sensitive_emitting'][1]}"
        f" ({way['sensitive_excluded'][0]} excluded)"
        for way in ways
    ]
    return table(
        ["", "as they are", "enlarged to 12 megapixels, decoded at 1/8"],
        [
            top1,
            line("emitted interests that are right", "emitted_right"),
            line(f"{photos} get a right one", "clear_found"),
            ["photos of sensitive classes that emit anything", *fears],
            [f"{photos} are excluded", *(str(way["clear_excluded"][0]) for way in ways)],
        ],
    )


def label(key: str, way: str = "as_they_are") -> Make:
    return lambda r: percent(r.found("labels")[way][key][0] / r.found("labels")[way][key][1])


FIGURES: dict[str, Make] = {
    "vision": vision,
    "labels": labels,
    "vision.photos_per_s": lambda r: number(looked(r, "photos_12mp", "ours")),
    "vision.usual": outrun("photos_12mp", "usual"),
    "vision.careful": outrun("photos_12mp", "careful"),
    "vision.video_per_s": lambda r: number(looked(r, "video_60s", "ours")),
    "vision.sound_per_s": lambda r: number(looked(r, "video_60s_with_sound", "seen_and_heard")),
    "labels.top1": label("top1"),
    "labels.right": label("emitted_right"),
    "labels.emitted": lambda r: str(r.found("labels")["as_they_are"]["emitted_right"][1]),
}
