"""Which variant of the graphs a machine gets, and that a device is really used."""

from __future__ import annotations

import pytest

from glasses_signals.errors import BadModel
from glasses_signals.models import sessions
from glasses_signals.models.sessions import Session, best_precision, cpu_flags, resolve_device
from glasses_signals.models.store import open_model
from glasses_signals.speech.model import WhisperModel
from glasses_signals.speech.transcriber import Transcriber


@pytest.mark.parametrize(
    ("device", "flags", "precision"),
    [
        ("cpu", ("avx2",), "uint8"),
        ("cpu", ("avx2", "avx512f"), "fp32"),
        ("cpu", ("avx2", "avx_vnni"), "int8"),
        ("cpu", ("avx2", "avx512f", "avx512_vnni"), "int8"),
        ("cpu", ("avx2", "avx512f", "avx512_vnni", "amx_int8"), "int8"),
        ("cpu", ("asimddp",), "fp32"),
        ("cpu", ("asimddp", "i8mm"), "int8"),
        ("cpu", (), "fp32"),
        ("cuda", ("avx2", "avx512_vnni"), "fp16"),
    ],
)
def test_the_variant_follows_device_and_flags(
    device: str, flags: tuple[str, ...], precision: str
) -> None:
    assert best_precision(device, flags, ("fp32", "int8", "uint8", "fp16")) == precision
    assert best_precision(device, flags, ("fp32",)) == "fp32"


def test_every_variant_that_can_be_chosen_is_built() -> None:
    built = open_model("whisper-base")
    assert built.precisions == {"fp32", "int8", "uint8", "fp16"}
    assert not open_model("silero-vad").precisions
    for precision in built.precisions:
        for graph in ("encoder", "decoder", "past_rows", "cross_rows"):
            assert built.file(f"{graph}.{precision}.onnx").is_file()


def test_the_variant_in_use_is_named_with_the_model(transcriber: Transcriber) -> None:
    built = open_model("whisper-base").precisions
    assert f"whisper-base-{best_precision('cpu', cpu_flags(), built)}" in transcriber.models
    assert transcriber.provider == "CPUExecutionProvider"


def test_a_silent_fall_back_to_the_cpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    path = open_model("whisper-base").file("past_rows.fp16.onnx")
    if resolve_device("auto") == "cuda":
        assert Session(path, "cuda").provider == "CUDAExecutionProvider"
        return
    # As if the trial run had passed: ONNX Runtime then takes the CPU and only warns.
    monkeypatch.setattr(sessions, "cuda_problem", lambda: None)
    with pytest.warns(UserWarning), pytest.raises(BadModel, match="asked for cuda, but"):
        Session(path, "cuda")
    with pytest.warns(UserWarning), pytest.raises(BadModel, match="asked for cuda, but"):
        WhisperModel(open_model("whisper-base"), "cuda")
