"""ImageNet folders: [<split>/]<class>/<image>. Of boxes it holds none: an image goes to its most frequent class.

Read, the folder is the image's attribute `class`; there are no boxes.
"""

from __future__ import annotations

from collections import Counter

from include.formats.places import places
from include.formats.records import LabelledImage, Labels, Layout, lost_by, packed, unpacked
from include.formats.tree import SPLIT_WORDS, Tree

CLASS = "class"
NO_CLASS = "no_class"


def read(tree: Tree) -> Labels:
    labels = Labels()
    for path in tree.images:
        *above, folder, _ = ("", "", *path.split("/"))
        if not folder or folder.lower() in SPLIT_WORDS:
            labels.problems.add(path, "no class folder", "[<split>/]<class>/<image>")
            continue
        stated = None if folder == NO_CLASS else packed({CLASS: folder})
        labels.images.append(LabelledImage(path, split=SPLIT_WORDS.get(above[-1].lower()), attributes=stated))
    found = {unpacked(image.attributes).get(CLASS) for image in labels.images}
    labels.classes = sorted(str(name) for name in found if name is not None)
    return labels


def write(labels: Labels) -> Layout:
    def folder(image: LabelledImage) -> str:
        return "/".join(part for part in (image.split, class_of(image, labels.classes)) if part)

    lost = lost_by(labels.images, {"attributes"})
    lost["image attributes"] += sum(bool(unpacked(image.attributes).keys() - {CLASS}) for image in labels.images)
    lost["boxes"] += sum(len(image.boxes) for image in labels.images)
    lost["images without a class"] += sum(class_of(image, labels.classes) == NO_CLASS for image in labels.images)
    # an image's own folders would be read as its class: they become part of its name
    flat = [LabelledImage(image.path.removeprefix("images/").replace("/", "__"), image.boxes, split=image.split,
                          attributes=image.attributes) for image in labels.images]  # fmt: skip
    return Layout(places(flat, folder), (), +lost)


def class_of(image: LabelledImage, classes: list[str]) -> str:
    """The class of most of its boxes; of two, the one that comes first. Without boxes, what its attribute says."""
    counts = Counter(box.class_name for box in image.boxes)
    if counts:
        return min(counts, key=lambda name: (-counts[name], classes.index(name))).replace("/", "_")
    return str(unpacked(image.attributes).get(CLASS, NO_CLASS)).replace("/", "_")
