"""Bundles: what is written is read back; any damage, addition or escape is refused with the file named."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from aisle.bundle import FORMAT_VERSION, Bundle, BundleWriter
from aisle.errors import BundleError


def write_small(directory: Path) -> Path:
    with BundleWriter(directory, name="shop", cut_offs={"fitted_until": 7}, extra={"num_items": 3}) as writer:
        writer.write_json("blend", {"weights": [0.5, 1.25], "name": "é"})
        writer.write_text("card.md", "# A card\n")
        writer.write_bytes("graph.onnx", b"\x08\x00\xff")
        writer.write_arrays(
            "generators/ease",
            {
                "indptr": np.array([0, 2, 3], np.int64),
                "scores": np.array([[0.5, 0.25]], np.float32),
                "none": np.empty((0, 4), np.float32),
                "one": np.float64(3.0).reshape(()),
                "turned": np.arange(6).reshape(2, 3).T,
            },
        )
        writer.write_arrays("generators/ease/deeper", {"rows": np.array([1, 2], np.int32)})
        writer.write_frame("items", pl.DataFrame({"item_id": ["a", "b"], "category": [["x", "y"], []]}))
    return directory


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_small(tmp_path / "bundles" / "v1")


def test_everything_comes_back(small: Path) -> None:
    bundle = Bundle.open(small)
    assert bundle.version == "v1"
    assert bundle.manifest.name == "shop"
    assert bundle.manifest.cut_offs == {"fitted_until": 7}
    assert bundle.manifest.extra == {"num_items": 3}
    assert bundle.read_json("blend") == {"weights": [0.5, 1.25], "name": "é"}
    assert bundle.read_text("card.md") == "# A card\n"
    assert bundle.read_bytes("graph.onnx") == b"\x08\x00\xff"
    assert bundle.read_frame("items").to_dict(as_series=False) == {"item_id": ["a", "b"], "category": [["x", "y"], []]}
    assert bundle.names("generators/ease/deeper") == ["generators/ease/deeper/rows.npy"]
    assert bundle.num_bytes == sum(path.stat().st_size for path in small.rglob("*.*") if path.name != "manifest.json")
    for mmap in (True, False):
        arrays = bundle.read_arrays("generators/ease", mmap=mmap)
        assert sorted(arrays) == ["indptr", "none", "one", "scores", "turned"]
        assert arrays["indptr"].tolist() == [0, 2, 3]
        assert arrays["scores"].dtype == np.float32
        assert arrays["none"].shape == (0, 4)
        assert arrays["one"].shape == ()
        assert float(arrays["one"]) == 3.0
        assert arrays["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
        assert type(arrays["indptr"]) is np.ndarray
        assert arrays["indptr"].flags.writeable is not mmap


def test_the_manifest_hash_is_that_of_the_file_and_is_held(small: Path) -> None:
    digest = hashlib.sha256((small / "manifest.json").read_bytes()).hexdigest()
    assert Bundle.open(small).manifest_sha256 == digest
    Bundle.open(small, manifest_sha256=digest)
    with pytest.raises(BundleError, match=r"manifest\.json: expected sha256 0000"):
        Bundle.open(small, manifest_sha256="0" * 64)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "name", ["blend.json", "card.md", "generators/ease/scores.npy", "generators/ease/deeper/rows.npy", "items.arrow"]
)
@pytest.mark.parametrize(
    ("damage", "message"), [(flip, "expected sha256"), (cut, "bytes, received"), (Path.unlink, "it is missing")]
)
def test_a_changed_cut_or_missing_file_is_named(
    small: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(small / name)
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.open(small)
    assert str(small / name) in str(caught.value)


def test_without_hashes_sizes_are_still_checked(small: Path) -> None:
    flip(small / "card.md")
    assert Bundle.open(small, verify=False).version == "v1"
    cut(small / "card.md")
    with pytest.raises(BundleError, match=r"card\.md: expected 9 bytes, received 8"):
        Bundle.open(small, verify=False)


def test_a_file_that_the_manifest_does_not_name_is_refused(small: Path) -> None:
    (small / "generators" / "model.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(BundleError, match=r"model\.pkl: the manifest does not name this file"):
        Bundle.open(small)


def test_links_are_refused_even_with_the_right_content(small: Path, tmp_path: Path) -> None:
    outside = tmp_path / "card.md"
    (small / "card.md").rename(outside)
    (small / "card.md").symlink_to(outside)
    with pytest.raises(BundleError, match=r"card\.md: expected a plain file"):
        Bundle.open(small)
    (small / "card.md").unlink()
    os.mkfifo(small / "card.md")
    with pytest.raises(BundleError, match=r"card\.md: expected a plain file"):
        Bundle.open(small, verify=False)


def change_manifest(directory: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format_version=FORMAT_VERSION + 1), "from a newer Aisle: upgrade"),
        (lambda m: m.update(format_version="1"), "expected format_version"),
        (lambda m: m.update(format="zip"), "expected the manifest of a bundle"),
        (lambda m: m.update(surprise=1), "'surprise': Extra inputs"),
        (lambda m: m.pop("cut_offs"), "'cut_offs': Field required"),
        (lambda m: m["files"].update({"../evil": m["files"]["card.md"]}), "'../evil': expected a file name inside"),
        (lambda m: m["files"].update({"/etc/passwd": m["files"]["card.md"]}), "'/etc/passwd': expected a file name"),
        (lambda m: m["files"].update({"a//b": m["files"]["card.md"]}), "expected a file name inside"),
        (lambda m: m["files"].update({"..": m["files"]["card.md"]}), "expected a file name inside"),
        (lambda m: m["files"]["card.md"].update(sha256="x"), r"files\.card\.md\.sha256"),
        (lambda m: m["files"]["card.md"].update(bytes=-1), r"files\.card\.md\.bytes"),
        (lambda m: m.update(files={}), "the manifest does not name this file"),
    ],
)
def test_a_wrong_manifest_is_refused(small: Path, change: Callable[[dict[str, object]], object], message: str) -> None:
    change_manifest(small, change)
    with pytest.raises(BundleError, match=message):
        Bundle.open(small)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": "aisle-bundle"}'])
def test_a_manifest_that_is_none_is_refused(small: Path, content: bytes) -> None:
    (small / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json: expected"):
        Bundle.open(small)


def test_a_directory_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BundleError, match="expected a bundle with a manifest, there is none"):
            Bundle.open(directory)


def test_arrays_of_objects_are_neither_written_nor_read(small: Path, tmp_path: Path) -> None:
    wrong = pytest.raises(BundleError, match="expected numbers or booleans, received the type object")
    with wrong, BundleWriter(tmp_path / "objects") as writer:
        writer.write_arrays("a", {"b": np.array([None], object)})
    assert not (tmp_path / "objects").exists()
    path = small / "generators" / "ease" / "scores.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    entry = {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    change_manifest(small, lambda m: m["files"].update({"generators/ease/scores.npy": entry}))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="expected numbers, received Python objects"):
        Bundle.open(small).read_arrays("generators/ease")


def test_an_error_inside_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyError), BundleWriter(tmp_path / "bundles" / "v1") as writer:
        writer.write_json("blend", {})
        raise KeyError("training failed")
    assert list((tmp_path / "bundles").iterdir()) == []


def test_a_bundle_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "v1") as writer:
        writer.write_json("blend", {})
        assert not (tmp_path / "v1").exists()
    assert Bundle.open(tmp_path / "v1").names() == ["blend.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]


def test_an_existing_directory_is_never_written_over(small: Path) -> None:
    before = (small / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match="expected a new directory"), BundleWriter(small):
        pass
    assert (small / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", ".hidden", "a b", "a/" * 9 + "a", ""])
def test_names_that_lead_outside_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="expected a file name inside"), BundleWriter(tmp_path / "v1") as writer:
        writer.write_text(name, "x")
    assert not (tmp_path / "v1").exists()


def test_wrong_use_is_refused(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path / "v1")
    with pytest.raises(BundleError, match="inside its `with` block"):
        writer.write_json("a", 1)
    with pytest.raises(BundleError, match="expected each file once"), writer:
        writer.write_json("a", 1)
        writer.write_json("a", 1)
    for value in (float("nan"), {"a": [float("inf")]}, {1: 2}, {"a": object()}):
        with pytest.raises(BundleError, match="expected plain finite values"), BundleWriter(tmp_path / "v2") as other:
            other.write_json("a", value)
    with pytest.raises(BundleError, match="expected a key of letters"), BundleWriter(tmp_path / "v3") as other:
        other.write_arrays("a", {"b/c": np.zeros(1)})


def test_what_a_bundle_does_not_have_is_named(small: Path) -> None:
    bundle = Bundle.open(small)
    for read in (lambda: bundle.read_json("x"), lambda: bundle.read_frame("x"), lambda: bundle.read_text("x")):
        with pytest.raises(BundleError, match="this bundle has no such file"):
            read()
    with pytest.raises(BundleError, match="expected arrays, there are none"):
        bundle.read_arrays("generators")


@given(
    st_np.arrays(
        st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_]),
        st_np.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
@settings(max_examples=25, deadline=None)
def test_any_array_comes_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    directory = tmp_path_factory.mktemp("any") / "v1"
    with BundleWriter(directory) as writer:
        writer.write_arrays("a", {"b": array})
    back = Bundle.open(directory).read_arrays("a")["b"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == np.ascontiguousarray(array).tobytes()


def test_a_file_is_copied_and_hashed_as_its_own(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"\x00\x01 content")
    with BundleWriter(tmp_path / "bundle") as writer:
        writer.copy_file("members/0/ranker/score.onnx", tmp_path / "source")
    bundle = Bundle.open(tmp_path / "bundle")
    assert bundle.read_bytes("members/0/ranker/score.onnx") == b"\x00\x01 content"
