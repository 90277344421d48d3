"""Simulates a night of a thousand million captures on a fleet, from service times measured here.

    python benchmarks/fleet.py [--captures 1e9] [--fleets 1000x4 1000x16 1000x64 100x64]
                              [--sample 20] [--core FILE] [--json FILE]

A fleet is so many shards of so many cores. `--core` takes the CPU seconds of each kind of capture
from what `one_core.py --json` wrote.

Each shard is a machine with its accounts: units of 128 captures are fetched over its network, one
after another and a few ahead; wait for a free core; and are stored by the one writer of its ledger.
Accounts differ in how much they upload, captures in how long they take, and machines die: what they
were working on is done again. A sample of shards is simulated unit by unit; the night is as long as
the slowest of all shards, told from the sample's spread. Prints hours, how busy each part is, and
what the night costs, beside the plain arithmetic of `docs/scale.md`.
"""

from __future__ import annotations

import argparse
import bisect
import heapq
import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from results import write_json

UNIT_ITEMS = 128
FETCH_AHEAD_UNITS = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """Of one kind of capture: how often, its bytes, and CPU seconds."""

    share: float
    size: float
    cpu_s: float
    spread: float  # standard deviation of a capture's CPU seconds over their mean


def kinds_of(voice: float = 0.127, photo: float = 0.034, video: float = 0.34) -> tuple[Kind, ...]:
    """From CPU seconds for 4 s of voice, 12 megapixels, a minute of video without sound."""
    return (
        Kind(share=0.60, size=80e3, cpu_s=voice, spread=0.6),
        Kind(share=0.35, size=3e6, cpu_s=photo, spread=0.2),
        Kind(share=0.05, size=24e6, cpu_s=video / 2 + voice, spread=0.5),  # 30 s, one utterance
    )


LEDGER_S = 0.0002  # to store one capture
PROFILE_S = 0.0015  # to write one account's profile
CAPTURES_AN_ACCOUNT = 10.0
ACCOUNT_SPREAD = 1.5  # sigma of the logarithm of how much accounts upload
NETWORK_BYTES_S = 1.25e9  # 10 Gbit/s a machine
HOURS_BETWEEN_DEATHS = 1000.0  # of one machine
RESTART_S = 300.0
START_S = 5.0
DOLLARS_A_CORE_HOUR = 0.04
DOLLARS_A_REQUEST = 0.0004 / 1000


@dataclass(frozen=True, slots=True)
class Night:
    """One shard's night: when it was done, and seconds that its parts were busy."""

    captures: int
    hours: float
    cores_busy: float
    network_busy: float
    ledger_busy: float
    redone_units: int


