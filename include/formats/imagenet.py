"""ImageNet folders: [<split>/]<class>/<image>. Of boxes it holds none: an image goes to its most frequent class.

Read, the folder is the image's attribute `class`, and a tag; there are no boxes.
"""

from __future__ import annotations

from collections import Counter

from include.formats.places import places
from include.formats.records import Box, LabelledImage, Labels, Layout, lost_by, packed, unpacked
from include.formats.tree import SPLIT_WORDS, Tree
from include.labelling.items import NAN

CLASS = "class"
NO_CLASS = "no_class"


def read(tree: Tree) -> Labels:
    labels, stated, tags = Labels(), dict[str, str | None](), dict[str, tuple[Box, ...]]()
    for path in tree.images:
        *above, folder, _ = ("", "", *path.split("/"))
        if not folder or folder.lower() in SPLIT_WORDS:
            labels.problems.add(path, "no class folder", "[<split>/]<class>/<image>")
            continue
        if folder not in stated:  # one string for all images of a class
            is_class = folder != NO_CLASS
            stated[folder] = packed({CLASS: folder}) if is_class else None
            tags[folder] = (Box(folder, NAN, NAN, NAN, NAN, kind="tag"),) * is_class
        split = SPLIT_WORDS.get(above[-1].lower())
        labels.images.append(LabelledImage(path, split=split, attributes=stated[folder], others=tags[folder]))
    labels.classes = sorted(stated.keys() - {NO_CLASS})
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
