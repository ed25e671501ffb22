from __future__ import annotations

import contextlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.labelling.files.archives import unpack
from include.labelling.files.unpacked import Limits
from include.labelling.items import Refused

FILES = {"labels/a.txt": b"0 .5 .5 .1 .1\n", "images/a.jpg": bytes(range(256)) * 40, "data.yaml": b"names: [Tree]\n"}
SMALL = Limits(entries=10, unpacked_bytes=10_000_000, file_bytes=2_000_000, ratio=100, unpacked_bytes_free=1000)


def zipped(
    entries: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]], compression: int = zipfile.ZIP_DEFLATED
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, data in entries.items() if isinstance(entries, dict) else entries:
            made.writestr(name, data, compression)
    return out.getvalue()


def tarred(entries: dict[str, bytes] | list[tarfile.TarInfo], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as made:  # type: ignore[call-overload]
        for one in entries:
            info = one if isinstance(one, tarfile.TarInfo) else tarfile.TarInfo(one)
            data = entries[one] if isinstance(entries, dict) else b""
            info.size = info.size or len(data)
            made.addfile(info, io.BytesIO(data or bytes(info.size if info.isreg() else 0)))
    return out.getvalue()


def odd(name: str, kind: bytes, to: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes], tuple[Path, Path]]:
    def put(data: bytes) -> tuple[Path, Path]:
        (tmp_path / "archive").write_bytes(data)
        (tmp_path / "files").mkdir(exist_ok=True)
        return tmp_path / "archive", tmp_path / "files"

    return put


def encrypted() -> bytes:
    """A zip whose entries say that they are encrypted: the flag in both headers."""
    data = bytearray(zipped({"a.txt": b"secret"}))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.zip", zipped(FILES)), ("a.ZIP", zipped(FILES, zipfile.ZIP_STORED)), ("a.tar", tarred(FILES)),
     ("a.tgz", tarred(FILES, "w:gz")), ("a.tar.gz", tarred(FILES))],
    ids=["zip", "stored", "tar", "tgz", "tar named gz"],
)  # fmt: skip
def test_a_sound_archive_gives_its_files(put: Callable[[bytes], tuple[Path, Path]], name: str, data: bytes) -> None:
    archive, folder = put(data)
    found = unpack(archive, name, folder)
    assert {path: place.read_bytes() for path, place in found.files.items()} == FILES


def test_what_systems_leave_behind_and_archives_within_are_left_out(put: Callable[[bytes], tuple[Path, Path]]) -> None:
    archive, folder = put(
        zipped({"./a.jpg": b"1", "__MACOSX/._a.jpg": b"2", ".DS_Store": b"3", "more/b.zip": b"4", "empty/": b""})
    )
    found = unpack(archive, "a.zip", folder)
    assert (list(found.files), found.nested) == (["a.jpg"], ["more/b.zip"])