def simulate(
    captures: int,
    accounts: int,
    cores: int,
    kinds: Sequence[Kind],
    chance: random.Random,
    dies: bool,
) -> Night:
    """First come, first served, at the network, the cores and the ledger."""
    deaths = sorted([*_deaths(chance), *([captures / cores * 0.05] if dies else [])])
    free = [START_S] * cores
    started: list[float] = []  # when each unit left the fetched ones
    network = ledger = START_S
    busy = [0.0, 0.0, 0.0]
    redone = 0
    for number in range(-(-captures // UNIT_ITEMS)):
        size, work = _unit(kinds, chance)
        ahead = number - cores - FETCH_AHEAD_UNITS
        network = max(network, started[ahead] if ahead >= 0 else 0.0) + size / NETWORK_BYTES_S
        start = max(network, heapq.heappop(free))
        while (death := _next_death(deaths, start)) < start + work:
            busy[0] += death - start
            start = death + RESTART_S + size / NETWORK_BYTES_S
            redone += 1
        started.append(start)
        heapq.heappush(free, start + work)
        stored = LEDGER_S * UNIT_ITEMS
        ledger = max(ledger, start + work) + stored
        for part, seconds in enumerate((work, size / NETWORK_BYTES_S, stored)):
            busy[part] += seconds
    end = max(*free, ledger) + PROFILE_S * accounts
    return Night(
        captures=captures,
        hours=end / 3600,
        cores_busy=busy[0] / (end * cores),
        network_busy=busy[1] / end,
        ledger_busy=busy[2] / end,
        redone_units=redone,
    )


def _unit(kinds: Sequence[Kind], chance: random.Random) -> tuple[float, float]:
    """(bytes, CPU seconds) of one unit: many captures, so close to normally spread."""
    size = work = variance = 0.0
    left, unseen = UNIT_ITEMS, 1.0
    for kind in kinds:
        number = _binomial(chance, left, min(1.0, kind.share / unseen))
        left, unseen = left - number, unseen - kind.share
        size += number * kind.size
        work += number * kind.cpu_s
        variance += number * (kind.cpu_s * kind.spread) ** 2
    return size, max(0.1 * work, chance.gauss(work, variance**0.5))


def _binomial(chance: random.Random, trials: int, share: float) -> int:
    return sum(chance.random() < share for _ in range(trials))


def _deaths(chance: random.Random) -> list[float]:
    moments = [0.0]
    while moments[-1] < 30 * 86_400:
        moments.append(moments[-1] + chance.expovariate(1 / (HOURS_BETWEEN_DEATHS * 3600)))
    return moments[1:]


def _next_death(deaths: list[float], moment: float) -> float:
    place = bisect.bisect_left(deaths, moment)
    return deaths[place] if place < len(deaths) else float("inf")


def shard_captures(captures: float, shards: int, sample: int, seed: int) -> list[int]:
    """How many captures each sampled shard has: accounts are dealt by hash, and differ."""
    generator = np.random.default_rng(seed)
    accounts = int(captures / CAPTURES_AN_ACCOUNT / shards)
    mean = np.log(CAPTURES_AN_ACCOUNT) - ACCOUNT_SPREAD**2 / 2
    return [int(generator.lognormal(mean, ACCOUNT_SPREAD, accounts).sum()) for _ in range(sample)]


def fleet(
    captures: float, shards: int, cores: int, kinds: Sequence[Kind], sample: int, seed: int
) -> dict[str, Any]:
    accounts = int(captures / CAPTURES_AN_ACCOUNT / shards)
    nights = [
        # One machine of the sample dies for certain, as some of the fleet will.
        simulate(
            count, accounts, cores, kinds, random.Random(seed * 1000 + number), dies=number == 0
        )
        for number, count in enumerate(shard_captures(captures, shards, sample, seed))
    ]
    hours = [night.hours for night in nights]
    mean, spread = statistics.mean(hours), statistics.pstdev(hours)
    # The highest of n normal draws stands about sqrt(2 ln n) deviations over their mean.
    slowest = max(max(hours), mean + spread * float(np.sqrt(2 * np.log(shards))))
    arithmetic = captures * mean_cpu_s(kinds) / (shards * cores) / 3600
    return {
        "shards": shards,
        "cores_a_shard": cores,
        "hours_mean": round(mean, 2),
        "hours_slowest_shard": round(slowest, 2),
        "hours_by_arithmetic": round(arithmetic, 2),
        "cores_busy": round(statistics.mean(n.cores_busy for n in nights), 3),
        "network_busy": round(statistics.mean(n.network_busy for n in nights), 3),
        "ledger_busy": round(statistics.mean(n.ledger_busy for n in nights), 3),
        "units_redone_a_shard": round(statistics.mean(n.redone_units for n in nights), 3),
        "dollars": round(
            mean * shards * cores * DOLLARS_A_CORE_HOUR + captures * DOLLARS_A_REQUEST
        ),
    }


def mean_cpu_s(kinds: Sequence[Kind]) -> float:
    return sum(kind.share * kind.cpu_s for kind in kinds)


def arithmetic(captures: float, kinds: Sequence[Kind]) -> dict[str, float]:
    """What a night needs when no part ever waits for another."""
    core_hours = captures * mean_cpu_s(kinds) / 3600
    size = sum(kind.share * kind.size for kind in kinds)
    return {
        "cpu_s_a_capture": mean_cpu_s(kinds),
        "core_hours": core_hours,
        "core_dollars": core_hours * DOLLARS_A_CORE_HOUR,
        "request_dollars": captures * DOLLARS_A_REQUEST,
        "bytes_a_capture": size,
        "bytes": captures * size,
        "bytes_a_core_second": size / mean_cpu_s(kinds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--captures", type=float, default=1e9)
    parser.add_argument("--fleets", nargs="+", default=["1000x4", "1000x16", "1000x64", "100x64"])
    parser.add_argument("--core", type=Path, metavar="FILE", help="of `one_core.py --json`")
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    measured = json.loads(options.core.read_text())["cpu_s"] if options.core else {}
    kinds = kinds_of(**{kind: measured[kind] for kind in measured if kind != "chat"})
    fleets: list[dict[str, Any]] = []
    for name in options.fleets:
        shards, _, cores = name.partition("x")
        fleets.append(
            fleet(options.captures, int(shards), int(cores), kinds, options.sample, options.seed)
        )
        print(json.dumps(fleets[-1]), flush=True)
    if options.json:
        found = {"arithmetic": arithmetic(options.captures, kinds), "fleets": fleets}
        write_json(options.json, found)


if __name__ == "__main__":
    main()
