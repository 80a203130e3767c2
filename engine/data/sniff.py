"""Which format a path holds, by content first and names second; or why the format asked for does not fit.

Boundary: returns a plan; reads only the first lines of files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from db.errors import BadInput, DataError
from engine.data.files import Broken, Folder, describe, open_source
from engine.data.importers import FORMATS
from engine.data.importers.mapping import check_fields
from engine.data.importers.plan import Mismatch, Plan


def sniff(
    path: str | os.PathLike[str], format: str | None = None, mapping: Mapping[str, str | None] | None = None
) -> Plan:
    """The plan for reading `path`.

    Raises DataError when nothing fits, or several data sets do; BadInput for an unknown format or a mapping
    that names columns the file does not have.
    """
    if format is not None and format not in FORMATS:
        raise BadInput(f"Unknown format {format!r}; the formats are {', '.join(FORMATS)}.")
    check_fields(mapping)
    folders = sorted(open_source(path), key=lambda folder: folder.depth)
    found: list[tuple[Folder, Plan]] = []
    reasons: list[str] = []
    for folder in folders:  # the shallowest first
        if found and folder.depth > found[0][0].depth:
            break  # what lies at the top is meant, whatever its subfolders hold
        for entry in [FORMATS[format]] if format else FORMATS.values():
            try:
                found.append((folder, entry.find(folder, mapping)))
                break
            except (Mismatch, Broken) as error:
                reasons.append(str(error))
    if len(found) > 1:
        names = ", ".join(f"{folder.name} ({plan.label})" for folder, plan in found[:6])
        raise DataError(f"{path}: holds several data sets: {names}. Import one of them at a time.")
    if not found:
        raise DataError(_not_found(path, format, folders, reasons))
    folder, plan = found[0]
    return replace(plan, notes=plan.notes + folder.ignored)


def _not_found(path: object, format: str | None, folders: list[Folder], reasons: list[str]) -> str:
    ignored = " ".join(note for folder in folders for note in folder.ignored)
    if format:
        entry = FORMATS[format]
        return (
            f"{path}: is not {entry.label} ({format}): {reasons[0] if reasons else 'nothing is there'}. "
            f"Expected: {entry.expects}. Nothing was imported. {ignored}"
        ).strip()
    only = folders[0].only
    reason = reasons[-1] if reasons else "nothing is there"
    seen = "" if only else f" It holds {describe(folders)}."
    return f"{path}: holds no readable interactions: {reason}.{seen} Nothing was imported. {ignored}".strip()
