"""Sessions of ONNX Runtime, as the model and the face detector share a machine's cores."""

import onnxruntime


def cpu_session(graph: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """A session that runs a serialised graph on the CPU; between calls its threads leave the cores to others.

    Raises ONNX Runtime's own errors if the graph cannot be read.
    """
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
