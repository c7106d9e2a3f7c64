"""How well and how fast the default encoder sees: neighbours that share a label, and time a picture.

    python -m bench.encoder [--photos ../shared/photos] [--threads 1]

The peer in the same run is what the network gives without our pooling and reduction: the mean of its last
feature map in full width, from the same pixels. Every photo asks for its nearest others (leave one out);
P@k is the share of them that has its label. Half-widths are of the 95 % interval of the paired difference.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyvips
from rich.console import Console
from rich.table import Table

from bowerbird.adapters.encoder.efficientnet import BATCH, VARIANTS, EfficientNet
from bowerbird.adapters.encoder.runtime import session
from bowerbird.darkroom.framing import square


def mean_pooled(path: Path, threads: int) -> Callable[[Any], Any]:
    """The same network's plain features: (n, 1280), L2-normalised."""
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", 1280]))
    plain = path.with_name("plain.onnx")
    onnx.save(model, plain)
    network = session(plain, threads)

    def encode(pixels: Any) -> Any:
        parts = [network.run(["features"], {"pixels": pixels[i : i + BATCH]})[0] for i in range(0, len(pixels), BATCH)]
        features = np.concatenate(parts)
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    return encode


def hits(vectors: Any, labels: Any) -> Any:
    """(n, 10): whether each of a photo's ten nearest others has its label."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return labels[top] == labels[:, None]


def milliseconds(encode: Callable[[Any], Any], pixels: Any, runs: int = 25) -> float:
    """Median time a picture."""
    encode(pixels)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        encode(pixels)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000 / len(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path(__file__).parents[2] / "shared" / "photos")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with (options.photos / "labels.csv").open(encoding="utf-8") as file:
        rows = [(options.photos / row["file"], row["label"]) for row in csv.DictReader(file)]
    labels = np.array([label for _, label in rows])
    table = Table("encoder", "numbers", "P@1", "P@10", "ratio P@1", "ratio P@10", "ms, 1 at once", "ms, 8 at once")
    with tempfile.TemporaryDirectory() as folder:
        for variant in VARIANTS:
            compare(table, Path(folder), variant, rows, labels, options.threads)
    Console(width=130).print(table)


def compare(table: Table, folder: Path, variant: str, rows: list[tuple[Path, str]], labels: Any, threads: int) -> None:
    ours = EfficientNet(folder, variant, threads)
    plain = mean_pooled(folder / f"{ours.version}.onnx", threads)
    pixels = np.stack([square(pyvips.Image.new_from_file(str(path)).autorot(), ours.size) for path, _ in rows])
    peer_hits: Any = None
    for name, encode in (("mean-pooled", plain), ("ours", lambda some: ours.encode(some).vectors)):
        vectors = encode(pixels)
        found = hits(vectors, labels)
        peer_hits = found if peer_hits is None else peer_hits
        table.add_row(
            f"{variant} {name}",
            str(vectors.shape[1]),
            *(figure(found[:, :k].mean(1), peer_hits[:, :k].mean(1)) for k in (1, 10)),
            *(f"{found[:, :k].mean() / peer_hits[:, :k].mean():.3f}" for k in (1, 10)),
            *(f"{milliseconds(encode, pixels[:n]):.1f}" for n in (1, 8)),
        )


def figure(found: Any, peer: Any) -> str:
    half = 1.96 * (found - peer).std() / len(found) ** 0.5
    return f"{found.mean():.3f}" + (f" ± {half:.3f}" if half else "")


if __name__ == "__main__":
    main()
