"""The COCO files of an archive, wherever they and their images lie: `annotations/….json`, `train/_annotations.coco.json` …"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from include.formats.tree import composed
from include.labelling.files.coco import read_coco
from include.labelling.files.recorded_tree import RecordedTree
from include.labelling.items import Labelled, Picture, Refused, Shape

SHOWN = 20  # problems that are spelt out


def read_coco_files(tree: RecordedTree, job: str | None = None) -> Labelled:
    """Every JSON file that is COCO, together: an image that several name is one picture. `job`: of annotations that name none."""
    finder, found, strays, problems = Finder(tree.images), dict[str, Picture](), list[Shape](), list[str]()
    read = 0
    for path, data in tree.contents(tree.label_files(".json")):
        try:
            labelled = read_coco(data, job)
        except Refused as reason:
            problems.append(f"{path}: {reason}")
            continue
        read += 1
        strays += labelled.strays
        for picture in labelled.pictures:
            placed = finder.placed(picture, path)
            earlier = found.get(placed.name)
            found[placed.name] = placed if earlier is None else replace(earlier, shapes=(*earlier.shapes, *placed.shapes))
    if not read:
        raise Refused(
            f"no COCO file: {'; '.join(problems[:5]) or 'no .json'}; expected images, annotations and categories in JSON"
        )
    more = [f"and {len(problems) - SHOWN} more problems"] if len(problems) > SHOWN else []
    return Labelled(tree.original(), tuple(found.values()), tuple(strays), (*problems[:SHOWN], *more))


class Finder:
    """Finds the file that a file_name means."""

    def __init__(self, images: Sequence[str]) -> None:
        self.images = {composed(path): path for path in images} | {path: path for path in images}
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for path in images:
            self.by_name[composed(path.rpartition("/")[2])].append(path)

    def placed(self, picture: Picture, labels: str) -> Picture:
        """Beside or above the labels, in `images` there, or the only file whose path ends so."""
        if picture.missing is not None:
            return replace(picture, name=f"{labels}/{picture.name}")
        name, folder = str(picture.address), labels.rpartition("/")[0]
        above = folder.rpartition("/")[0]
        for place in (folder, above, f"{folder}/images", f"{above}/images"):
            path = f"{place}/{name}".strip("/")
            if (found := self.images.get(path) or self.images.get(composed(path))) is not None:
                return self._at(picture, found)
        name = composed(name)
        ending = [path for path in self.by_name.get(name.rpartition("/")[2], ()) if composed(path).endswith(f"/{name}")]
        if len(ending) == 1:
            return self._at(picture, ending[0])
        said = f"no file {name}" if not ending else f"{len(ending)} files {name}, e.g. {ending[0]} and {ending[1]}"
        return replace(picture, name=f"{folder}/{picture.name}".strip("/"), address=None, missing=said)

    def _at(self, picture: Picture, path: str) -> Picture:
        """An image that is listed twice keeps the mark that tells the two apart."""
        return replace(picture, name=path + picture.name.removeprefix(str(picture.address)), address=path)
