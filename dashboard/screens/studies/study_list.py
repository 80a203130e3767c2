"""What a study is about in one line, and all studies as rows. No Streamlit, no store."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard.screens.studies.conclusion import headline
from dashboard.screens.studies.study_text import Study
from dashboard.text import values
from dashboard.text.formats import plural, seconds
from dashboard.text.literal import plain
from db.choices import STRATEGIES
from db.requests import StudyRequest
from db.requests.fields import field_of

FEW = 4  # strategies that are named one by one


def about(study: Study) -> str:
    """Of which models, users and purchases a study's numbers are, in one line. Plain text."""
    found, asked = study.found, {**study.asked, **(study.found.get("request") or {})}
    split = found.get("split") or {}
    parts = [f"{_models(study)} on {asked.get('dataset', '?')}", *_users(found, asked)]
    if split.get("kind") == "periods":
        parts.append(
            f"interactions after {split.get('date')} (period {split.get('cut')} of {split.get('periods')} on)"
        )
    elif split:
        parts.append("each user's last interaction")
    if found.get("short"):
        parts.append(f"{found['short']} left out with too few demonstrations")
    if asked.get("candidates"):
        parts.append(f"{asked['candidates']} candidates")
    parts += _demonstrations(study, asked)
    if found.get("seconds") is not None:
        parts.append(f"measured in {seconds(found['seconds'])}")
    return plain(" · ".join(parts), 240)


def _demonstrations(study: Study, asked: Mapping[str, Any]) -> list[str]:
    """Which demonstrations are shown, from the fields that this study reads: a request holds all of them,
    but those that came later only where they are not the usual."""
    asks = study.what.asks if study.what else ()
    if "k" in asks:
        k, only = asked.get("k", field_of(StudyRequest, "k").default), asked.get("only") or STRATEGIES
        compared = [row.label for name, row in STRATEGIES.items() if name in only and not row.derived]
        named = ", ".join(compared) if len(compared) <= FEW else f"{len(compared)} strategies"
        return [f"compares {named}", plural(k, "demonstration")]
    if "demos" not in asks or not asked.get("demos"):
        return []
    return [values.strategy(str(asked["demos"]))]


def _models(study: Study) -> str:
    """The models of its rows, else the one it asks."""
    rows = study.found.get("rows") or {}
    names = [row["model"] for row in rows.values() if isinstance(row, Mapping) and row.get("model")]
    names = names or [study.asked.get(field) for field in ("model", "single", "recicl")]
    return ", ".join(dict.fromkeys(str(name) for name in names if name)) or "?"


def _users(found: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """How many users were measured, or are to be."""
    counted = found.get("measured", next((cell.get("n") for cell in found.get("cells") or []), None))
    users = counted if counted is not None else found.get("users", asked.get("users"))
    return [plural(users, "user")] if isinstance(users, int) else []


def table(studies: Sequence[Study]) -> pd.DataFrame:
    """One row per study, newest first; plain text, and moments that a browser shows in its own time."""
    return pd.DataFrame(
        {
            "study": [study.title for study in studies],
            "state": [study.state for study in studies],
            "filed": pd.to_datetime([study.job.created_at for study in studies], unit="s", utc=True),
            "models": [plain(_models(study), 60) for study in studies],
            "users": [study.asked.get("users") for study in studies],
            "seed": [study.asked.get("seed", 0) for study in studies],
            "result": [plain(headline(study)) if study.found else "–" for study in studies],
        }
    )
