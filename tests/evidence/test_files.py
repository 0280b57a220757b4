"""Finding and opening what the user gave: folders, tarballs, compressed files; hostile archives are refused."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard

from ringscope.errors import InputError
from ringscope.evidence import files
from ringscope.evidence.files import walk


def read(*paths: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Content by shown name, and what was passed over."""
    unread: dict[str, str] = {}
    found = {file.name: file.data() for file in walk(paths, unread.__setitem__)}
    return found, unread


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    root = tmp_path / "capture"
    for moment, text in (("s16", "sixteen"), ("s2", "two")):
        (root / moment).mkdir(parents=True)
        (root / moment / "mqds").write_text(text)
        (root / moment / "big").write_bytes(bytes(range(256)) * 1024)
    return root


def test_folders_are_read_in_natural_order(capture: Path) -> None:
    found, unread = read(capture)
    assert list(found) == ["s2/big", "s2/mqds", "s16/big", "s16/mqds"]
    assert found["s16/big"] == bytes(range(256)) * 1024
    assert not unread


def test_names_are_relative_to_what_was_given(capture: Path) -> None:
    assert list(read(capture / "s2" / "mqds")[0]) == ["mqds"]
    assert list(read(capture / "s2" / "mqds", capture / "s16")[0]) == ["s2/mqds", "s16/big", "s16/mqds"]


def test_no_file_is_read_twice(capture: Path) -> None:
    (capture / "again").symlink_to(capture / "s2" / "mqds")
    names = list(read(capture / "s16" / "mqds", capture)[0])
    assert names == ["capture/s16/mqds", "capture/again", "capture/s2/big", "capture/s16/big"]


