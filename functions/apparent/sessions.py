"""onnxruntime sessions, set up the same way for both networks."""

import os

# Read at import by onnxruntime, which otherwise phones home and writes under ~/.cache (Linux).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

from apparent.cpus import usable_cpus
from apparent.errors import ModelError


def load(model: bytes, threads: int = 0) -> ort.InferenceSession:
    """A CPU session for a serialised ONNX graph; 0 `threads` means one per CPU that may be used."""
    options = ort.SessionOptions()
    # Left to itself, onnxruntime pins a thread to each core of the machine, and prints an error for
    # each that this process may not use.
    options.intra_op_num_threads = threads or usable_cpus()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: YuNet's declared output shapes are too narrow
    # Spinning threads burn the CPU time a Lambda is billed for between two small runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's have no base of their own
        raise ModelError(f"The model cannot be opened: {str(error).rstrip('.')}.") from error
