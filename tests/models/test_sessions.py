"""Sessions run where they say they run, and travel to worker processes."""

import ctypes
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from glasses_signals.errors import BadModel
from glasses_signals.models.sessions import Session, cpu_flags, default_threads, resolve_device
from glasses_signals.models.store import open_model

CHUNK = {
    "input": np.zeros((1, 576), np.float32),
    "state": np.zeros((2, 1, 128), np.float32),
    "sr": np.array(16_000, np.int64),
}


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(open_model("silero-vad").file("step.onnx"), threads=1)


def test_a_session_says_which_provider_runs_it(session: Session) -> None:
    assert session.provider == "CPUExecutionProvider"
    assert session.inputs["input"] == ("float", ("batch", "sequence"))


def test_a_pickled_session_gives_the_same_answer(session: Session) -> None:
    travelled = pickle.loads(pickle.dumps(session))
    for ours, theirs in zip(session.run(CHUNK), travelled.run(CHUNK), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_bound_outputs_feed_a_next_run(session: Session) -> None:
    first = session.run_bound(CHUNK)
    second = session.run_bound({**CHUNK, "state": first["stateN"]}, outputs=["output"])
    expected = session.run({**CHUNK, "state": session.run(CHUNK)[1]})[0]
    assert list(second) == ["output"]
    np.testing.assert_array_equal(second["output"].numpy(), expected)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(BadModel, match=r"broken\.onnx"):
        Session(tmp_path / "broken.onnx")


def test_cuda_is_refused_rather_than_replaced_in_silence() -> None:
    if resolve_device("auto") == "cuda":
        assert resolve_device("cuda") == "cuda"
    else:
        with pytest.raises(BadModel, match="--device cpu"):
            resolve_device("cuda")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(BadModel, match="use auto, cpu or cuda"):
        resolve_device("tpu")


def test_cpu_flags_are_those_that_linux_tells_of() -> None:
    told = set(Path("/proc/cpuinfo").read_text().split())
    assert set(cpu_flags()) <= told
    assert ("avx2" in cpu_flags()) == ("avx2" in told)


@pytest.mark.parametrize(("told", "threads"), [("1", 1), ("3", 3)])
def test_threads_are_those_that_a_scheduler_grants(
    told: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert default_threads() == threads


@pytest.mark.parametrize("told", ["", "0", "-2", "all"])
def test_nonsense_about_threads_means_all_cores(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    all_cores = default_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert default_threads() == all_cores >= 1


# What the C library tells of its memory, once a session is open.
TELL = """
import ctypes, sys, threading
import numpy as np
from glasses_signals.models.sessions import Session
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
def tell(file):
    told = ctypes.c_void_p(libc.fopen(file.encode(), b"w"))
    libc.malloc_info(0, told)
    libc.fclose(told)
session = Session(sys.argv[1], threads=1)
"""
# Threads that all use memory at once.
COUNT_HEAPS = f"""{TELL}
all_there = threading.Barrier(6)
def use():
    block = np.ones(1 << 18, np.uint8)
    all_there.wait()
threads = [threading.Thread(target=use) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
tell(sys.argv[2])
"""
# Blocks of 3, 5 and 9 MiB.
HOLD_BLOCKS = f"""{TELL}
tell(sys.argv[2])
blocks = [np.ones(size << 20, np.uint8) for size in (3, 5, 9)]
tell(sys.argv[3])
"""
of_glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_info"), reason="another C library"
)


@of_glibc
def test_threads_share_freed_memory(tmp_path: Path) -> None:
    ours = {name: text for name, text in os.environ.items() if not name.startswith("MALLOC_")}
    model, told = open_model("silero-vad").file("step.onnx"), tmp_path / "heaps.xml"
    command = [sys.executable, "-c", COUNT_HEAPS, str(model), str(told)]

    def heaps(threads: str, **more: str) -> int:
        subprocess.run(command, env=ours | {"OMP_NUM_THREADS": threads} | more, check=True)
        return told.read_text().count("<heap ")

    assert heaps("2") == 1
    assert heaps("2", MALLOC_ARENA_MAX="4") == 4  # of one's own wish


@of_glibc
def test_blocks_over_four_mib_are_given_back_by_themselves(tmp_path: Path) -> None:
    ours = {name: text for name, text in os.environ.items() if not name.startswith("MALLOC_")}
    files = [tmp_path / "before.xml", tmp_path / "after.xml"]
    model = open_model("silero-vad").file("step.onnx")
    subprocess.run([sys.executable, "-c", HOLD_BLOCKS, model, *files], env=ours, check=True)
    mapped = [
        int(re.findall(r'<total type="mmap" count="(\d+)"', file.read_text())[-1]) for file in files
    ]
    assert mapped[1] - mapped[0] == 2
