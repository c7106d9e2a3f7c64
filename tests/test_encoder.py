"""The encoders: weights without torch, vectors that stay the same, tags, and models of one's own."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import pyvips
from onnx import TensorProto, helper, numpy_helper

from bowerbird.adapters.encoder import efficientnet, weights
from bowerbird.adapters.encoder.efficientnet import EfficientNet
from bowerbird.adapters.encoder.onnx_model import OnnxModel
from bowerbird.darkroom.framing import square
from bowerbird.model import Box

CLASSES = [
    (0, "tench"),
    (207, "golden retriever"),
    (281, "tabby cat"),
    (508, "computer keyboard"),
    (610, "t-shirt"),
    (770, "sneaker"),
    (817, "sports car"),
    (963, "pizza"),
    (999, "toilet paper"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoder")


@pytest.fixture(scope="module", params=["lite0", "lite2"])
def encoder(request: pytest.FixtureRequest, folder: Path) -> EfficientNet:
    return EfficientNet(folder, request.param)


def noise(n: int, size: int) -> np.ndarray:
    return np.random.RandomState(7).randint(0, 256, (n, size, size, 3)).astype(np.uint8)


def gradient(size: int) -> np.ndarray:
    """A picture that is the same on every machine: red along x, green along y, blue along their product."""
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    return np.stack([x * 255 // size, y * 255 // size, x * y % 256], axis=-1).astype(np.uint8)[None]


class TestWeights:
    def legacy(self, path: Path, state: object) -> Path:
        with path.open("wb") as file:
            for part in (weights.MAGIC, weights.PROTOCOL, {"little_endian": True}, state):
                pickle.dump(part, file, protocol=2)
            pickle.dump([], file, protocol=2)
        return path

    def test_code_in_a_pickle_does_not_run(self, tmp_path: Path) -> None:
        ran = tmp_path / "ran"

        class Malice:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                import os

                return os.system, (f"touch {ran}",)

        with pytest.raises(weights.BadWeights, match="system"):
            weights.read(self.legacy(tmp_path / "evil.pth", {"a": Malice()}))
        with pytest.raises(weights.BadWeights, match="system"):
            weights.read(self.raw(tmp_path / "first.pth", pickle.dumps(Malice(), protocol=2)))
        assert not ran.exists()

    def raw(self, path: Path, data: bytes) -> Path:
        path.write_bytes(data)
        return path

    @pytest.mark.parametrize("state", [{"a": 1}, {1: 2}, [1], "text", {"a": b"bytes"}])
    def test_what_is_no_state_dict_is_refused(self, tmp_path: Path, state: object) -> None:
        with pytest.raises(weights.BadWeights):
            weights.read(self.legacy(tmp_path / "odd.pth", state))

    @pytest.mark.parametrize("data", [b"", b"PK\x03\x04zip", b"\x80", pickle.dumps(3), b"\x00" * 100])
    def test_what_is_no_weights_file_is_refused(self, tmp_path: Path, data: bytes) -> None:
        with pytest.raises(weights.BadWeights):
            weights.read(self.raw(tmp_path / "odd.pth", data))

    def test_a_file_cut_short_is_refused(self, tmp_path: Path) -> None:
        whole = source("lite0").read_bytes()
        for part in (0.001, 0.5, 0.999):
            with pytest.raises(weights.BadWeights):
                weights.read(self.raw(tmp_path / "short.pth", whole[: int(len(whole) * part)]))

    def test_shapes(self) -> None:
        read = weights.read(source("lite0"))
        assert read["_fc.weight"].shape == (1000, 1280)
        assert read["_conv_stem.weight"].shape == (32, 3, 3, 3)
        assert all(np.isfinite(array).all() for array in read.values())


def source(variant: str) -> Path:
    found = efficientnet.VARIANTS[variant]
    module = __import__(found.package)
    return Path(getattr(module, found.finder).get_model_file_path())


class TestEfficientNet:
    def test_shape_and_length(self, encoder: EfficientNet) -> None:
        seen = encoder.encode(noise(3, encoder.size))
        assert seen.vectors.shape == (3, encoder.dim) == (3, 256)
        assert seen.vectors.dtype == np.float32
        assert len(seen.tags) == 3
        np.testing.assert_allclose(np.linalg.norm(seen.vectors, axis=1), 1, atol=1e-5)

    def test_nothing_in_nothing_out(self, encoder: EfficientNet) -> None:
        seen = encoder.encode(noise(0, encoder.size))
        assert seen.vectors.shape == (0, 256)
        assert seen.tags == []

    def test_same_pixels_same_vector_alone_or_in_a_batch(self, encoder: EfficientNet) -> None:
        pixels = np.concatenate([noise(efficientnet.BATCH + 1, encoder.size), gradient(encoder.size)])
        together = encoder.encode(pixels).vectors
        for i in (0, len(pixels) - 1):
            np.testing.assert_allclose(encoder.encode(pixels[i : i + 1]).vectors[0], together[i], atol=1e-5)
        assert together[0] @ together[-1] < 0.9

    def test_black_and_white_have_vectors_too(self, encoder: EfficientNet) -> None:
        for value in (0, 255):
            flat = np.full((1, encoder.size, encoder.size, 3), value, np.uint8)
            assert abs(np.linalg.norm(encoder.encode(flat).vectors) - 1) < 1e-5

    def test_golden(self, encoder: EfficientNet) -> None:
        """The vectors of a version never change. If this fails on purpose, raise RECIPE and put in new numbers."""
        found = encoder.encode(gradient(encoder.size)).vectors[0]
        assert encoder.version == GOLDEN[encoder.size][0]
        np.testing.assert_allclose(found[[0, 1, 2, 3, 100, 255]], GOLDEN[encoder.size][1], atol=2e-4)

    def test_wrong_pixels_are_refused(self, encoder: EfficientNet) -> None:
        for wrong in (noise(1, 64), noise(1, encoder.size).astype(np.float32), noise(1, encoder.size)[0]):
            with pytest.raises(ValueError, match="not uint8"):
                encoder.encode(wrong)

    def test_unknown_variant(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="lite0, lite2"):
            EfficientNet(tmp_path, "lite9")

    def test_many_start_at_once(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(lambda _: EfficientNet(tmp_path / "new", "lite0"), range(2)))
        vectors = [each.encode(gradient(each.size)).vectors for each in made]
        np.testing.assert_array_equal(vectors[0], vectors[1])
        assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{made[0].version}.onnx"]

    def test_kept_graph_is_used_again(self, encoder: EfficientNet, folder: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        EfficientNet(folder, "lite0" if encoder.size == 224 else "lite2")
        assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before

    def test_a_damaged_graph_is_built_anew(self, tmp_path: Path) -> None:
        (tmp_path / "efficientnet-lite0-57934424-r2.onnx").write_bytes(b"half a gra")
        assert EfficientNet(tmp_path, "lite0").encode(gradient(224)).vectors.shape == (1, 256)


class TestNames:
    def test_a_thousand_classes(self) -> None:
        names, bearers = efficientnet._vocabulary()
        assert bearers.shape == (1000, len(names))
        assert len(set(names)) == len(names)
        assert all(name == name.lower().strip() and 1 < len(name) < 40 for name in names)
        assert bearers[:, names.index("dog")].sum() == 118
        assert (bearers.sum(1) >= 1).all()

    @pytest.mark.parametrize(("index", "name"), CLASSES)
    def test_order(self, index: int, name: str) -> None:
        names, bearers = efficientnet._vocabulary()
        assert bearers[index, names.index(name)] == 1


@pytest.fixture(scope="module")
def seen(folder: Path, photos: list[tuple[Path, str]]) -> tuple[efficientnet.Seen, np.ndarray]:
    encoder = EfficientNet(folder, "lite2")
    some = photos[:200]
    pixels = np.stack([square(pyvips.Image.new_from_file(str(path)), encoder.size) for path, _ in some])
    return encoder.encode(pixels), np.array([label for _, label in some])


@pytest.mark.photos
class TestPhotos:
    def test_neighbours_have_the_same_label(self, seen: tuple[efficientnet.Seen, np.ndarray]) -> None:
        found, labels = seen
        scores = found.vectors @ found.vectors.T
        np.fill_diagonal(scores, -1)
        top = np.argsort(-scores, axis=1)[:, :10]
        assert (labels[top[:, :1]] == labels[:, None]).mean() > 0.65
        assert (labels[top] == labels[:, None]).mean() > 0.55

    def test_tags_are_mostly_right(self, seen: tuple[efficientnet.Seen, np.ndarray]) -> None:
        found, labels = seen
        expected = {"shoe": "shoes", "t-shirt": "t-shirt", "jeans": "pants", "hat": "hat", "skirt": "skirt"}
        pairs = [(expected[t.name], label) for tags, label in zip(found.tags, labels, strict=True) for t in tags
                 if t.name in expected]  # fmt: skip
        assert len(pairs) >= 20
        assert np.mean([wanted == label for wanted, label in pairs]) > 0.6
        assert all(len(tags) <= efficientnet.TAGS for tags in found.tags)
        assert all(efficientnet.CONFIDENT <= tag.confidence <= 1.001 for tags in found.tags for tag in tags)


class TestFraming:
    @pytest.mark.parametrize(("width", "height"), [(1, 1), (400, 300), (300, 400), (2000, 10), (3, 5000)])
    @pytest.mark.parametrize("bands", [1, 2, 3, 4])
    def test_any_picture_fills_the_square(self, width: int, height: int, bands: int) -> None:
        image = (pyvips.Image.black(width, height, bands=bands) + 255).cast("uchar")
        image = image.copy(interpretation="b-w" if bands < 3 else "srgb")
        pixels = square(image, 64)
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
        assert (pixels >= 254).all()

    def test_a_box_is_the_part(self) -> None:
        left = pyvips.Image.black(100, 100, bands=3)
        right = left.linear(1, [200, 0, 0]).cast("uchar")
        image = left.join(right, "horizontal").copy(interpretation="srgb")
        assert square(image, 32, Box(0, 0, 0.5, 1)).max() <= 2
        assert abs(int(square(image, 32, Box(0.5, 0, 0.5, 1))[..., 0].min()) - 200) <= 2
        for odd in (Box(2, 2, 1, 1), Box(-1, -1, 0, 0), Box(0.999, 0.999, 1e-9, 1e-9)):
            assert square(image, 32, odd).shape == (32, 32, 3)

    def test_transparency_is_white(self) -> None:
        clear = pyvips.Image.black(50, 50, bands=4).copy(interpretation="srgb")
        assert square(clear, 16).min() == 255


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network that says each colour's mean, as a map and as a vector of four."""
    kernel = numpy_helper.from_array(np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], np.float32), "k")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "k"], ["embedding"]),
        helper.make_node("Identity", ["x"], ["map"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("embedding", "map")],
        [kernel],
    )
    path = tmp_path / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    write(path)
    return path


