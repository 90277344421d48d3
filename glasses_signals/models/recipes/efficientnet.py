"""Image classifiers: EfficientNet-Lite, or any architecture of torchvision or timm by name.

Pixels go in as they are decoded (uint8, height before channels); normalising and softmax are part
of the graph, so that callers can't get them wrong. Two files: `model.onnx` for CPUs (float32) and
`model_fp16.onnx` for CUDA.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest
from glasses_signals.models.recipes.labels import copy_labels
from glasses_signals.models.recipes.parity import parity_views, require

OPSET = 18


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Export, check against torch on 50 views of real photos, and copy the label list beside."""
    classes = len(copy_labels(manifest, out))
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
    if manifest.kind == "efficientnet_lite":
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name(str(manifest.recipe["variant"]))
    elif manifest.kind == "timm":
        network = _timm_network(manifest)
    else:
        network = _torchvision_network(manifest)
    try:
        network.load_state_dict(_state(weights))
    except RuntimeError as error:
        raise BadModel(
            f"{weights} does not fit the architecture of {manifest.path}: {error}"
        ) from None
    return network.eval()


def _state(weights: Path) -> Any:
    """A state dict: safetensors, a torch file of it, or a checkpoint that holds it."""
    if weights.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(weights)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    return state.get("state_dict", state)


def _timm_network(manifest: Manifest) -> torch.nn.Module:
    """A timm classifier, untrained. BadModel when the architecture's name is unknown."""
    import_torchvision_models()  # timm needs it
    import timm

    architecture = str(manifest.recipe.get("architecture", ""))
    if not timm.is_model(architecture):
        raise BadModel(f"{manifest.path}: timm has no classifier {architecture!r}")
    return timm.create_model(architecture, pretrained=False, **_arguments(manifest))


def _arguments(manifest: Manifest) -> dict[str, object]:
    return {key: value for key, value in manifest.recipe.items() if key != "architecture"}


def _torchvision_network(manifest: Manifest) -> torch.nn.Module:
    """A torchvision classifier, untrained. BadModel when the architecture's name is unknown."""
    models = import_torchvision_models()
    architecture = str(manifest.recipe.get("architecture", ""))
    if architecture not in models.list_models(module=models):
        raise BadModel(f"{manifest.path}: torchvision has no classifier {architecture!r}")
    return models.get_model(architecture, weights=None, **_arguments(manifest))


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


def _run(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answers: NDArray[np.float32] = session.run(None, {"images": images})[0]
    return answers


def _agreement(answers: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    return float((answers.argmax(axis=1) == reference.argmax(axis=1)).mean())
