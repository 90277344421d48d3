"""Simulates a night of a thousand million captures on a fleet, from service times measured here.

    python benchmarks/fleet.py [--captures 1e9] [--shards 1000] [--cores 2 4 8 16 64] [--sample 40]

Each shard is a machine with its accounts: units of 64 captures are fetched over its network, one
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
from dataclasses import dataclass
from typing import Any

import numpy as np

UNIT_ITEMS = 64
FETCH_AHEAD_UNITS = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """Of one kind of capture: how often, its bytes, and CPU seconds (docs/scale.md: one core)."""

    share: float
    size: float
    cpu_s: float
    spread: float  # standard deviation of a capture's CPU seconds over their mean


KINDS = (
    Kind(share=0.60, size=80e3, cpu_s=0.127, spread=0.6),  # 4 s of voice
    Kind(share=0.35, size=3e6, cpu_s=0.034, spread=0.2),  # 12 megapixels
    Kind(share=0.05, size=24e6, cpu_s=0.29, spread=0.5),  # 30 s of video with speech
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


def simulate(captures: int, accounts: int, cores: int, chance: random.Random, dies: bool) -> Night:
    """First come, first served, at the network, the cores and the ledger."""
    deaths = sorted([*_deaths(chance), *([captures / cores * 0.05] if dies else [])])
    free = [START_S] * cores
    started: list[float] = []  # when each unit left the fetched ones
    network = ledger = START_S
    busy = [0.0, 0.0, 0.0]
    redone = 0
    for number in range(-(-captures // UNIT_ITEMS)):
        size, work = _unit(chance)
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


def _unit(chance: random.Random) -> tuple[float, float]:
    """(bytes, CPU seconds) of one unit: many captures, so close to normally spread."""
    size = work = variance = 0.0
    left, unseen = UNIT_ITEMS, 1.0
    for kind in KINDS:
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


def fleet(captures: float, shards: int, cores: int, sample: int, seed: int) -> dict[str, Any]:
    accounts = int(captures / CAPTURES_AN_ACCOUNT / shards)
    nights = [
        # One machine of the sample dies for certain, as some of the fleet will.
        simulate(count, accounts, cores, random.Random(seed * 1000 + number), dies=number == 0)
        for number, count in enumerate(shard_captures(captures, shards, sample, seed))
    ]
    hours = [night.hours for night in nights]
    mean, spread = statistics.mean(hours), statistics.pstdev(hours)
    # The highest of n normal draws stands about sqrt(2 ln n) deviations over their mean.
    slowest = max(max(hours), mean + spread * float(np.sqrt(2 * np.log(shards))))
    cpu_s = sum(kind.share * kind.cpu_s for kind in KINDS)
    arithmetic = captures * cpu_s / (shards * cores) / 3600
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--captures", type=float, default=1e9)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--cores", type=int, nargs="+", default=[2, 4, 8, 16, 64])
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for cores in options.cores:
        result = fleet(options.captures, options.shards, cores, options.sample, options.seed)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