REFUSED = {
    "up": (zipped({"../a.txt": b""}), "relative path"),
    "up within": (zipped({"a/../../b.txt": b""}), "relative path"),
    "absolute": (zipped({"/etc/passwd": b""}), "relative path"),
    "drive": (zipped({"C:/a.txt": b""}), "relative path"),
    "backslash": (zipped({"a\\b.txt": b""}), "relative path"),
    "line end": (zipped({"a\nb.txt": b""}), "relative path"),
    "link": (zipped([(entry("a.txt", stat.S_IFLNK | 0o777), b"/etc/passwd")]), "link or device"),
    "pipe": (zipped([(entry("a.txt", stat.S_IFIFO | 0o666), b"")]), "link or device"),
    "twice": (zipped([(entry("a.txt"), b"1"), (entry("./a.txt"), b"2")]), "twice"),
    "file is folder": (zipped([(entry("a"), b"1"), (entry("a/b.txt"), b"2")]), "twice"),
    "folder is file": (zipped([(entry("a/b.txt"), b"2"), (entry("a"), b"1")]), "twice"),
    "encrypted": (encrypted(), "encrypted"),
    "lzma": (zipped({"a.txt": b"1" * 99}, zipfile.ZIP_LZMA), "compression 14"),
    "cut short": (zipped(FILES)[:-60], "damaged or cut short"),
    "other bytes": (zipped({"a.jpg": bytes(range(256))}, zipfile.ZIP_STORED).replace(b"\x40\x41\x42", b"\x40\x41\x43"), "CRC"),
    "no zip": (b"hello", "damaged or cut short"),
    "nothing": (b"", "damaged or cut short"),
    "empty": (zipped({}), "no file in it"),
    "many": (zipped({f"{n}.txt": b"" for n in range(11)}), "more than 10 entries"),
    "bomb": (zipped({"a.txt": bytes(1_500_000)}), "bomb"),
    "large file": (zipped({"a.txt": bytes(range(256)) * 8000}, zipfile.ZIP_STORED), "file 'a.txt'"),
    "nested bomb": (zipped({"a.txt": b"", "b.gz": bytes(1_500_000)}), "bomb"),
}  # fmt: skip
LISTING = zipped({"a.txt": b"1"})
REFUSED["long listing"] = (LISTING[:-10] + (2**31).to_bytes(4, "little") + LISTING[-6:], "a listing of 2147483648 bytes")
TAR_REFUSED = {
    "up": (tarred({"../a.txt": b""}), "relative path"),
    "absolute": (tarred({"/etc/passwd": b""}), "relative path"),
    "link": (tarred([odd("a.txt", tarfile.SYMTYPE, "/etc/passwd")]), "link, device"),
    "hard link": (tarred([odd("a.txt", tarfile.LNKTYPE, "b.txt")]), "link, device"),
    "device": (tarred([odd("a.txt", tarfile.CHRTYPE)]), "link, device"),
    "pipe": (tarred([odd("a.txt", tarfile.FIFOTYPE)]), "link, device"),
    "unknown": (tarred([odd("a.txt", b"Z")]), "link, device"),
    "twice": (tarred([odd("a.txt", tarfile.REGTYPE), odd("a.txt", tarfile.REGTYPE)]), "twice"),
    "bomb": (tarred({"a.txt": bytes(1_500_000)}, "w:gz"), "bomb"),
    "large file": (tarred({"a.txt": bytes(2_100_000)}), "file 'a.txt'"),
    "many": (tarred({f"{n}.txt": b"" for n in range(11)}), "more than 10 entries"),
    "cut in a file": (tarred(FILES)[:3000], "damaged or cut short"),
    "cut between files": (tarred({"a.txt": b"1"})[:1024], "no end mark"),
    "nonsense within": (tarred({"a.txt": b"1"})[:1024] + b"x" * 2048, "no end mark"),
    "cut gzip": (tarred(FILES, "w:gz")[:-30], "damaged or cut short"),
    "no tar": (b"hello" * 500, "damaged or cut short"),
    "nothing": (b"", "damaged or cut short"),
    "empty": (tarred({}), "no file in it"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "says"), REFUSED.values(), ids=REFUSED)
def test_a_zip_that_is_not_sound_is_refused(put: Callable[[bytes], tuple[Path, Path]], data: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        unpack(*put(data)[:1], "a.zip", put(data)[1], SMALL)


@pytest.mark.parametrize(("data", "says"), TAR_REFUSED.values(), ids=TAR_REFUSED)
def test_a_tar_that_is_not_sound_is_refused(put: Callable[[bytes], tuple[Path, Path]], data: bytes, says: str) -> None:
    with pytest.raises(Refused, match=says):
        unpack(*put(data)[:1], "a.tgz", put(data)[1], SMALL)


def test_a_header_that_would_fill_the_memory_is_refused(put: Callable[[bytes], tuple[Path, Path]]) -> None:
    """A name of 32 MB, in a tar that is small because it is compressed."""
    info = tarfile.TarInfo("x" * 2**25)
    with pytest.raises(Refused, match="a header of 33554"):
        unpack(*put(tarred([info], "w:gz"))[:1], "a.tgz", put(tarred([info], "w:gz"))[1])


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject) -> None:
    made = bytearray({"a.zip": zipped, "a.tar": tarred, "a.tgz": lambda files: tarred(files, "w:gz")}[name](FILES))
    for _ in range(data.draw(st.integers(1, 6))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    root = tmp_path_factory.mktemp("damaged")
    (root / "files").mkdir()
    (root / "archive").write_bytes(bytes(made[: data.draw(st.integers(len(made) - 40, len(made)))]))
    with contextlib.suppress(Refused):
        unpack(root / "archive", name, root / "files")
    assert {path.name for path in root.iterdir()} == {"archive", "files"}
