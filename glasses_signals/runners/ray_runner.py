"""The runner on a Ray cluster: the same operator in actors that hold decode workers and models.

Ray starts actors anew that die with their node, and gives their units to others. The ledger stays
with the driver, which stores units as they come back: what it stores doesn't depend on their order.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from glasses_signals.core_dumps import forbid_core_dumps
from glasses_signals.errors import CannotStart
from glasses_signals.media.pool import DecodePool
from glasses_signals.runners.admission import Admitted
from glasses_signals.runners.local import decoded
from glasses_signals.runners.units import UnitOperator, UnitResult, gather, weight
from glasses_signals.uploads.local import LocalUploads

CONNECT_S = 10.0  # that a cluster may take to answer; Ray itself tries for minutes


class _UnitActor:
    """A `map_batches` callable: pickled units in, pickled results out, models kept between calls.

    The pickles are made by the driver and these actors alone; no upload is ever unpickled.
    """

    def __init__(self, operator: UnitOperator, decode_workers: int) -> None:
        forbid_core_dumps()
        self._operator = operator
        pool = DecodePool(decode_workers, operator.decode_settings)
        self._pool = pool.__enter__()  # ends when the actor's process does

    def __call__(self, batch: Any) -> dict[str, list[bytes]]:
        return {"result": [pickle.dumps(self._finish(unit)) for unit in batch["unit"].to_pylist()]}

    def _finish(self, pickled: bytes) -> UnitResult:
        unit: list[Admitted] = pickle.loads(pickled)
        return self._operator(list(decoded(unit, LocalUploads(None), self._pool)))


def run_on_ray(
    admitted: Iterator[Admitted],
    operator: UnitOperator,
    unit_items: int,
    decode_workers: int,
    address: str | None = None,
    gpus: float = 0.0,
) -> Iterator[UnitResult]:
    """Finish units on the cluster at `address`, or on a local one; in the order they are done.

    Media must lie where every node finds them under the same path. Raises CannotStart.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise CannotStart("Ray is not installed: pip install 'glasses-signals[ray]'") from None
    if not ray.is_initialized():
        _check_answers(address)
        try:
            ray.init(address=address, include_dashboard=False, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise CannotStart(f"no Ray cluster answers at {address}: {error}") from None
    units = [{"unit": pickle.dumps(unit)} for unit in gather(admitted, unit_items, weight)]
    if not units:
        return
    ray.data.DataContext.get_current().enable_progress_bars = False
    results = ray.data.from_items(units, override_num_blocks=len(units)).map_batches(
        _UnitActor,
        fn_constructor_args=(operator, decode_workers),
        batch_size=1,
        batch_format="pyarrow",
        **actor_resources(gpus, ray.cluster_resources()),
    )
    for row in results.iter_rows():
        yield pickle.loads(row["result"])


def _check_answers(address: str | None) -> None:
    """Raises CannotStart when nothing listens at `HOST:PORT`: Ray itself tries for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):  # none, `auto`, or a form that Ray judges
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except OSError as error:
        raise CannotStart(f"no Ray cluster answers at {address}: {error}") from None


def actor_resources(gpus: float, cluster: Mapping[str, float]) -> dict[str, Any]:
    """What each actor asks for, and from one up to how many of them the cluster can hold."""
    kind, each = ("GPU", gpus) if gpus else ("CPU", 1.0)
    most = max(1, int(cluster.get(kind, 0) / each))
    return {"num_gpus" if gpus else "num_cpus": each, "concurrency": (1, most)}
