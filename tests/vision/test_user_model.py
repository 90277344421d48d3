"""Classifiers of the user's by manifest, with random weights: torchvision, timm, a CLIP-type pair.

The manifests are those of docs/how-to/models-and-gpus.md.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasses_signals.errors import BadModel
from glasses_signals.interests.label_mapper import LabelMapper, label_mapper
from glasses_signals.media.photo import decode_photo
from glasses_signals.models.build import build
from glasses_signals.models.manifest import load_manifest, manifests_dir
from glasses_signals.records import Image
from glasses_signals.vision.tagger import Tagger, VisionSettings

COFFEE = manifests_dir() / "parity" / "coffee.jpg"
NAMES = ("bicycle wheel", "coffee cup", "clinic sign")
TABLE = (
    "class_id\tname\tinterests\tleft_out\n"
    "my:0\tbicycle wheel\t625\t\n"
    "my:1\tcoffee cup\t377\t\n"
    "my:2\tclinic sign\t\tsensitive:health\n"
)
MANIFEST = """
name = "my"
kind = "{kind}"
licence = "mine"

[[source]]
name = "weights"
file = "{file}"
sha256 = "{sha256}"

[input]
size = 64
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[output]
labels = "my-labels.txt"
table = "my-table.tsv"

[recipe]
architecture = "{architecture}"
num_classes = 3

[parity]
min_top1_agreement = 0.9
max_probability_difference = 0.001
min_fp16_top1_agreement = 0.8
"""
CLIP_MANIFEST = """
name = "my-clip"
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
size = 64
mean = [0.481, 0.458, 0.408]
std = [0.269, 0.261, 0.276]

[output]
{output}

[recipe]
prompt = "a photo of {{}}"
context = 16

[parity]
max_probability_difference = 0.0001
"""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def torchvision_weights(folder: Path) -> Path:
    """A squeezenet of random weights: the smallest classifier that torchvision has."""
    import torch

    from glasses_signals.models.recipes.efficientnet import import_torchvision_models

    torch.manual_seed(0)
    model = import_torchvision_models().get_model("squeezenet1_1", weights=None, num_classes=3)
    torch.save(model.state_dict(), folder / "torchvision.pth")
    return folder / "torchvision.pth"


def timm_weights(folder: Path) -> Path:
    """The smallest ResNet of timm with random weights, as safetensors like timm's own files."""
    import torch
    from safetensors.torch import save_file

    from glasses_signals.models.recipes.efficientnet import import_torchvision_models

    import_torchvision_models()
    import timm

    torch.manual_seed(0)
    model = timm.create_model("test_resnet", pretrained=False, num_classes=3)
    save_file(model.state_dict(), folder / "timm.safetensors")
    return folder / "timm.safetensors"


