from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from include.bundles import OpenedBundle, open_archive
from include.errors import BadInputError


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_hashes_cover_our_files_and_not_those_of_bentoml(tmp_path: Path) -> None:
    files = {"bento.yaml": b"a", "src/bentofile.yaml": b"b", "src/service.py": b"", "src/model/weights.pt": b"hello"}
    opened = open_archive(archive(files), tmp_path)
    assert opened.hashes() == {
        "src/model/weights.pt": "5d41402abc4b2a76b9719d911017c592",
        "src/service.py": "d41d8cd98f00b204e9800998ecf8427e",
    }


@pytest.mark.parametrize(
    "data", [b"", b"no archive", archive({"src/service.py": b"x" * 5000})[:3000]], ids=["empty", "text", "cut"]
)
def test_what_is_no_whole_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="bytes are no whole tar archive"):
        open_archive(data, tmp_path)


@pytest.mark.parametrize("name", ["../escaped", "/escaped"])
def test_nothing_is_unpacked_outside_the_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(BadInputError, match=f"{name} is no plain file inside it"):
        open_archive(archive({name: b"x"}), folder)
    assert not (tmp_path / "escaped").exists()
    assert not Path("/escaped").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    out, link = io.BytesIO(), tarfile.TarInfo("src/model")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(link)
    with pytest.raises(BadInputError, match="src/model is no plain file inside it"):
        open_archive(out.getvalue(), tmp_path)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "src" / "model").mkdir(parents=True)
    with pytest.raises(BadInputError, match=r"src/model/detector\.json is missing"):
        _ = OpenedBundle(tmp_path).settings
    (tmp_path / "src" / "model" / "detector.json").write_text("{")
    with pytest.raises(BadInputError, match=r"src/model/detector\.json is not JSON"):
        _ = OpenedBundle(tmp_path).settings
