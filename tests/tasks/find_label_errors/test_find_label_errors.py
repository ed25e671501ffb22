"""The whole step on a small version: a champion whose sight is known, so that every error in it is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from include.artifacts import Bundle, DatasetVersion, LabelReview
from include.artifacts.suspects import SUSPECTS
from include.artifacts.tables import VERSION_ANNOTATIONS, VERSION_IMAGES, from_parquet, to_parquet
from include.errors import BadInputError, NothingToDo
from include.storage import ContentStore, Store
from tasks.find_label_errors import __main__ as step_module
from tasks.find_label_errors.__main__ import work
from tasks.find_label_errors.config import FindConfig

FROZEN = "runs/model__trees/r1/frozen/model___trees_champion"
BUNDLE = "runs/model__trees/r1/pack_model/card.json"
INPUTS = {"dataset": "datasets/trees/v1.json"}
CONFIG = FindConfig(model="trees", min_detection=0.01)
# Every image has the number of its row as its grey: the made-up champion knows them by it.
OBJECT = (10.0, 10.0, 30.0, 20.0)
OTHER = (60.0, 30.0, 20.0, 20.0)
WRONG = {20: "missing", 21: "spurious", 22: "swapped", 23: "misplaced", 90: "missing"}  # 90 is an image of the train split


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (100, 80), (number, number, number)).save(out, "PNG")
    return out.getvalue()


class Knows:
    """Sees every object where it is, at 0.9; and faintly something at the side, in every image."""

    def __init__(self, *_: Any) -> None:
        self.classes = ("Tree", "Bush")

    def detect_arrays(self, images: Sequence[Image.Image], min_score: float, max_detections: int) -> list[Any]:
        return [self._one(np.asarray(image)[0, 0, 0]) for image in images]

    def _one(self, number: int) -> Any:
        boxes = [OBJECT, OTHER, (2.0, 60.0, 10.0, 10.0)]
        corners = np.array([[x, y, x + width, y + height] for x, y, width, height in boxes])
        return corners, np.array([0.9, 0.9, 0.05]), np.array([0, 0, 1])


def rows_of_image(number: int) -> list[tuple[str, tuple[float, float, float, float]]]:
    """What people drew: both objects, but for the errors."""
    match WRONG.get(number):
        case "missing":
            return [("Tree", OBJECT)]
        case "spurious":
            return [("Tree", OBJECT), ("Tree", OTHER), ("Tree", (10.0, 55.0, 25.0, 20.0))]
        case "swapped":
            return [("Tree", OBJECT), ("Bush", OTHER)]
        case "misplaced":
            return [("Tree", OBJECT), ("Tree", (68.0, 36.0, 20.0, 20.0))]
    return [("Tree", OBJECT), ("Tree", OTHER)]


def put_dataset(store: Store, made_by: Any, numbers: range = range(100), broken: int | None = None) -> None:
    """Images below 80 are val and test, the others train; classes in another order than the champion has them."""
    content, classes = ContentStore(store), ("Bush", "Tree", "Rock")
    files = [picture(n)[: 40 if n == broken else None] for n in numbers]
    split = ["train" if n >= 80 else "test" if n % 2 else "val" for n in numbers]
    images = [{"image_id": n + 1, "relpath": f"images/{n}.png", "md5": content.put(data), "size_bytes": 1, "width_px": 100,
               "height_px": 80, "split": where, "group": f"g{n}", "source": "s", "checked_labels": f"labels/s/checked/{n}.json"}
              for n, data, where in zip(numbers, files, split, strict=True)]  # fmt: skip
    drawn = [(n, *one) for n in numbers for one in rows_of_image(n)]
    boxes = [{"annotation_id": at, "image_id": n + 1, "category_id": 1 + classes.index(name), "x_px": x, "y_px": y, "width_px": w,
              "height_px": h, "is_crowd": False, "origin": f"d#{at}", "annotator": f"ann{n % 3}", "job": "j1"}
             for at, (n, name, (x, y, w, h)) in enumerate(drawn, 1)]  # fmt: skip
    card = DatasetVersion(
        made_by=made_by, inputs={}, config={}, name="trees", version="v1", digest="d" * 32, parents=(), classes=classes,
        images_table=content.put(to_parquet(pa.Table.from_pylist(images, VERSION_IMAGES))),
        annotations_table=content.put(to_parquet(pa.Table.from_pylist(boxes, VERSION_ANNOTATIONS))),
        splits={}, size_bytes=1, new_bytes=1, checked_labels=(),
    )  # fmt: skip
    store.write("datasets/trees/v1.json", card.to_bytes())


@pytest.fixture
def ready(store: Store, made_by: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    put_dataset(store, made_by)
    content = ContentStore(store)
    bundle = Bundle(
        made_by=made_by, inputs={}, config={}, model="trees", tag="trees:1", archive=content.put(b"an archive"), archive_bytes=1,
        files={}, checkpoint="c", dataset="trees:v1", dataset_digest="d" * 32, classes=("Tree", "Bush"), mlflow_run_id="1",
    )  # fmt: skip
    store.write(BUNDLE, bundle.to_bytes())
    store.write(FROZEN, json.dumps({"version": "4", "bundle": BUNDLE}).encode())
    monkeypatch.setattr(step_module, "OnnxDetector", Knows)
    monkeypatch.setattr(step_module, "open_archive", lambda *_: type("Opened", (), {"path": lambda self, name: name})())
    return store


def suspects(store: Store, card: LabelReview) -> list[dict[str, Any]]:
    table = from_parquet(ContentStore(store).get(card.suspects_table))
    assert table.schema == SUSPECTS
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def test_every_error_is_found_and_the_unseen_images_come_first(ready: Store, step_run: Callable[..., Any]) -> None:
    card = work(step_run("find_label_errors", CONFIG, ready, INPUTS))
    rows = suspects(ready, card)
    assert {(row["relpath"], row["kind"]) for row in rows} == {(f"images/{n}.png", kind) for n, kind in WRONG.items()}
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert (rows[-1]["relpath"], rows[-1]["champion_saw"]) == ("images/90.png", "train")
    assert {row["champion_saw"] for row in rows[:-1]} == {"val", "no"}
    assert (card.images, card.annotations, card.unseen, card.trusted_on) == (100, 199, 4, 80)
    assert card.by_kind == {"missing": 2, "spurious": 1, "swapped": 1, "misplaced": 1}
    assert (card.champion_version, card.trained_on, card.dataset) == ("4", "trees:v1", "trees:v1")
    assert set(card.inputs) == {"champion", "dataset", "trained_on"}


def test_a_row_says_which_box_whose_and_what_is_likely_right(ready: Store, step_run: Callable[..., Any]) -> None:
    by_kind = {row["kind"]: row for row in suspects(ready, work(step_run("find_label_errors", CONFIG, ready, INPUTS)))[:4]}
    swapped, missing, spurious = by_kind["swapped"], by_kind["missing"], by_kind["spurious"]
    assert (swapped["given_class"], swapped["likely_class"], swapped["detection_score"]) == ("Bush", "Tree", 0.9)
    assert (swapped["annotator"], swapped["job"], swapped["checked_labels"]) == ("ann1", "j1", "labels/s/checked/22.json")
    assert [missing[f"likely_{side}_px"] for side in ("x", "y", "width", "height")] == list(OTHER)
    assert [missing[name] for name in ("annotation_id", "given_class", "given_x_px", "origin", "annotator")] == [None] * 5
    assert [spurious[name] for name in ("likely_class", "likely_x_px", "detection_score")] == [None] * 3
    assert [by_kind["misplaced"][f"{whose}_x_px"] for whose in ("given", "likely")] == [68, 60]


def test_the_report_shows_each_and_filters_without_a_script(ready: Store, step_run: Callable[..., Any]) -> None:
    card = work(step_run("find_label_errors", CONFIG, ready, INPUTS))
    page = ready.read(card.page).decode()
    assert card.page == "runs/model__trees/r1/find_label_errors/report.html"
    assert page.count("<figure id='suspect-") == 5
    assert page.count("data:image/jpeg;base64,") == 5
    assert "<script" not in page
    assert "://" not in page
    assert "trained on trees:v1" in page
    assert page.index("was not trained on</h2>") < page.index("suspect-1'") < page.index("was trained on</h2>")
    assert page.index("was trained on</h2>") < page.index("suspect-5'")
    assert "id=kind-all checked" in page


def test_without_pictures_the_report_is_the_numbers(ready: Store, step_run: Callable[..., Any]) -> None:
    card = work(step_run("find_label_errors", CONFIG.model_copy(update={"pictures": 0}), ready, INPUTS))
    page = ready.read(card.page).decode()
    assert "<figure" not in page
    assert "5 labels look wrong, 4 of them in images that the champion was not trained on" in page


def test_only_the_chosen_splits_and_as_many_as_wanted_are_listed(ready: Store, step_run: Callable[..., Any]) -> None:
    config = FindConfig.model_validate(
        {"model": "trees", "splits": "val,test", "most": "2", "min_score": "0.1"}
    )  # as a form says
    card = work(step_run("find_label_errors", config, ready, INPUTS))
    assert (card.images, len(suspects(ready, card))) == (80, 2)


def test_without_images_that_it_was_not_trained_on_the_report_says_so(ready: Store, step_run: Callable[..., Any]) -> None:
    card = work(step_run("find_label_errors", CONFIG.model_copy(update={"splits": ("train",)}), ready, INPUTS))
    assert (card.images, card.unseen, card.trusted_on) == (20, 0, 20)
    assert "it looks too good" in ready.read(card.page).decode()


def test_the_same_again_gives_the_same_table(ready: Store, step_run: Callable[..., Any]) -> None:
    first, again = (work(step_run("find_label_errors", CONFIG, ready, INPUTS, run)) for run in ("r1", "r1"))
    assert first.suspects_table == again.suspects_table


def test_an_unreadable_image_is_named_and_its_labels_are_not_accused(
    ready: Store, made_by: Any, step_run: Callable[..., Any]
) -> None:
    put_dataset(ready, made_by, broken=21)
    card = work(step_run("find_label_errors", CONFIG, ready, INPUTS))
    assert [name.partition(" cannot")[0] for name in card.unreadable] == ["image images/21.png"]
    assert "images/21.png" not in {row["relpath"] for row in suspects(ready, card)}
    assert "images/21.png" in ready.read(card.page).decode()


def test_without_a_champion_there_is_nothing_to_do(ready: Store, step_run: Callable[..., Any]) -> None:
    ready.write(FROZEN, b"null")
    with pytest.raises(NothingToDo, match="trees: there is no champion yet"):
        work(step_run("find_label_errors", CONFIG, ready, INPUTS))


def test_a_champion_whose_version_is_gone_is_bad_input(ready: Store, step_run: Callable[..., Any]) -> None:
    bundle = Bundle.load(ready, BUNDLE).model_copy(update={"dataset": "trees:v7"})
    ready.write(BUNDLE, bundle.to_bytes())
    with pytest.raises(BadInputError, match=r"input trained_on: .*/datasets/trees/v7\.json does not exist"):
        work(step_run("find_label_errors", CONFIG, ready, INPUTS))


@pytest.mark.parametrize("numbers", [range(0), range(1)], ids=["no image", "one image"])
def test_a_version_with_hardly_anything_gives_a_card(
    ready: Store, made_by: Any, step_run: Callable[..., Any], numbers: range
) -> None:
    put_dataset(ready, made_by, numbers)
    card = work(step_run("find_label_errors", CONFIG, ready, INPUTS))
    assert (card.images, suspects(ready, card)) == (len(numbers), [])
    assert "No label looks wrong." in ready.read(card.page).decode()


def test_a_packed_model_looks(packed: Store, ready: Store, step_run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The real detector of a real archive, which has learned nothing: a card comes of it."""
    monkeypatch.undo()
    bundle = Bundle.load(packed, BUNDLE)
    ContentStore(ready).put(ContentStore(packed).get(bundle.archive))
    ready.write(BUNDLE, bundle.model_copy(update={"dataset": "trees:v1"}).to_bytes())
    assert work(step_run("find_label_errors", CONFIG, ready, INPUTS)).images == 100
