"""Which format a path holds, by content first and names second; or why the format asked for does not fit.

Boundary: gives a format and a plan; reads only the first lines of files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from db.choices import FORMATS, Choice
from db.errors import BadInput, DataError
from engine.data.files import Broken, Folder, describe, open_source
from engine.data.mapping import check_fields
from engine.data.plan import CorrectedMapping, Find, Mismatch, Plan
from engine.data.report import ImportOptions
from engine.registry import implementation

AS_FOUND = ImportOptions()


@dataclass(frozen=True)
class Recognised:
    """A data set that was recognised: its format and how it is read."""

    format: Choice
    plan: Plan


def sniff(
    path: str | os.PathLike[str],
    format: str | None = None,
    mapping: CorrectedMapping | None = None,
    called: str | None = None,
    options: ImportOptions = AS_FOUND,
) -> Recognised:
    """The format of `path` and the plan for reading it. `called`: what messages call it, or None: its path.

    `options`: what a person says of the encoding and of line 1. Raises DataError when nothing fits, or
    several data sets do; BadInput for an unknown format or a mapping that names columns the file does not
    have.
    """
    if format is not None and format not in FORMATS:
        raise BadInput(f"Unknown format {format!r}; the formats are {', '.join(FORMATS)}.")
    check_fields(mapping)
    name = called or str(path)
    said = options.names_columns
    folders = sorted(open_source(path, name, options.encoding, said), key=lambda folder: folder.depth)
    recognised: list[tuple[Folder, Recognised]] = []
    reasons: list[str] = []
    for folder in folders:  # the shallowest first
        if recognised and folder.depth > recognised[0][0].depth and not all(map(_doubtful, recognised)):
            break  # what lies at the top is meant, whatever its subfolders hold
        if folder.depth:
            folder = _with_top(folder, folders[0])
        for choice in [FORMATS[format]] if format else FORMATS.values():
            try:
                recognised.append((folder, Recognised(choice, finder(choice)(folder, mapping))))
                break
            except (Mismatch, Broken) as error:
                reasons.append(str(error))
            except BadInput:
                if not recognised:
                    raise
    recognised, passed = _clearest(recognised)
    if len(recognised) > 1:
        names = ", ".join(f"{folder.name} ({source.format.label})" for folder, source in recognised[:6])
        raise DataError(f"{name}: holds several data sets: {names}. Import one of them at a time.")
    if not recognised:
        raise DataError(_not_found(name, format, folders, reasons))
    folder, source = recognised[0]
    return replace(source, plan=replace(source.plan, notes=source.plan.notes + folder.ignored + passed))


def _clearest(
    recognised: list[tuple[Folder, Recognised]],
) -> tuple[list[tuple[Folder, Recognised]], tuple[str, ...]]:
    """Those of the depth that is meant: of the shallowest, or of where columns are clear; and what to say."""
    depths = [folder.depth for folder, found in recognised if not _doubtful((folder, found))]
    depth = min(depths or [folder.depth for folder, _ in recognised], default=0)
    passed = tuple(
        f"{found.plan.interactions[0].name} was not read: which of its columns is user and item is not "
        "clear. To import it, give it alone."
        for folder, found in recognised
        if depths and folder.depth < depth
    )
    return [found for found in recognised if found[0].depth == depth], passed


def _doubtful(found: tuple[Folder, Recognised]) -> bool:
    """Whether a person would have to say what is the user or the item."""
    return any(q.field in ("user", "item", "history") for q in found[1].plan.questions)


def _with_top(folder: Folder, top: Folder) -> Folder:
    """A subfolder with the files at the top beside it, among which its item file may be."""
    if top.depth or folder.given:
        return folder
    return replace(folder, members=(*folder.members, *top.members), given=folder.members)


def finder(format: Choice) -> Find:
    """The function of a format's importer that recognises its files."""
    return implementation("engine.data.importers", format).FORMATS[format.name]


def _not_found(name: str, format: str | None, folders: list[Folder], reasons: list[str]) -> str:
    ignored = " ".join(note for folder in folders for note in folder.ignored)
    if format:
        choice = FORMATS[format]
        return (
            f"{name}: is not {choice.label} ({format}): {reasons[0] if reasons else 'nothing is there'}. "
            f"Expected: {choice.about}. Nothing was imported. {ignored}"
        ).strip()
    only = folders[0].only
    reason = reasons[-1] if reasons else "nothing is there"
    seen = "" if only else f" It holds {describe(folders)}."
    return f"{name}: holds no readable interactions: {reason}.{seen} Nothing was imported. {ignored}".strip()