def write(path: Path, **changes: object) -> None:
    values: dict[str, object] = {"size": 16, "mean": [0.5] * 3, "std": [0.25] * 3, "output": '"embedding"', **changes}
    text = "\n".join(f"{name} = {value}" for name, value in values.items() if value is not None)
    path.with_suffix(".toml").write_text(text)


class TestOnnxModel:
    def test_vectors(self, model: Path) -> None:
        encoder = OnnxModel(model)
        assert (encoder.dim, encoder.size) == (4, 16)
        pixels = np.zeros((10, 16, 16, 3), np.uint8)
        pixels[..., 0] = 255
        seen = encoder.encode(pixels)
        # (1, 0, 0) becomes (2, -2, -2) by mean and std, then (2, -2, -2, -2) by the kernel.
        np.testing.assert_allclose(seen.vectors, np.tile([0.5, -0.5, -0.5, -0.5], (10, 1)), atol=1e-6)
        assert seen.tags == [()] * 10
        assert encoder.encode(pixels[:0]).vectors.shape == (0, 4)

    def test_pool_and_dim(self, model: Path) -> None:
        write(model, output='"map"', pool='"mean"', dim=2)
        encoder = OnnxModel(model)
        assert encoder.dim == 2
        pixels = np.full((1, 16, 16, 3), 255, np.uint8)
        np.testing.assert_allclose(encoder.encode(pixels).vectors, [[0.5**0.5, 0.5**0.5]], atol=1e-6)

    def test_version_follows_model_and_toml(self, model: Path) -> None:
        first = OnnxModel(model).version
        assert OnnxModel(model).version == first
        assert first.startswith("tiny-")
        write(model, dim=2)
        second = OnnxModel(model).version
        assert second != first
        loaded = onnx.load(model)
        loaded.doc_string = "changed"
        onnx.save(loaded, model)
        assert OnnxModel(model).version not in (first, second)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"output": '"nowhere"'}, "embedding, map"),
            ({"output": '"map"'}, "pool"),
            ({"mean": None}, "mean"),
            ({"std": [0, 1, 1]}, "std"),
            ({"std": [1, 1]}, "std"),
            ({"size": '"big"'}, "size"),
            ({"size": 0}, "size"),
            ({"size": 17}, "size"),
            ({"layout": '"nhwc"'}, "layout"),
            ({"layout": '"chwn"'}, "chwn"),
            ({"pool": '"max"'}, "max"),
            ({"dim": 9}, "only 4 wide"),
            ({"colour": 1}, "colour"),
            ({"size": "= ="}, "tiny.toml"),
        ],
    )
    def test_errors_name_what_is_wrong(self, model: Path, changes: dict[str, object], said: str) -> None:
        write(model, **changes)
        with pytest.raises(ValueError, match=said):
            OnnxModel(model)

    def test_missing_files(self, model: Path) -> None:
        model.with_suffix(".toml").unlink()
        with pytest.raises(ValueError, match=r"tiny\.toml is not there"):
            OnnxModel(model)
        with pytest.raises(ValueError, match=r"other\.onnx is not there"):
            OnnxModel(model.with_name("other.onnx"))

    def test_not_a_model(self, model: Path) -> None:
        model.write_bytes(b"no model")
        with pytest.raises(ValueError, match="cannot be opened"):
            OnnxModel(model)


GOLDEN: dict[int, tuple[str, list[float]]] = {
    224: ("efficientnet-lite0-57934424-r2", [0.08222, -0.01316, 0.11151, 0.07965, -0.01643, 0.05592]),
    260: ("efficientnet-lite2-9656183e-r2", [0.08371, 0.03329, -0.00725, -0.09006, -0.05621, 0.02704]),
}