def test_a_stream_gives_the_whole_file(capture: Path) -> None:
    for file in walk([capture / "s2" / "big"], print):
        with file.stream() as stream:
            assert stream.read() == bytes(range(256)) * 1024


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress], ids=lambda c: c.__module__
)
def test_a_tarball_is_a_folder(capture: Path, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    with tarfile.open(name=tmp_path / "cap.tar", mode="w") as tar:
        tar.add(capture, "capture")
    (tmp_path / "cap.bin").write_bytes(compress((tmp_path / "cap.tar").read_bytes()))
    found, unread = read(tmp_path / "cap.bin")
    assert found == {f"capture/{name}": data for name, data in read(capture)[0].items()}
    assert not unread


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_compressed_file_is_its_content(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    (tmp_path / "log.bin").write_bytes(compress(b"text\n" * 100_000))
    assert read(tmp_path / "log.bin")[0] == {"log.bin": b"text\n" * 100_000}


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_cut_compressed_file_is_an_error(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    packed = compress(os.urandom(200_000))
    (tmp_path / "log.bin").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"log\.bin: cannot be read"):
        read(tmp_path / "log.bin")


def test_several_frames_of_zstd_are_one_file_and_what_follows_them_is_damage(tmp_path: Path) -> None:
    frames = zstandard.compress(b"a" * 3000) + zstandard.compress(b"") + zstandard.compress(b"b" * 300_000)
    (tmp_path / "log.bin").write_bytes(frames)
    assert read(tmp_path / "log.bin")[0] == {"log.bin": b"a" * 3000 + b"b" * 300_000}
    (tmp_path / "log.bin").write_bytes(frames + b"more")
    with pytest.raises(InputError, match=r"log\.bin: cannot be read"):
        read(tmp_path / "log.bin")


def test_zstd_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.bin").write_bytes(zstandard.compress(b"text\n"))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InputError, match=r"needs the package zstandard; pip install 'ringscope\[zstd\]', or unpack it"):
        read(tmp_path / "log.bin")


def test_a_zstd_frame_that_asks_for_a_huge_window_is_refused(tmp_path: Path) -> None:
    packer = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(1, window_log=29)
    ).compressobj()
    (tmp_path / "log.bin").write_bytes(packer.compress(b"x" * 100) + packer.flush())
    with pytest.raises(InputError, match=r"log\.bin: cannot be read"):
        read(tmp_path / "log.bin")


@pytest.mark.parametrize("compress", [lzma.compress, zstandard.compress, partial(gzip.compress, compresslevel=9)])
def test_nothing_but_zeros_is_refused_before_it_is_unfolded_far(
    tmp_path: Path, compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(files.Forward, "_take", counted(files.Forward._take, taken))
    (tmp_path / "log.bin").write_bytes(compress(bytes(4 * files.BOMB_BYTES)))
    with pytest.raises(
        InputError, match=r"log\.bin: unfolds to more than \d+ times its size; unpack it, if you trust it"
    ):
        read(tmp_path / "log.bin")
    assert max(taken) < 2 * files.BOMB_BYTES


def counted(take: Callable[..., bytes], taken: list[int]) -> Callable[..., bytes]:
    def noted(self: files.Forward, size: int) -> bytes:
        data = take(self, size)
        taken.append(self.tell())
        return data

    return noted


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def test_members_that_could_lead_out_are_passed_over(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "hostile.tar",
        member("/etc/mqds", b"absolute"),
        member("../mqds", b"upwards"),
        member("a/../../mqds", b"upwards"),
        member("link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("hard", kind=tarfile.LNKTYPE, link="mqds"),
        member("device", kind=tarfile.CHRTYPE),
        member("pipe", kind=tarfile.FIFOTYPE),
        member("mqds", b"kept"),
    )
    found, unread = read(path)
    assert found == {"mqds": b"kept"}
    assert len(unread) == 7
    assert "leads out" in unread["etc/mqds"]
    assert "link" in unread["hard"]


def test_control_characters_in_names_are_shown_escaped(tmp_path: Path) -> None:
    assert list(read(archive(tmp_path / "t.tar", member("a\n\x1b[31mb", b"x")))[0]) == ["a\\n\\x1b[31mb"]


def test_a_cut_tarball_is_an_error(tmp_path: Path) -> None:
    path = archive(tmp_path / "t.tar", member("a", b"x" * 5000))
    whole = path.read_bytes()
    path.write_bytes(whole[:3000])
    with pytest.raises(InputError, match=r"^a: the archive ends inside this file; copy the archive again$"):
        read(path)


def test_a_tarball_without_its_end_mark_or_with_a_damaged_header_is_an_error(tmp_path: Path) -> None:
    path = archive(tmp_path / "t.tar", member("a", b"x" * 512), member("b", b"y"))
    whole = path.read_bytes()
    for damaged in (whole[:1024], whole[:2048], whole[:1124], whole[:1024] + b"?" * 512 + whole[1536:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"^t\.tar: a damaged or cut tar archive; copy the archive again$"):
            read(path)


def test_a_hostile_header_size_meets_a_limit(tmp_path: Path) -> None:
    path = archive(tmp_path / "t.tar", member("a", b"x"))
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + path.read_bytes())
    with pytest.raises(InputError, match="at once"):
        read(path)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILES_LIMIT", 3)
    path = archive(tmp_path / "t.tar", *(member(f"f{i}", b"x") for i in range(5)))
    with pytest.raises(InputError, match="more than 3 files"):
        read(path)
    for i in range(5):
        (tmp_path / f"f{i}").write_text("x")
    with pytest.raises(InputError, match="more than 3 files"):
        read(tmp_path)


def test_a_file_too_long_to_be_read_whole(tmp_path: Path) -> None:
    (tmp_path / "mqds").write_bytes(b"x" * 2_000_000)
    for file in walk([tmp_path], print):
        with pytest.raises(InputError, match="longer than 1 MiB"):
            file.data(1 << 20)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing: cannot be read: No such file"):
        read(tmp_path / "nothing")


def test_what_is_no_regular_file_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert read(tmp_path)[1] == {
        "pipe": "not a regular file",
        "dangling": "cannot be read: No such file or directory",
    }


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert read(tmp_path)[1] == {"a/loop": "a link to a folder; name that folder itself"}


def test_topology_details_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "nodes" / "1" / "caches" / "0").mkdir(parents=True)
    (tmp_path / "nodes" / "1" / "caches" / "0" / "properties").symlink_to("nowhere")
    assert read(tmp_path) == ({}, {})


def test_permission_denied_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hqds").write_text("x")

    def refuse(path: Path, *args: object, **kwargs: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, whom no mode refuses
    with pytest.raises(InputError, match="Permission denied; run as root"):
        read(tmp_path / "hqds")
    assert read(tmp_path)[1] == {"hqds": "cannot be read: Permission denied"}


def text_of(tmp_path: Path, data: bytes) -> str:
    (tmp_path / "f").write_bytes(data)
    return next(file.text() for file in walk([tmp_path], print))


def test_text_has_plain_line_ends(tmp_path: Path) -> None:
    assert text_of(tmp_path, b"a\r\nb\r\n") == "a\nb\n"


@pytest.mark.parametrize("data", [b"a\nb\0\nc", b"a\n\xff\n", "a\né\n".encode()])
def test_text_names_the_line_that_is_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match=r"^f:2: binary data"):
        text_of(tmp_path, data)


def test_an_attribute_padded_by_tar_is_its_text(tmp_path: Path) -> None:
    (tmp_path / "gpu_id").write_bytes(b"63420\n".ljust(4096, b"\0"))
    assert [file.attribute() for file in walk([tmp_path], print)] == ["63420\n"]
    (tmp_path / "gpu_id").write_bytes(b"63420\n\0")
    with pytest.raises(InputError, match="binary data"):
        [file.attribute() for file in walk([tmp_path], print)]


def test_a_dash_is_standard_input(tmp_path: Path) -> None:
    program = "from ringscope.evidence.files import walk; print([(f.name, f.data()) for f in walk(['-'], None)])"
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"said", stdout=-1, env=variables, cwd=tmp_path, check=True
    )
    assert done.stdout.decode() == "[('stdin', b'said')]\n"
