"""fp32 graph -> int8 graph, and back for comparison.

Dynamic quantisation of the linear layers alone: weights int8 per output channel, activations uint8
by the range seen in each run. LayerNorm, GELU, softmax and the residual stream stay fp32: a ViT
loses accuracy where they do not.
"""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process


def quantize(fp32: Path, int8: Path) -> None:
    """Writes the int8 twin of an fp32 ONNX file."""
    with tempfile.TemporaryDirectory(dir=int8.parent) as folder:
        cleaned = Path(folder) / "cleaned.onnx"
        quant_pre_process(fp32, cleaned, skip_symbolic_shape=True)
        quantize_dynamic(
            cleaned,
            int8,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )


def dequantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with float weights: what an int8 file is measured against where its fp32
    original is not at hand. Its weights carry the rounding of the int8 ones.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}
    consumers = {name: node for node in graph.node for name in node.input}
    removed: list[onnx.NodeProto] = []
    for integer in [node for node in graph.node if node.op_type == "MatMulInteger"]:
        activation, weight, _, weight_zero = integer.input
        dynamic = producer[activation]
        cast = consumers[integer.output[0]]
        rescale = consumers[cast.output[0]]
        scales = producer[next(name for name in rescale.input if name != cast.output[0])]
        weight_scale = next(constants[name] for name in scales.input if name in constants)
        values = (constants[weight].astype(np.float32) - constants[weight_zero]) * weight_scale
        graph.initializer.append(
            numpy_helper.from_array(values.astype(np.float32), f"{weight}_fp32")
        )
        rescale.CopyFrom(
            helper.make_node("MatMul", [dynamic.input[0], f"{weight}_fp32"], [rescale.output[0]])
        )
        removed += [integer, cast, scales, dynamic]
    for name in {node.name for node in removed}:
        graph.node.remove(next(node for node in graph.node if node.name == name))
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
    return result
