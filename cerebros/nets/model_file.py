"""Trained networks as two documents: weights (safetensors) and a description (JSON).

The description holds the explicit architecture and the feature encoding, so
that a model can be loaded and predict from raw columns without the search.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import compress

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from cerebros.data.dataset import Column
from cerebros.data.features import Encoding
from cerebros.errors import ArtifactCorrupt
from cerebros.nets.module import CerebrosNet
from cerebros.nets.wiring import Architecture


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model without its weights."""

    format: int
    architecture: Architecture
    encoding: Encoding
    weights_sha256: str


class Model:
    """A network with its encoding, which predicts from raw columns."""

    def __init__(self, net: CerebrosNet, encoding: Encoding) -> None:
        self.net = net.eval()
        self.encoding = encoding

    def predict(self, columns: Mapping[str, Column]) -> NDArray[np.object_] | NDArray[np.float64]:
        """Predict class names, (n,), with several as `a|b` and none as "", or values in the target's unit, (n,)."""
        return self.answer(self.encoding.encode(columns))

    @torch.inference_mode()
    def answer(self, inputs: NDArray[np.float32]) -> NDArray[np.object_] | NDArray[np.float64]:
        """Predict from encoded rows, (n, width), as `predict` does from columns."""
        answers = self.net(torch.from_numpy(inputs))
        if self.encoding.several:
            rows = (answers > 0).numpy()  # a logit above 0 is a chance above one half
            return np.array(["|".join(compress(self.encoding.classes, row)) for row in rows], dtype=object)
        if self.encoding.classes:
            names: NDArray[np.object_] = np.array(self.encoding.classes, dtype=object)
            chosen: NDArray[np.object_] = names[answers.argmax(dim=1).numpy()]
            return chosen
        values: NDArray[np.float64] = answers[:, 0].double().numpy()
        return values * self.encoding.target_deviation + self.encoding.target_mean


def weights_bytes(net: CerebrosNet) -> bytes:
    """Encode a network's weights in safetensors format."""
    return save_tensors({name: tensor.cpu().contiguous() for name, tensor in net.state_dict().items()})


def load_model(description: bytes, weights: bytes) -> Model:
    """Rebuild a model from its two documents.

    Raises:
        ArtifactCorrupt: the weights do not have the digest in the description, or one of the documents is
            not what `Description` and `weights_bytes` make.
    """
    try:
        facts = msgspec.json.decode(description, type=Description)
    except msgspec.DecodeError as problem:
        raise ArtifactCorrupt(f"a model's description of {len(description)} bytes is unreadable: {problem}") from None
    actual = hashlib.sha256(weights).hexdigest()
    if actual != facts.weights_sha256:  # safetensors loads flipped bits without a word
        raise ArtifactCorrupt(f"weights have sha256 {actual}, their description says {facts.weights_sha256}")
    net = CerebrosNet(facts.architecture)
    try:
        net.load_state_dict(load_tensors(weights))
    except (SafetensorError, RuntimeError) as problem:  # the second: other tensors than the architecture has
        raise ArtifactCorrupt(f"weights {actual} are not those of their description: {problem}") from None
    return Model(net, facts.encoding)


def onnx_bytes(model: Model) -> bytes:
    """Export a network as ONNX; `inputs` is (batch, width) float32, encoded as the description says.

    This needs the extra `onnx` and takes seconds, as the exporter traces the network.
    """
    # Two rows, so that the exporter does not take the batch size for a constant 1.
    program = torch.onnx.export(
        model.net,
        (torch.zeros(2, model.encoding.width),),
        input_names=["inputs"],
        output_names=["answers"],
        dynamic_shapes={"inputs": {0: "batch"}},
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    return program.model_proto.SerializeToString()