ARCHITECTURES = {
    "torchvision": ("squeezenet1_1", torchvision_weights),
    "timm": ("test_resnet", timm_weights),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("user-model")
    (made / "my-labels.txt").write_text("".join(f"{name}\n" for name in NAMES))
    (made / "my-table.tsv").write_text(TABLE)
    return made


@pytest.fixture(autouse=True)
def own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASSES_SIGNALS_CACHE", str(folder / "cache"))


def manifest(folder: Path, kind: str, file: Path, architecture: str) -> str:
    path = folder / f"{kind}-{architecture}.toml"
    path.write_text(
        MANIFEST.format(kind=kind, file=file.name, sha256=sha256(file), architecture=architecture)
    )
    return str(path)


def tag(*arguments: object) -> dict[str, Any]:
    """What `glasses-signals tag` says about the coffee."""
    done = subprocess.run(
        [sys.executable, "-m", "glasses_signals", "tag", "--json", *map(str, arguments), COFFEE],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_classifier_of_the_users_is_built_and_tags(folder: Path, kind: str) -> None:
    architecture, weights = ARCHITECTURES[kind]
    name = manifest(folder, kind, weights(folder), architecture)
    build([name], report=lambda line: None)
    found = tag("--model", name)
    assert {label["label"] for label in found["labels"]} <= set(NAMES)
    assert sum(label["probability"] for label in found["labels"]) == pytest.approx(1, abs=0.03)
    assert found["excluded"] == "sensitive:health"  # a third for the clinic sign is enough to fear


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_an_architecture_that_the_library_lacks_is_refused(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    """By the recipe; that what it refuses comes out of its process is the next test's."""
    from glasses_signals.models.recipes import efficientnet

    weights = ARCHITECTURES[kind][1](folder)
    wanted = load_manifest(manifest(folder, kind, weights, "resnet_of_dreams"))
    with pytest.raises(BadModel, match=f"{kind} has no classifier 'resnet_of_dreams'"):
        efficientnet.build(wanted, tmp_path, {"weights": weights})


def test_weights_of_another_architecture_are_refused(folder: Path) -> None:
    name = manifest(folder, "torchvision", torchvision_weights(folder), "mnasnet0_5")
    with pytest.raises(BadModel, match="does not fit the architecture"):
        build([name], report=lambda line: None)


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    """A tiny pair of encoders of random weights: `image.onnx`, `text.onnx`, `tokenizer.json`."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Path(__file__).parents[2] / "glasses_signals" / "vision" / "data" / "taxonomy.txt"
    known = sorted({*f"a photo of {words.read_text()} {' '.join(NAMES)}".lower().split()})
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{word: i + 2 for i, word in enumerate(known)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))

    class Text(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(len(vocabulary), 32)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            weights = attention_mask[..., None].float()
            return (self.embedding(input_ids) * weights).sum(1) / weights.sum(1)

    torch.manual_seed(0)
    image = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 8, stride=8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 32),
    )
    batch = {0: torch.export.Dim("batch", min=1, max=4096)}
    tokens = torch.ones(2, 16, dtype=torch.int64)
    for name, model, example, axes in (
        ("image", image, (torch.zeros(2, 3, 64, 64),), (batch,)),
        ("text", Text(), (tokens, tokens.clone()), (batch, batch)),
    ):
        torch.onnx.export(
            model.eval(),
            example,
            str(folder / f"{name}.onnx"),
            dynamic_shapes=axes,
            external_data=False,
            dynamo=True,
        )
    return folder


def clip_manifest(folder: Path, output: str, file: str = "clip.toml") -> str:
    sums = {
        name: sha256(folder / f"{name}.{suffix}")
        for name, suffix in (("image", "onnx"), ("text", "onnx"), ("tokenizer", "json"))
    }
    (folder / file).write_text(CLIP_MANIFEST.format(**sums, output=output))
    return str(folder / file)


def test_a_clip_pair_tags_with_the_names_of_the_taxonomy(clip: Path) -> None:
    name = clip_manifest(clip, 'labels = "taxonomy"\ntable = "taxonomy"')
    sharper = Path(name).read_text().replace("context = 16", "context = 16\nscale = 300.0")
    Path(name).write_text(sharper)  # random embeddings lie close together
    build([name], report=lambda line: None)
    found = tag("--model", name)
    assert len(found["labels"]) >= 1
    (labels,) = Tagger(VisionSettings(model=name, device="cpu")).tag(
        [decode_photo(COFFEE.read_bytes(), COFFEE.name)]
    )
    mapper = label_mapper(name)
    assert {mapper.rows[label.class_id].name for label in labels} == {x.name for x in labels}


def test_a_clip_pair_tags_with_labels_of_the_users(clip: Path) -> None:
    """The probabilities are those that the two encoders give when run apart."""
    import onnxruntime as ort
    from tokenizers import Tokenizer

    (clip / "clip-table.tsv").write_text(TABLE.replace("my:", "my-clip:"))
    name = clip_manifest(clip, 'table = "clip-table.tsv"', "own.toml")
    build([name], report=lambda line: None)
    tagger = Tagger(VisionSettings(model=name, device="cpu", floor=0.0))
    pixels = np.full((64, 64, 3), 90, np.uint8)
    pixels[20:40] = (200, 30, 60)
    (labels,) = tagger.tag([Image(pixels, 64, 64)])

    tokenizer = Tokenizer.from_file(str(clip / "tokenizer.json"))
    tokenizer.enable_padding(length=16)
    encoded = tokenizer.encode_batch([f"a photo of {label}" for label in NAMES])
    ids, mask = (np.array([getattr(e, k) for e in encoded]) for k in ("ids", "attention_mask"))
    (texts,) = ort.InferenceSession(str(clip / "text.onnx")).run(
        None, {"input_ids": ids, "attention_mask": mask}
    )
    mean, std = (np.array(v, np.float32) for v in ([0.481, 0.458, 0.408], [0.269, 0.261, 0.276]))
    planes = ((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1)[None]
    session = ort.InferenceSession(str(clip / "image.onnx"))
    (seen,) = session.run(None, {session.get_inputs()[0].name: planes.astype(np.float32)})
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (seen, texts)]
    scores = np.exp(100 * (unit[0] @ unit[1].T)[0])
    expected = dict(zip(NAMES, scores / scores.sum(), strict=True))
    assert {x.name: x.probability for x in labels} == pytest.approx(expected, abs=1e-4)
    assert {x.class_id for x in labels} == {"my-clip:0", "my-clip:1", "my-clip:2"}


def test_a_table_given_on_the_command_line_replaces_lines(tmp_path: Path) -> None:
    table = tmp_path / "mine.tsv"
    table.write_text("class_id\tname\tinterests\tleft_out\nimagenet:967\tespresso\t\teveryday\n")
    mapper = LabelMapper(tables=["imagenet", str(table)])
    assert mapper.rows["imagenet:967"].left_out == "everyday"
    assert mapper.rows["imagenet:966"] == LabelMapper(tables=["imagenet"]).rows["imagenet:966"]


def test_a_model_with_classes_of_no_table_is_refused(clip: Path) -> None:
    short = "".join(TABLE.splitlines(keepends=True)[:3]).replace("my:", "my-clip:")
    (clip / "short.tsv").write_text(short)
    name = clip_manifest(clip, 'labels = "my-labels.txt"\ntable = "short.tsv"', "short.toml")
    build([name], report=lambda line: None)
    with pytest.raises(BadModel, match=r"1 of the 3 classes .* such as my-clip:2 \(clinic sign\)"):
        label_mapper(name)
    assert {label["label"] for label in tag("--model", name, "--labels", labels(clip))["labels"]}


def labels(folder: Path) -> str:
    path = folder / "rest.tsv"
    path.write_text("class_id\tname\tinterests\tleft_out\nmy-clip:2\tsign\t\teveryday\n")
    return str(path)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ('table = "gone.tsv"', "output.table 'gone.tsv' is none of ours and no file"),
        ('labels = "gone.txt"', "output.labels 'gone.txt' is none of ours and no file"),
        ('table = "imagenet"', "needs labels"),
    ],
)
def test_a_clip_manifest_without_its_labels_is_refused(
    clip: Path, output: str, reason: str
) -> None:
    with pytest.raises(BadModel, match=reason):
        build([clip_manifest(clip, output, "wrong.toml")], report=lambda line: None)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("class_id\tname\tinterests\nmy:0\twheel\t625\n", "no column 'left_out'"),
        ("", "no column 'class_id', or no lines"),
        (f"{TABLE}my:3\tsaint\t999999\t\n", "line 5: my:3: 999999 is no Interest node"),
        (f"{TABLE}my:3\tballot\t530\t\n", r"line 5: my:3: 530 \(Elections\) is a sensitive node"),
        (f"{TABLE}my:3\tman\t5\t\n", "5 is no Interest node"),
        (f"{TABLE}my:3\tthing\t\t\n", "interests or a reason to leave it out"),
        (f"{TABLE}my:3\tthing\t625\teveryday\n", "interests or a reason to leave it out"),
        (f"{TABLE}my:3\tthing\t\tsensitive:gossip\n", "'gossip' is no topic"),
        (f"{TABLE}my:3\tthing\n", "line 5: not 4 fields"),
        (f"{TABLE}my:3\tthing\t625\t\textra\n", "line 5: not 4 fields"),
        (f"{TABLE}\tthing\t625\t\n", "line 5: no class_id"),
    ],
)
def test_a_wrong_table_is_refused_with_place_and_reason(
    tmp_path: Path, table: str, reason: str
) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text(table)
    with pytest.raises(BadModel, match=reason):
        LabelMapper(tables=[str(path)])


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"gone\.tsv can't be read"):
        LabelMapper(tables=[str(tmp_path / "gone.tsv")])
