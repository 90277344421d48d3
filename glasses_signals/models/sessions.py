"""ONNX Runtime sessions: the only place that knows its providers, threads and memory options."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from glasses_signals.errors import BadModel

ort.disable_telemetry_events()  # for a program that loaded it before this package

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_PROVIDERS = {"cpu": _CPU, "cuda": _CUDA}

# What decides which build of a model is fastest here: vector width and integer dot products.
_TELLING_FLAGS = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "sve"),
)

_INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"}  # integer dot products

# ONNX Runtime 1.32.0, [125, 416]: 269 us fused, 54 us as Add, Add, LayerNormalization.
_SLOWER_ON_A_CPU = ("SkipLayerNormFusion",)

_NUMPY_TYPES = {"float": np.float32, "float16": np.float16, "int8": np.int8, "uint8": np.uint8}

# ONNX model `y = Identity(x)`, x float32 [1] (IR 8, opset 17): small enough to try a device with.
_PROBE = bytes.fromhex(
    "08083a3b0a100a017812017922084964656e74697479120570726f62655a0f0a0178120a0a08080112040a02"
    "0801620f0a0179120a0a08080112040a02080142040a001011"
)


# glibc's `mallopt` options (malloc.h): see `_share_freed_memory`.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT_BYTES, _BLOCK_BYTES = 16 << 20, 4 << 20  # larger blocks are mapped and given back one by one


def cpu_flags() -> tuple[str, ...]:
    """The CPU's instruction sets that matter here, as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
    line = next((ln for ln in lines if ln.startswith(("flags", "Features"))), "")
    present = set(line.partition(":")[2].split())
    return tuple(flag for flag in _TELLING_FLAGS if flag in present)


def multiplies_integers(flags: Collection[str]) -> bool:
    """Whether a CPU adds up products of signed and unsigned 8-bit numbers exactly. Others with AVX2
    cut sums of two of them off at 16 bit."""
    return not _INT8_FLAGS.isdisjoint(flags)


def best_precision(device: str, flags: Collection[str], built: Collection[str]) -> str:
    """The variant of a model to run, of those that were built: half precision on CUDA, 8 bit where
    the CPU multiplies integers, unsigned 8 bit with AVX2 alone; float32 elsewhere, and where that
    one was not built. Measured: docs/speech.md."""
    if device == "cuda":
        best = "fp16"
    elif multiplies_integers(flags):
        best = "int8"
    else:
        best = "uint8" if "avx2" in flags and "avx512f" not in flags else "fp32"
    return best if best in built else "fp32"


def resolve_device(device: str) -> str:
    """Turn `auto`, `cpu` or `cuda` into the device to use, `cpu` or `cuda`.

    `auto` takes CUDA where a session really runs on it. BadModel when `cuda` was asked for and
    doesn't work, rather than running on the CPU in silence.
    """
    if device == "cpu":
        return "cpu"
    if device not in ("auto", "cuda"):
        raise BadModel(f"device {device!r} is unknown: use auto, cpu or cuda")
    problem = cuda_problem()
    if problem is None:
        return "cuda"
    if device == "cuda":
        raise BadModel(f"device cuda was asked for, but {problem}; or use --device cpu")
    return "cpu"


def default_threads() -> int:
    """Number of CPUs that this process may use: `OMP_NUM_THREADS` where it is set, as Ray does for
    its actors, or all that it may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class DeviceArray:
    """An array in the memory of the device that computed it; can be fed to further runs."""

    value: Any  # an onnxruntime OrtValue

    def numpy(self) -> NDArray[Any]:
        """The same shape and dtype in main memory: a copy, on the CPU possibly a view."""
        array: NDArray[Any] = self.value.numpy()
        return array

    @property
    def shape(self) -> tuple[int, ...]:
        """As numpy's."""
        return tuple(self.value.shape())


