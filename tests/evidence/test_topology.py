"""The topology tree: nodes with compute and their properties."""

from pathlib import Path

import pytest

from ringscope.errors import InputError
from ringscope.evidence import topology
from ringscope.evidence.files import walk
from ringscope.evidence.topology import Node, nodes_of


def tree(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / "topology" / "nodes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def nodes(folder: Path) -> tuple[Node, ...]:
    return nodes_of([topology.read(file) for file in walk([folder], print)])


GPU = {
    "10/gpu_id": "63420\n",
    "10/name": "ip discovery\n",
    "10/properties": "simd_count 320\nunique_id 18446744073709551615\n",
}
CPU = {"0/gpu_id": "0\n", "0/name": "\n", "0/properties": "cpu_cores_count 96\n"}


def test_nodes_with_compute_are_read(tmp_path: Path) -> None:
    (node,) = nodes(tree(tmp_path, {**GPU, **CPU}))
    assert (node.node, node.gpu_id, node.name) == (10, 63420, "ip discovery")
    assert node.properties == {"simd_count": 320, "unique_id": 2**64 - 1}
    assert str(node.source) == "topology/nodes/10/properties:1"


def test_files_stored_by_tar_as_whole_pages_are_read(tmp_path: Path) -> None:
    padded = {name: text.encode().ljust(4096, b"\0") for name, text in GPU.items()}
    assert nodes(tree(tmp_path, dict(padded)))[0].properties["simd_count"] == 320


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("10/gpu_id", "f7bc\n", "topology/nodes/10/gpu_id:1: not a decimal number: 'f7bc"),
        ("10/gpu_id", "9" * 5000, "not a decimal number"),
        ("10/properties", "simd_count 320\nunique_i", "topology/nodes/10/properties:2: not a property: 'unique_i'"),
        ("10/properties", "simd_count 320\nunique_id 184", "topology/nodes/10/properties:2: the properties end in"),
        ("10/properties", b"simd_count 320\n\xff\xfe\n", "binary data in a sysfs attribute"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    with pytest.raises(InputError) as caught:
        nodes(tree(tmp_path, {**GPU, name: content}))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
