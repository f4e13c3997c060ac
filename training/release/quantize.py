"""fp32 graph -> int8 graph, and back for comparison.

Dynamic quantisation of the linear layers alone: weights int8 per output channel, activations uint8
by the range seen in each run. LayerNorm, GELU, softmax and the residual stream stay fp32, as do the
layers that the caller names: a ViT loses accuracy where they do not. Weights take 7 of the 8 bits:
x86 processors without VNNI add pairs of products in 16 bits, where 8 would overflow, and a face
that looks 40 on one machine would look 43 on another.
"""

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

FUSED_PRODUCT: Final = "DynamicQuantizeMatMul"
"""Operator of onnxruntime: quantises activations, multiplies, and adds a bias."""

QUANTIZED: Final = ("MatMul", "Gemm")


def quantize(fp32: Path, int8: Path, floats: Collection[int] = ()) -> None:
    """Writes the int8 twin of an fp32 ONNX file.

    `floats` are places among its linear layers, in their order, of those that stay as they are.
    """
    with tempfile.TemporaryDirectory(dir=int8.parent) as folder:
        cleaned = Path(folder) / "cleaned.onnx"
        quant_pre_process(fp32, cleaned, skip_symbolic_shape=True)
        quantize_dynamic(
            cleaned,
            int8,
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            weight_type=QuantType.QInt8,
            reduce_range=True,
            nodes_to_exclude=_products(cleaned, floats),
        )
    int8.write_bytes(optimized(int8.read_bytes()))


def _products(path: Path, places: Collection[int]) -> list[str]:
    """The nodes, in the graph's order, that multiply by weights at these places."""
    graph = onnx.load(str(path)).graph
    constants = {tensor.name for tensor in graph.initializer}
    products = [
        node.name for node in graph.node if node.op_type in QUANTIZED and node.input[1] in constants
    ]
    return [products[place] for place in places]


def optimized(model: bytes) -> bytes:
    """The same graph with nodes fused as onnxruntime does on any CPU: it opens in half the time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 3
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return path.read_bytes()


def dequantize(model: bytes) -> bytes:
    """The same graph with float weights: what an int8 file is measured against where its fp32
    original is not at hand. Its weights carry the rounding of the int8 ones.
    """
    result = onnx.load_model_from_string(optimized(model))
    graph = result.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != FUSED_PRODUCT:
            nodes.append(node)
            continue
        activation, weight, scale, zero, *bias = node.input
        values = (constants[weight].astype(np.float32) - constants[zero]) * constants[scale]
        matrix = f"{weight}_fp32"
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), matrix))
        product = f"{node.output[0]}_product" if bias else node.output[0]
        nodes.append(helper.make_node("MatMul", [activation, matrix], [product]))
        if bias:
            nodes.append(helper.make_node("Add", [product, bias[0]], [node.output[0]]))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    serialized: bytes = result.SerializeToString()
    return serialized
