"""transform …: one command per kind. The version gets a name of its own, `<dataset>-<kind>`, if none is given: what the
nightly build of a dataset adds to must stay what it was.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.dataset.app import Json, Version, app
from cli.dataset.change import Near, derive_by_hand, parse_rename
from include.errors import ConfigError
from include.storage.addresses import DatasetName

transforms = typer.Typer(help="A version changed image by image, or box by box.", no_args_is_help=True)
app.add_typer(transforms, name="transform")

Name = Annotated[str | None, typer.Option("--name", help="the dataset that gets the version (default: <dataset>-<kind>)")]
MinVisible = Annotated[float, typer.Option(help="share of a box's area that must be left, or the box is left out")]
Format = Annotated[str, typer.Option(help="of new files: same, jpeg, png or webp")]
Quality = Annotated[int | None, typer.Option(help="of jpeg and webp, 1 to 100 (default: 95)")]


def transform(version: str, kind: str, parameters: dict[str, Any], name: str | None, near: str, as_json: bool) -> None:
    """Leaves out what was not given: the kind has its own defaults."""
    how = {"kind": kind} | {key: value for key, value in parameters.items() if value is not None}
    named = name or f"{DatasetName.parse(version).name}-{kind}"
    derive_by_hand([version], {"operation": "transform", "how": how}, named, near, as_json)


@transforms.command()
def tile(
    version: Version,
    size: Annotated[int, typer.Option(help="side of a tile, px")],
    overlap: Annotated[int, typer.Option(help="px that neighbours share: as large as the largest object")] = 0,
    min_visible: MinVisible = 0.3,
    drop_empty: Annotated[bool, typer.Option("--drop-empty", help="leave out tiles without a box, in all splits")] = False,
    format: Format = "same",
    quality: Quality = None,
    name: Name = None,
    near: Near = "block",
    json: Json = False,
) -> None:
    """Cut into squares; the last of a row ends at the picture's edge."""
    asked = {"size_px": size, "overlap_px": overlap, "min_visible": min_visible, "drop_empty": drop_empty}
    transform(version, "tile", asked | {"format": format, "quality": quality}, name, near, json)


@transforms.command()
def resize(
    version: Version,
    max_side: Annotated[int | None, typer.Option(help="px of the longer side; only shrinks")] = None,
    width: Annotated[int | None, typer.Option(help="px; alone, it keeps the proportions")] = None,
    height: Annotated[int | None, typer.Option(help="px; with --width, it stretches")] = None,
    format: Format = "same",
    quality: Quality = None,
    name: Name = None,
    near: Near = "block",
    json: Json = False,
) -> None:
    """Scale pictures and boxes."""
    asked = {"max_side_px": max_side, "width_px": width, "height_px": height, "format": format, "quality": quality}
    transform(version, "resize", asked, name, near, json)


@transforms.command()
def crop(
    version: Version,
    region: Annotated[str, typer.Option(help="left,top,width,height in px, or all with a % behind: '0%,50%,100%,50%'")],
    min_visible: MinVisible = 0.3,
    format: Format = "same",
    quality: Quality = None,
    name: Name = None,
    near: Near = "block",
    json: Json = False,
) -> None:
    """Keep one region of every picture."""
    parts = [part.strip() for part in region.split(",")]
    is_share = all(part.endswith("%") for part in parts)
    try:
        left, top, width, height = (float(part[:-1]) / 100 if is_share else float(part) for part in parts)
    except ValueError:
        raise ConfigError(f"--region: got {region!r}, expected left,top,width,height, all in px or all in %") from None
    asked = {"unit": "share" if is_share else "px", "left": left, "top": top, "width": width, "height": height}
    transform(version, "crop", asked | {"min_visible": min_visible, "format": format, "quality": quality}, name, near, json)


@transforms.command()
def reencode(
    version: Version,
    format: Annotated[str, typer.Option(help="jpeg, png or webp")],
    quality: Annotated[int | None, typer.Option(help="1 to 100; none: files of the format stay as they are")] = None,
    name: Name = None,
    near: Near = "block",
    json: Json = False,
) -> None:
    """The same pixels in another file format."""
    transform(version, "reencode", {"format": format, "quality": quality}, name, near, json)


@transforms.command()
def reclassify(
    version: Version,
    rename: Annotated[list[str], typer.Option("--map", help="<old class>=<new class>; nothing after = drops its boxes")],
    classes: Annotated[str | None, typer.Option(help="of the result, in order, comma-separated")] = None,
    name: Name = None,
    near: Near = "block",
    json: Json = False,
) -> None:
    """Rename, merge or drop classes."""
    names = {}
    for one in rename:
        old, _, new = one.partition("=")
        parse_rename(one)
        names[old] = new or None
    transform(version, "reclassify", {"map": names, "classes": classes.split(",") if classes else None}, name, near, json)


@transforms.command("drop-small")
def drop_small(
    version: Version,
    min_side: Annotated[float | None, typer.Option(help="px of the shorter side")] = None,
    min_area: Annotated[float | None, typer.Option(help="px²")] = None,
    name: Name = None,
    near: Near = "block",
    json: Json = False,
) -> None:
    """Leave out boxes that are too small; pictures stay."""
    transform(version, "drop_small", {"min_side_px": min_side, "min_area_px2": min_area}, name, near, json)


@transforms.command()
def augment(
    version: Version,
    copies: Annotated[int, typer.Option(help="changed copies of each train picture")] = 1,
    flip: Annotated[list[str] | None, typer.Option(help="horizontal or vertical; twice for both (default: horizontal)")] = None,
    quarter_turns: Annotated[bool, typer.Option("--quarter-turns", help="also turn by 90°, 180°, 270°")] = False,
    brightness: Annotated[float, typer.Option(help="0.2: factors 0.8 to 1.2")] = 0,
    contrast: Annotated[float, typer.Option(help="as brightness")] = 0,
    seed: int = 0,
    format: Format = "same",
    quality: Quality = None,
    name: Name = None,
    near: Near = "block",
    json: Json = False,
) -> None:
    """Put changed copies beside the train pictures; val and test stay as they are."""
    asked: dict[str, Any] = {"copies": copies, "flips": flip or None, "quarter_turns": quarter_turns, "brightness": brightness}
    asked |= {"contrast": contrast, "seed": seed, "format": format, "quality": quality}
    transform(version, "augment", asked, name, near, json)
