"""EfficientNet-Lite as an ONNX graph, from its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bowerbird.adapters.encoder.reduction import directions

Weights = Mapping[str, NDArray[Any]]

OPSET = 17
DIM = 256

REDUCTION = 32
"""How many times smaller the last map is than the input."""

EPSILON = 1e-3
"""Of the batch normalisation, as trained; PyTorch's usual 1e-5 is wrong for these weights."""


class Shape(NamedTuple):
    depth: float
    """How much longer than Lite0's the stages are, the first and last excepted."""
    size: int
    """Side of the input in pixels."""


SHAPES = {"lite0": Shape(1.0, 224), "lite2": Shape(1.2, 260)}

# Repeats and stride of each stage (EfficientNet, Tan and Le 2019, table 1); the rest is read off the weights.
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))


class Graph:
    """Nodes and constants under way; every method adds to them and gives the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any] | np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, x: str, weights: Weights, conv: str, norm: str, stride: int = 1, relu: bool = True) -> str:
        """A convolution with its batch normalisation folded in, clipped to 0..6 unless `relu` is off."""
        kernel = weights[f"{conv}.weight"]
        scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
        bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        folded = self.constant(f"{conv}.weight", (kernel * scale[:, None, None, None]).astype(np.float32))
        side = kernel.shape[-1]
        depthwise = kernel.shape[1] == 1
        out = self.node(
            "Conv",
            [x, folded, self.constant(f"{conv}.bias", bias.astype(np.float32))],
            f"{conv}.out",
            kernel_shape=[side, side],
            strides=[stride, stride],
            group=kernel.shape[0] if depthwise else 1,
            # The same on both sides. The weights come from TensorFlow, which puts an odd pixel on the far side,
            # but they measure better so: P@10 on photographs by 0.01 to 0.03, and more classes right.
            pads=[side // 2] * 4,
        )
        return self.node("Clip", [out, "zero", "six"], f"{conv}.relu6") if relu else out


def build(weights: Weights, variant: str) -> bytes:
    """A serialised model from `pixels` to `vectors`, (n, 256) L2-normalised, and `probabilities`, (n, 1000)."""
    graph = Graph()
    x, last = network(graph, weights, variant)
    classes = len(weights["_fc.bias"])
    head = [graph.constant(name, weights[name]) for name in ("_fc.weight", "_fc.bias")]
    mean = graph.node("ReduceMean", [x], "features", axes=[2, 3], keepdims=0)
    graph.node("Softmax", [graph.node("Gemm", [mean, *head], "logits", transB=1)], "probabilities", axis=-1)
    chosen = graph.constant("directions", directions(weights, last, DIM).astype(np.float32))
    reduced = graph.node("MatMul", [_pool(graph, x, variant), chosen], "reduced")
    graph.node("LpNormalization", [reduced], "vectors", axis=1, p=2)
    side = SHAPES[variant].size
    made = helper.make_graph(
        graph.nodes,
        f"efficientnet-{variant}",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", side, side, 3])],
        [
            helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", DIM]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", classes]),
        ],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _pool(graph: Graph, x: str, variant: str) -> str:
    """The generalised mean of power 3/2 (Radenović et al. 2018) over the map, the middle weighing most.

    It listens more to where a feature is strong; and a subject is more often in the middle.
    """
    side = math.ceil(SHAPES[variant].size / REDUCTION)
    bell = np.exp(-(np.linspace(-1, 1, side) ** 2) / 2)
    weight = np.outer(bell, bell)[None, None] / bell.sum() ** 2
    raised = graph.node("Mul", [x, graph.node("Sqrt", [x], "roots")], "raised")
    weighted = graph.node("Mul", [raised, graph.constant("centre", weight.astype(np.float32))], "weighted")
    summed = graph.node("ReduceSum", [weighted, graph.constant("axes", np.array([2, 3]))], "summed", keepdims=0)
    return graph.node("Pow", [summed, graph.constant("lower", np.float32(2 / 3))], "pooled")


def network(graph: Graph, weights: Weights, variant: str) -> tuple[str, str]:
    """From `pixels`, (n, size, size, 3) uint8, to the last feature map, (n, 1280, side, side), and the last block."""
    graph.constant("zero", np.float32(0))
    graph.constant("six", np.float32(6))
    graph.constant("mean", np.float32(127))
    graph.constant("deviation", np.float32(128))
    x = graph.node("Cast", ["pixels"], "pixels.float", to=TensorProto.FLOAT)
    x = graph.node("Sub", [x, "mean"], "pixels.centred")
    x = graph.node("Div", [x, "deviation"], "pixels.scaled")
    x = graph.node("Transpose", [x], "pixels.planes", perm=[0, 3, 1, 2])
    x = graph.convolution(x, weights, "_conv_stem", "_bn0", stride=2)
    index = 0
    for stage, (repeats, stride) in enumerate(STAGES):
        inner = 0 < stage < len(STAGES) - 1
        for step in range(math.ceil(repeats * SHAPES[variant].depth) if inner else repeats):
            x = _block(graph, x, weights, f"_blocks.{index}", stride if step == 0 else 1, skip=step > 0)
            index += 1
    return graph.convolution(x, weights, "_conv_head", "_bn1"), f"_blocks.{index - 1}"


def _block(graph: Graph, x: str, weights: Weights, name: str, stride: int, skip: bool) -> str:
    """An inverted residual block (Sandler et al. 2018)."""
    y = x
    if f"{name}._expand_conv.weight" in weights:
        y = graph.convolution(y, weights, f"{name}._expand_conv", f"{name}._bn0")
    y = graph.convolution(y, weights, f"{name}._depthwise_conv", f"{name}._bn1", stride)
    y = graph.convolution(y, weights, f"{name}._project_conv", f"{name}._bn2", relu=False)
    return graph.node("Add", [x, y], f"{name}.sum") if skip else y