class Session:
    """One ONNX file ready to run on a device. Pickles as its arguments and reopens the file."""

    def __init__(
        self,
        path: str | Path,
        device: str = "cpu",
        threads: int | None = None,
        *,
        spin: bool = False,
        optimise: bool = True,
    ) -> None:
        """Load the file. `threads` for one run (None: all CPUs); `device` is `cpu` or `cuda`.

        `spin` lets idle threads burn their core while waiting for work: only right when nothing
        else (decoding, another session) wants the core. `optimise=False` runs the graph as it is.
        BadModel when the file is no model, or the device isn't really used.
        """
        self._arguments = (str(path), device, threads, spin, optimise)
        if device == "cuda":
            resolve_device(device)
        _share_freed_memory()
        try:
            self._session = ort.InferenceSession(
                str(path),
                sess_options=_options(threads or default_threads(), spin, optimise),
                providers=_providers(device),
                disabled_optimizers=_SLOWER_ON_A_CPU if device == "cpu" else (),
            )
        except Exception as error:  # its errors are plain RuntimeErrors of many kinds
            raise BadModel(f"{path}: can't load as an ONNX model on {device}: {error}") from error
        self.device = device
        self.provider: str = self._session.get_providers()[0]
        if self.provider != _PROVIDERS[device]:
            raise BadModel(f"{path}: asked for {device}, but ONNX Runtime chose {self.provider}")
        # name -> (dtype, shape with named or unknown axes), see `_spec`
        self.inputs = {node.name: _spec(node) for node in self._session.get_inputs()}
        self.outputs = {node.name: _spec(node) for node in self._session.get_outputs()}

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, self._arguments

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run on arrays in main memory, of the shapes and dtypes that `inputs` names; gives all
        outputs, in the file's order, as `outputs` names them, in main memory.
        """
        outputs: list[NDArray[Any]] = self._session.run(None, dict(feeds))
        return outputs

    def run_bound(
        self,
        feeds: Mapping[str, NDArray[Any] | DeviceArray],
        outputs: Collection[str] | None = None,
    ) -> dict[str, DeviceArray]:
        """As `run`; outputs (all, or those named) stay on the device, to feed to another run."""
        binding = self._session.io_binding()
        for name, fed in feeds.items():
            if isinstance(fed, DeviceArray):
                binding.bind_ortvalue_input(name, fed.value)
            else:
                binding.bind_cpu_input(name, np.ascontiguousarray(fed))
        names = list(self.outputs) if outputs is None else list(outputs)
        for name in names:
            binding.bind_output(name, self.device)
        self._session.run_with_iobinding(binding)
        return {
            name: DeviceArray(value)
            for name, value in zip(names, binding.get_outputs(), strict=True)
        }

    def run_into(
        self, feeds: Mapping[str, NDArray[Any]], outputs: Mapping[str, NDArray[Any]]
    ) -> None:
        """As `run`, on the CPU, outputs written in place: contiguous arrays of just the shape and
        dtype that the run gives.
        """
        binding = self._session.io_binding()
        for name, fed in feeds.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(fed))
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)

    def to_device(self, array: NDArray[Any]) -> DeviceArray:
        """A copy of the same shape and dtype on this session's device."""
        return DeviceArray(
            ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self.device, 0)
        )


@functools.cache
def _share_freed_memory() -> None:
    """Let lanes take over each other's freed memory, where glibc is the C library.

    By default it keeps a heap for each thread, so that what one lane frees lies idle while another
    asks for more, and gives much of it back in between, to be cleared and mapped anew. Large blocks
    are given back by themselves, as holes between them would grow over a long run. Measured on two
    cores, in as much time: docs/decisions.md. The environment's `MALLOC_...` goes before.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None and not any(name.startswith("MALLOC_") for name in os.environ):
        mallopt(_M_ARENA_MAX, max(1, default_threads() // 2))  # threads wait for one in use
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _reopen(path: str, device: str, threads: int | None, spin: bool, optimise: bool) -> Session:
    return Session(path, device, threads, spin=spin, optimise=optimise)


def _spec(node: Any) -> tuple[str, tuple[int | str | None, ...]]:
    """(`float`, (`batch`, 80, None)): element type and shape, named or unknown axes as they are."""
    return node.type.removeprefix("tensor(").removesuffix(")"), tuple(node.shape)


def zeros(dtype: str, shape: Sequence[int | str | None], sizes: Mapping[str, int]) -> NDArray[Any]:
    """An array that a session's `inputs` or `outputs` describe, its named axes as long as in
    `sizes`."""
    lengths = [sizes[axis] if isinstance(axis, str) else int(axis or 0) for axis in shape]
    return np.zeros(lengths, _NUMPY_TYPES[dtype])


def _options(threads: int, spin: bool, optimise: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = (
        ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        if optimise
        else ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    # Plans where arrays lie in one block for each new shape; most shapes differ here, and a block
    # that fits no other shape stays held (Moonshine's encoder: 77 MB instead of 37, no faster).
    options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors only: providers warn about every node placed on the CPU
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    return options


def _providers(device: str) -> list[Any]:
    if device == "cpu":
        return [_CPU]
    return [
        (
            _CUDA,
            {
                "arena_extend_strategy": "kSameAsRequested",
                "cudnn_conv_algo_search": "HEURISTIC",  # exhaustive search runs anew for each shape
                "use_tf32": "0",  # keeps float32 models within 0.01 of the CPU's answers
            },
        ),
        _CPU,
    ]


@functools.cache
def cuda_problem() -> str | None:
    """Why CUDA can't be used here, with the remedy; None when a session runs on it."""
    if _CUDA not in ort.get_available_providers():
        return "this onnxruntime is built without it: pip install onnxruntime-gpu in its place"
    ort.preload_dlls()  # finds CUDA and cuDNN libraries that pip installed
    try:
        session = ort.InferenceSession(_PROBE, _options(1, False, True), providers=[_CUDA])
        session.run(None, {"x": np.zeros(1, np.float32)})
    except Exception as error:
        return f"a trial run failed ({error}): check the driver, CUDA and cuDNN"
    if session.get_providers()[0] != _CUDA:
        return "its libraries don't load (no GPU, driver, CUDA or cuDNN): check `nvidia-smi`"
    return None
