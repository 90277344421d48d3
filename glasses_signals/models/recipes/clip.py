"""CLIP-type image/text pairs in ONNX: zero-shot classifiers, one class a label.

The text encoder runs once, here, over the labels in a prompt. Its embeddings become the last layer
of the image encoder, so that what is built is an image classifier like any other: pixels in,
probabilities of the labels out (Radford et al. 2021, arXiv:2103.00020, section 3.1.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest
from glasses_signals.models.recipes.labels import copy_labels
from glasses_signals.models.recipes.parity import parity_views, require
from glasses_signals.models.softmax import softmax

CONTEXT = 77  # tokens; CLIP's own
SCALE = 100.0  # what CLIP multiplies cosines by: its training clips the factor there
_MIN_OPSET = 13  # since then Softmax looks at one axis
_TEXTS_AT_ONCE = 64
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Join the encoders into `model.onnx`, and check it against the two run apart."""
    labels = copy_labels(manifest, out)
    prompt = str(manifest.recipe.get("prompt", "a photo of {}"))
    if "{}" not in prompt:
        raise BadModel(f"{manifest.path}: recipe.prompt {prompt!r} needs {{}} where the label goes")
    texts = _text_embeddings(manifest, sources, [prompt.format(label) for label in labels])
    scale = float(str(manifest.recipe.get("scale", SCALE)))
    onnx.save(_joined(manifest, sources["image"], texts * np.float32(scale)), out / "model.onnx")
    views = parity_views(int(str(manifest.input["size"])))
    reference = softmax(_image_embeddings(manifest, sources["image"], views) @ texts.T * scale)
    (found,) = _session(out / "model.onnx").run(None, {"images": views})
    return {
        "max_probability_difference": require(
            manifest, "max_probability_difference", float(np.abs(found - reference).max())
        ),
        "parity_views": float(len(views)),
        "labels": float(len(labels)),
    }


def _text_embeddings(
    manifest: Manifest, sources: Mapping[str, Path], texts: Sequence[str]
) -> NDArray[np.float32]:
    """Unit vectors float32 [texts, dimensions]."""
    tokenizer = Tokenizer.from_file(str(sources["tokenizer"]))
    context = int(str(manifest.recipe.get("context", CONTEXT)))
    tokenizer.enable_truncation(context)
    tokenizer.enable_padding(length=context, pad_id=int(str(manifest.recipe.get("pad", 0))))
    session = _session(sources["text"])
    types = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    found = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        encoded = tokenizer.encode_batch(list(texts[start : start + _TEXTS_AT_ONCE]))
        feeds = {}
        for node in session.get_inputs():
            if node.type not in types:
                raise BadModel(f"{sources['text']}: input {node.name} is {node.type}, not tokens")
            rows = [e.attention_mask if "mask" in node.name else e.ids for e in encoded]
            feeds[node.name] = np.array(rows, types[node.type])
        found.append(session.run(_output(manifest, "text_output", session), feeds)[0])
    return _unit(np.concatenate(found))


def _image_embeddings(
    manifest: Manifest, path: Path, views: NDArray[np.uint8]
) -> NDArray[np.float32]:
    session = _session(path)
    mean, std = _normalisation(manifest)
    pixels = (views.transpose(0, 3, 1, 2).astype(np.float32) - mean) / std
    (node,) = session.get_inputs()
    feed = pixels.astype(np.float16 if node.type == "tensor(float16)" else np.float32)
    return _unit(session.run(_output(manifest, "image_output", session), {node.name: feed})[0])


def _joined(manifest: Manifest, path: Path, labels: NDArray[np.float32]) -> onnx.ModelProto:
    """The image encoder between normalising and the labels' embeddings [labels, dimensions]."""
    model = onnx.load(path)
    graph = model.graph
    _require_usable(model, path)
    (pixels,) = graph.input
    kind = pixels.type.tensor_type.elem_type
    (embedding,) = _output(manifest, "image_output", _session(path))
    size = int(str(manifest.input["size"]))
    mean, std = _normalisation(manifest)
    constants = {"gs.mean": mean, "gs.std": std, "gs.labels": labels.T}
    before = [
        helper.make_node("Transpose", ["images"], ["gs.planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["gs.planes"], ["gs.floats"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["gs.floats", "gs.mean"], ["gs.centred"]),
        helper.make_node("Div", ["gs.centred", "gs.std"], ["gs.scaled"]),
        helper.make_node("Cast", ["gs.scaled"], [pixels.name], to=kind),
    ]
    after = [
        helper.make_node("Cast", [embedding], ["gs.embedding"], to=TensorProto.FLOAT),
        helper.make_node("LpNormalization", ["gs.embedding"], ["gs.unit"], axis=-1, p=2),
        helper.make_node("MatMul", ["gs.unit", "gs.labels"], ["gs.scores"]),
        helper.make_node("Softmax", ["gs.scores"], ["probabilities"], axis=-1),
    ]
    joined = helper.make_graph(
        [*before, *graph.node, *after],
        manifest.name,
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", size, size, 3])],
        [
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["batch", labels.shape[0]]
            )
        ],
        [
            *graph.initializer,
            *(numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items()),
        ],
    )
    made = helper.make_model(joined, opset_imports=model.opset_import, functions=model.functions)
    made.ir_version = model.ir_version
    onnx.checker.check_model(made)
    return made


def _require_usable(model: onnx.ModelProto, path: Path) -> None:
    """BadModel unless it takes one batch of pictures of any length, in a recent enough opset."""
    inputs = model.graph.input
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type not in _FLOATS:
        names = ", ".join(node.name for node in inputs)
        raise BadModel(f"{path}: its inputs are {names}; an image encoder takes pixels alone")
    if inputs[0].type.tensor_type.shape.dim[0].HasField("dim_value"):
        raise BadModel(f"{path}: its batch is fixed; export it with a dynamic first axis")
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if opset < _MIN_OPSET:
        raise BadModel(f"{path}: opset {opset} is too old; export it with {_MIN_OPSET} or later")


def _output(manifest: Manifest, key: str, session: ort.InferenceSession) -> list[str]:
    """The output that the manifest names, else the only one."""
    names = [node.name for node in session.get_outputs()]
    wanted = manifest.recipe.get(key)
    if wanted is None and len(names) == 1:
        return names
    if wanted not in names:
        raise BadModel(f"{manifest.path}: set recipe.{key} to one of {', '.join(names)}")
    return [str(wanted)]


def _normalisation(manifest: Manifest) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of pixels 0..255, float32 [1, 3, 1, 1] each."""
    mean, std = (
        np.array(manifest.input.get(key, default), np.float32).reshape(1, 3, 1, 1) * 255
        for key, default in (("mean", [0.0] * 3), ("std", [1.0] * 3))
    )
    return mean, std


def _session(path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    floats = vectors.astype(np.float32)
    unit: NDArray[np.float32] = floats / np.linalg.norm(floats, axis=-1, keepdims=True)
    return unit
