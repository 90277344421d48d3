"""Figures of whole runs: `job`, `scale`, `one_core`, `fleet`, `crash`, `hostile`."""

from __future__ import annotations

import statistics
from typing import Any

from results import Make, Results, number, percent, table, times

CONTESTANTS = {
    "ours": "ours, `extract`",
    "straight": "the straight script",
    "speech": "our speech alone",
    "vision": "our photos and video alone",
}


def seconds(r: Results, contestant: str) -> float:
    return statistics.median(lap["seconds"] for lap in r.found("job")["laps"][contestant])


def job(r: Results) -> str:
    laps = r.found("job")["laps"]
    rows = [
        [
            shown,
            number(seconds(r, name)),
            "" if name == "ours" else times(seconds(r, name) / seconds(r, "ours")),
            percent(statistics.median(lap["busy"] for lap in laps[name]), 0),
            percent(statistics.median(lap["others"] for lap in laps[name]), 0),
        ]
        for name, shown in CONTESTANTS.items()
    ]
    heads = ["contestant", "seconds", "of ours", "cores busy", "others' work"]
    return table(heads, rows)


KINDS = {
    "voice": ("voice, 4 s", "decode, Whisper base", "`transcribe`, {} evaluation clips"),
    "photo": (
        "photo, 12 megapixels",
        "reduced decode, EfficientNet-Lite0",
        "`tag`, {} enlarged photos",
    ),
    "video": ("video, 60 s of 1440 x 1920", "keyframes only, tagger", "`tag`, one file {} times"),
    "chat": (
        "chat message",
        "sentence encoder, gate, mapper, ledger",
        "`extract`, {} messages",
    ),
}


def one_core(r: Results) -> str:
    found = r.found("one_core")
    rows = [
        [
            shown,
            f"{found['cpu_s'][kind]:.2g}",
            parts,
            measured.format(f"{found['captures'][kind]:,}"),
        ]
        for kind, (shown, parts, measured) in KINDS.items()
    ]
    return table(["capture", "CPU s each", "made of", "measured by"], rows)


# Many uploads


def tenths(r: Results) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = r.found("scale")["tenths"]
    return found


def scale(r: Results) -> str:
    """A column a tenth of the items."""
    heads = ["after items", *(f"{one['finished']:,}" for one in tenths(r))]
    keys = {
        "items a second": ("items_per_s", 1.0),
        "cores busy, %": ("busy", 100.0),
        "memory of the run, MiB": ("peak_rss_mb", 1.0),
        "memory of both decode workers, MiB": ("peak_workers_rss_mb", 1.0),
    }
    rows = [
        [shown, *("" if one[key] is None else f"{one[key] * unit:.0f}" for one in tenths(r))]
        for shown, (key, unit) in keys.items()
    ]
    return table(heads, rows)


def scale_ratio(key: str) -> Make:
    """A ratio, of which 1.0 would be perfect, as a change: +1.2 %."""

    def make(r: Results) -> str:
        ratio = r.found("scale")[key]
        return "–" if ratio is None else f"{100 * (ratio - 1):+.1f} %".replace("-", "−")

    return make


# A night on a fleet


def night(r: Results) -> str:
    """What a thousand million captures need when no part waits for another."""
    a = r.found("fleet")["arithmetic"]
    size = r.found("scale")["ledger_bytes_an_item"]
    cores = f"{a['core_hours']:,.0f} core hours: {a['core_dollars']:,.0f} dollars when all are busy"
    return table(
        ["", "a capture", "a day"],
        [
            ["cores", f"{a['cpu_s_a_capture']:.3f} CPU s", cores],
            ["requests", "1", f"{a['request_dollars']:,.0f} dollars"],
            ["bytes read", f"{a['bytes_a_capture'] / 1e6:.1f} MB", f"{a['bytes'] / 1e15:.1f} PB"],
            ["ledgers", f"{size / 1000:.1f} kB", f"{size / 1000:.1f} TB over all shards"],
        ],
    )


def fleets(r: Results) -> str:
    rows = [
        [
            f"{one['shards']:,} x {one['cores_a_shard']}",
            *(f"{one[f'hours_{key}']:.2g}" for key in ("mean", "slowest_shard", "by_arithmetic")),
            *(percent(one[f"{key}_busy"], 0) for key in ("cores", "network", "ledger")),
            f"{one['dollars']:,}",
        ]
        for one in r.found("fleet")["fleets"]
    ]
    busy = ["cores busy", "network busy", "ledger busy"]
    heads = ["shards x cores", "hours", "slowest shard", "by arithmetic", *busy, "dollars"]
    return table(heads, rows)


# Faults


def hostile(r: Results) -> str:
    media, manifests = r.found("hostile")["media"], r.found("hostile")["manifests"]
    mutated = sum(count for key, count in media.items() if not key.startswith("whole"))
    stopped = media.get("decoder died", 0) + media.get("took over", 0)
    whole = media["whole"] + media.get("whole_lost", 0)
    turned = f"{manifests['quarantined']:,} places quarantined"
    heads = ["", "mutated", "decoded", "refused", "decoder stopped", "crashes, hangs"]
    return table(
        [*heads, "whole files lost"],
        [
            [
                "media",
                f"{mutated:,}",
                f"{media['decoded']:,}",
                f"{media['refused']:,}",
                f"{stopped:,}",
                "0",
                f"{media.get('whole_lost', 0)} of {whole:,}",
            ],
            [
                "manifests",
                option(r, "hostile", "--manifests"),
                "",
                turned,
                "",
                str(manifests["crashes"] + manifests.get("hangs", 0)),
                f"{manifests['good_lost']} of {manifests['good']}",
            ],
        ],
    )


def option(r: Results, part: str, name: str) -> str:
    """A number that the benchmark was called with."""
    words = r.parts[part]["command"].split()
    return f"{int(words[words.index(name) + 1]):,}"


def kills(r: Results) -> str:
    found = r.found("crash")
    return f"{found['kills']:,} kills in {sum(found['chains'].values())} chains"


def command(part: str) -> Make:
    return lambda r: f"`benchmarks/{r.parts[part]['command']}`"


FIGURES: dict[str, Make] = {
    "job": job,
    "one_core": one_core,
    "scale": scale,
    "night": night,
    "fleets": fleets,
    "hostile": hostile,
    "job.straight": lambda r: times(r.found("job")["times_faster"]),
    "job.slower_stage": lambda r: percent(r.found("job")["share_of_the_slower_stage"], 0),
    "scale.items": lambda r: f"{r.found('scale')['items']:,}",
    "scale.rate": scale_ratio("rate_last_over_second_tenth"),
    "scale.memory": scale_ratio("memory_last_over_first_tenth"),
    "scale.time_to_go": scale_ratio("time_to_go_over_truth"),
    "scale.ledger_share": lambda r: percent(r.found("scale")["ledger_share"]),
    "scale.ledger_bytes": lambda r: f"{r.found('scale')['ledger_bytes_an_item']:,}",
    "scale.rerun": lambda r: f"{r.found('scale')['nothing_new_us_an_item'] / 1000:.2f} ms",
    "fleet.megabytes_a_core_second": lambda r: (
        f"{r.found('fleet')['arithmetic']['bytes_a_core_second'] / 1e6:.0f} MB"
    ),
    "crash.kills": kills,
    "crash.failures": lambda r: str(len(r.found("crash")["failures"])),
    "hostile.command": command("hostile"),
    "hostile.media": lambda r: option(r, "hostile", "--media"),
    "hostile.manifests": lambda r: option(r, "hostile", "--manifests"),
}
