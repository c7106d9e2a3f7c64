"""How every encoder runs its network."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def session(path: Path, threads: int) -> Any:
    """An ONNX Runtime session on the CPU that uses no core while it waits."""
    import onnxruntime  # here, as most processes ask encoders for their names only

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would keep a core busy between pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Between two batches the arena would hold the largest one's memory for ever.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
