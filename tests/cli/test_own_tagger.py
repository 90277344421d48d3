"""`extract --tagger`: a model of the user's own says what photos show, from manifest to profile."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import PIL.Image
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from glasses_signals.models.build import build
from glasses_signals.profiles.files import read_profiles

Run = Callable[..., "subprocess.CompletedProcess[str]"]

CYCLING, COFFEE = "625", "377"
LABELS = {
    "red bicycle": f"{CYCLING}\t",
    "green cup": f"{COFFEE}\t",
    "blue sign": "\tsensitive:health",
}
COLOURS = ("red", "green", "blue")
MANIFEST = """
name = "colours"
kind = "clip"
licence = "mine"

[[source]]
name = "image"
file = "image.onnx"
sha256 = "{image}"

[[source]]
name = "text"
file = "text.onnx"
sha256 = "{text}"

[[source]]
name = "tokenizer"
file = "tokenizer.json"
sha256 = "{tokenizer}"

[input]
size = 16

[output]
table = "labels.tsv"

[recipe]
prompt = "{{}}"
context = 2

[parity]
max_probability_difference = 0.0001
"""


@pytest.fixture
def tagger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest of two encoders that know nothing but colours, built into a cache of its own."""
    folder = tmp_path / "tagger"
    folder.mkdir()
    save(folder / "image.onnx", ["batch", 3, 16, 16], mean_colour(), {})
    known = np.eye(2 + len(COLOURS), len(COLOURS), -2, np.float32)  # a row a token
    save(folder / "text.onnx", ["batch", 2], summed_words(), {"known": known})
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{word: 2 + i for i, word in enumerate(COLOURS)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    lines = [f"colours:{i}\t{name}\t{rest}\n" for i, (name, rest) in enumerate(LABELS.items())]
    (folder / "labels.tsv").write_text(f"class_id\tname\tinterests\tleft_out\n{''.join(lines)}")
    names = {"image": "image.onnx", "text": "text.onnx", "tokenizer": "tokenizer.json"}
    sums = {k: hashlib.sha256((folder / v).read_bytes()).hexdigest() for k, v in names.items()}
    (folder / "colours.toml").write_text(MANIFEST.format(**sums))
    monkeypatch.setenv("GLASSES_SIGNALS_CACHE", str(tmp_path / "cache"))
    build([str(folder / "colours.toml")], report=lambda line: None)
    return folder / "colours.toml"


def mean_colour() -> list[onnx.NodeProto]:
    pooled = helper.make_node("GlobalAveragePool", ["in"], ["pooled"])
    return [pooled, helper.make_node("Flatten", ["pooled"], ["out"])]


def summed_words() -> list[onnx.NodeProto]:
    words = helper.make_node("Gather", ["known", "in"], ["words"])
    return [words, helper.make_node("ReduceSum", ["words", "axis"], ["out"], keepdims=0)]


def save(
    path: Path, shape: list[str | int], nodes: list[onnx.NodeProto], arrays: dict[str, np.ndarray]
) -> None:
    kind = TensorProto.INT64 if arrays else TensorProto.FLOAT
    arrays = {**arrays, "axis": np.array([1])} if arrays else {}
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("in", kind, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", len(COLOURS)])],
        [numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def upload(folder: Path, account_id: str, colour: tuple[int, int, int]) -> None:
    folder.mkdir(parents=True)
    PIL.Image.new("RGB", (300, 300), colour).save(folder / "photo.png")
    item = {"path": "photo.png", "kind": "photo", "captured_at": "2026-01-05T10:00:00Z"}
    manifest = {"format": "glasses-upload/1", "upload_id": folder.name, "account_id": account_id}
    items = [{**item, "ai_interaction": True}]
    (folder / "upload.json").write_text(json.dumps({**manifest, "items": items}))


@pytest.mark.slow
def test_extract_goes_by_a_tagger_of_the_users(
    tagger: Path, samples: Path, tmp_path: Path, run: Run
) -> None:
    upload(tmp_path / "uploads" / "red", "acct-ada", (250, 20, 20))
    upload(tmp_path / "uploads" / "blue", "acct-ben", (20, 20, 250))
    arguments = ["--accounts", samples / "accounts.jsonl", "--out", tmp_path / "out"]
    arguments += ["--tagger", tagger, "--as-of", "2026-01-06T00:00:00Z", "--device", "cpu"]
    done = run("extract", tmp_path / "uploads", *arguments)
    assert done.returncode == 0, done.stderr
    ((_, profile),) = read_profiles(tmp_path / "out" / "profiles.jsonl")
    assert (profile["account_id"], [i["id"] for i in profile["interests"]]) == (
        "acct-ada",
        [CYCLING],
    )
    assert list(profile["producers"][0]["models"]) == ["colours"]
    report = json.loads((tmp_path / "out" / "run.json").read_text())
    assert report["counts"]["unused:sensitive:health"] == 1
    assert list(report["models"]) == ["colours"]
