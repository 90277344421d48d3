"""A build that differs from its reference is refused, wherever the difference is the graph's."""

from pathlib import Path

import pytest

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest, load_manifest
from glasses_signals.models.recipes import parity
from glasses_signals.models.recipes.parity import require


@pytest.fixture
def whisper() -> Manifest:
    return load_manifest(Path(__file__).parents[2] / "models" / "whisper-base.toml")


def test_bounds_are_largest_values_unless_said_otherwise(whisper: Manifest) -> None:
    assert require(whisper, "encoder_error_fp32", 0.0001) == 0.0001
    assert require(whisper, "same_tokens_fp32", 1.0, at_least=True) == 1.0
    with pytest.raises(BadModel, match=r"encoder_error_fp32 is 0.0002.* at most 0.0001"):
        require(whisper, "encoder_error_fp32", 0.0002)
    with pytest.raises(BadModel, match=r"same_tokens_fp32 is 0.99.* at least 1"):
        require(whisper, "same_tokens_fp32", 0.99, at_least=True)


def test_a_bound_must_be_there(whisper: Manifest) -> None:
    with pytest.raises(BadModel, match="needs same_tokens_fp64"):
        require(whisper, "same_tokens_fp64", 1.0, at_least=True)


@pytest.mark.parametrize("flags", [("avx2",), ("avx2", "avx512f")])
def test_8_bit_is_held_to_its_bounds_only_where_it_runs(
    whisper: Manifest, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    monkeypatch.setattr(parity, "cpu_flags", lambda: flags)
    assert require(whisper, "same_tokens_int8", 0.1, at_least=True) == 0.1
    with pytest.raises(BadModel, match="same_tokens_fp32"):
        require(whisper, "same_tokens_fp32", 0.1, at_least=True)
    monkeypatch.setattr(parity, "cpu_flags", lambda: (*flags, "avx512_vnni"))
    with pytest.raises(BadModel, match="same_tokens_int8"):
        require(whisper, "same_tokens_int8", 0.1, at_least=True)
