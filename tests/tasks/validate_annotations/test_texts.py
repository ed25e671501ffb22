from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.validate_annotations import texts
from tasks.validate_annotations.texts import Places, identities

awkward = st.text(alphabet="ab0\x00é", max_size=20)


def of(*words: str, chunks: int = 1) -> list[tuple[int, int]]:
    some = pa.chunked_array([pa.array(words[at::chunks], pa.string()) for at in range(chunks)], pa.string())
    one, other = identities(some)
    return list(zip(one.tolist(), other.tolist(), strict=True))


@given(st.lists(awkward, max_size=12))
def test_texts_have_one_identity_if_and_only_if_they_are_the_same(words: list[str]) -> None:
    found = of(*words)
    assert [[one == other for other in words] for one in words] == [[one == other for other in found] for one in found]


@pytest.mark.parametrize(
    ("text", "beside"),
    [("7", "a" * 17), ("a" * 17, "7"), ("7\0", "7"), ("a" * 16, "a" * 40), ("", "7")],
    ids=["short", "long", "ends in NUL", "as long as may be", "empty"],
)
def test_identity_does_not_depend_on_what_is_beside_it(text: str, beside: str) -> None:
    assert of(text)[0] == of(beside, text)[1] == of(text, beside, beside, text, chunks=2)[0]


def test_digits_are_their_own_identity() -> None:
    assert of("42") == [(ord("4") | ord("2") << 8, 0)]


def test_place_of_a_key_is_its_row() -> None:
    places = Places([pa.array(["b", "a"]), pa.array(["c"])])
    assert places.of(pa.chunked_array([["c", None], ["b", "d"]])).tolist() == [2, -1, 0, -1]


@given(st.lists(awkward | st.text("ab", min_size=250, max_size=520), unique=True), st.lists(awkward, max_size=12))
def test_place_is_the_row_of_the_same_text_whatever_is_beside_it(images: list[str], others: list[str]) -> None:
    wanted = [*others, *images[::2], None]
    places = Places([pa.array(images[:3], pa.string()), pa.array(images[3:], pa.string())])
    assert places.of(pa.chunked_array([wanted], pa.string())).tolist() == [
        images.index(one) if one in images else -1 for one in wanted
    ]


def test_keys_that_share_a_hash_are_told_apart_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def poor(some: pa.StringArray, salts: texts.Hashes) -> texts.Hashes:
        return np.array([[len(one) for one in some.to_pylist()], [ord(one[0]) for one in some.to_pylist()]], np.uint64)

    monkeypatch.setattr(texts, "mixed", poor)
    places = Places([pa.array(["b", "a", "ca"])])
    assert places.of(pa.chunked_array([["a", "b", "bc", "ca", "d"]])).tolist() == [1, 0, -1, 2, -1]


def test_key_of_two_images_is_refused() -> None:
    with pytest.raises(ValueError, match="two images of the batch have the same image_key"):
        Places([pa.array(["a", "b"]), pa.array(["a"])])
