"""Policy files: all that a service needs to write the prompts that were tried here.

Boundary: text in, a checked `Policy` out, and back. A file is data: reading it runs nothing, and what it
holds is checked here, its template's text by `engine.prompts.parse`. It names no person: demonstrations are
items and ratings.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.choices import CONTROLLED
from db.errors import BadInput
from db.names import quoted
from db.requests.fields import LONGEST_SEED
from db.requests.strategy_spec import MOST as MOST_DEMONSTRATIONS
from db.requests.strategy_spec import parse_spec
from db.schema import policies as table
from db.store import Store
from db.templates import LARGEST as LARGEST_TEMPLATE

FORMAT = 1
"""Of the files that are written; every one up to it is read."""

LARGEST = 4_000_000  # bytes of a file
FIXED = "fixed"
"""The strategy of a policy whose demonstrations are the same for all users."""

LONGEST_TITLE = 20_000
Short = Field(max_length=500)
_AGAIN = "Write it again with `dualens policy`."


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Purchase(_Part):
    """An item as demonstrations show it. timestamp: unix seconds."""

    title: str = Field(max_length=LONGEST_TITLE)
    item: str = Field(default="", max_length=2_000)
    rating: float | None = None
    timestamp: int | None = None
    category: str | None = Field(default=None, max_length=2_000)
    brand: str | None = Field(default=None, max_length=2_000)


class Shown(_Part):
    """A demonstration in full: what was bought, oldest first, and what came next."""

    id: str = Short
    weight: float = Field(default=1.0, ge=0)
    history: tuple[Purchase, ...] = Field(max_length=64)
    answer: Purchase


class TemplateText(_Part):
    """A prompt template: the reference by which runs name it, and its text."""

    reference: str = Short
    text: str = Field(max_length=LARGEST_TEMPLATE)


class CandidateSettings(_Part):
    """How candidate lists were drawn where the policy was tried."""

    count: int = Field(ge=2, le=100_000)
    kind: str = Short
    seed: int = Field(ge=0, le=LONGEST_SEED)


class Guard(_Part):
    """The optimizer's verdict on these demonstrations: `two-stage`, `stage 1` or `zero-shot`, and why."""

    verdict: str = Short
    reason: str = Field(max_length=2_000)


class Model(_Part):
    """The model, and how its prompts are written.

    revision: digest of its files, or of an endpoint's answers. context_length: in `unit`, which is tokens, or
    bytes for a model behind an endpoint. cut: how marks become text (`engine.prompts.encode.CUTS`). header:
    what its chat template writes before and behind a prompt. turns: what it writes between a question and the
    answer, and behind that. tokenizer: digest of the tokens of probe prompts. writes, system: of a server.
    """

    name: str = Short
    source: str = Field(max_length=4_096)
    revision: str = Short
    unit: Literal["tokens", "bytes"]
    context_length: int = Field(ge=1)
    cut: str = Short
    header: tuple[str, str]
    turns: tuple[str, str] | None = None
    tokenizer: str = Field(default="", max_length=64)
    writes: bool = False
    system: str = Field(default="", max_length=2_000)


class RatingScale(_Part):
    """Which ratings are likings (`db.ratings.Scale`)."""

    low: float
    high: float
    liked: float
    disliked: float
    counts: bool = False


class Data(_Part):
    """The data set: its fingerprint, and its scale."""

    name: str = Short
    fingerprint: str = Short
    scale: RatingScale


class Policy(_Part):
    """One policy. strategy: `fixed`, where the demonstrations are those of the file, or one that chooses for
    each user, such as neighbours:4. k: how many demonstrations at most. history: items in a prompt at most.
    """

    dualens_policy: Literal[1] = FORMAT
    dualens: str = Short
    strategy: str = Short
    k: int = Field(ge=0, le=MOST_DEMONSTRATIONS)
    demonstrations: tuple[Shown, ...] | None = Field(default=None, max_length=MOST_DEMONSTRATIONS)
    control_of: str = Field(default="neighbours", max_length=100)
    embedding: str | None = Field(default=None, max_length=4_096)
    template: TemplateText
    scoring: str = Short
    turns: Literal["one", "chat"]
    history: int = Field(ge=1, le=10_000)
    seed: int = Field(ge=0, le=LONGEST_SEED)
    candidates: CandidateSettings
    guard: Guard | None = None
    model: Model
    data: Data
    notes: tuple[str, ...] = ()

    @property
    def fixed(self) -> bool:
        """Whether every user gets the same demonstrations."""
        return self.demonstrations is not None

    def text(self) -> str:
        """The file's text."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def read(text: str, named: str = "The policy") -> Policy:
    """The policy of a file's text. Raises BadInput with the first fault, or for a newer format."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{named} is not JSON ({_reason(error)}). {_AGAIN}") from None
    written = data.get("dualens_policy") if isinstance(data, dict) else None
    if isinstance(written, int) and not isinstance(written, bool) and written > FORMAT:
        raise BadInput(
            f"{named} has format {written}, and this version of Dualens reads up to {FORMAT}. Update Dualens."
        )
    if written != FORMAT or isinstance(written, bool):
        raise BadInput(f"{named} is no policy file: dualens_policy is {quoted(written)}, not {FORMAT}.")
    try:
        policy = Policy.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(f"{named} cannot be used: {where[:80]}: {first['msg']}. {_AGAIN}") from None
    if policy.fixed != (policy.strategy == FIXED):
        raise BadInput(f"{named} cannot be used: strategy is {FIXED} exactly where demonstrations are given.")
    shown = parse_spec(policy.strategy).size if policy.demonstrations is None else len(policy.demonstrations)
    if policy.k != min(MOST_DEMONSTRATIONS, shown):
        raise BadInput(
            f"{named} cannot be used: k is {policy.k}, and {policy.strategy} has {shown}. {_AGAIN}"
        )
    if policy.control_of not in CONTROLLED:
        raise BadInput(
            f"{named} cannot be used: control_of is {quoted(policy.control_of)}, not one of "
            f"{', '.join(CONTROLLED)}. {_AGAIN}"
        )
    return policy


def load(path: str | Path) -> Policy:
    """The policy of a file. Raises BadInput."""
    named = f"The policy file {quoted(str(path))}"
    try:
        with Path(path).expanduser().open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise BadInput(f"{named} cannot be read: {_reason(error)}.") from None
    if len(content) > LARGEST:
        raise BadInput(f"{named} is larger than {LARGEST:,} bytes, so it is no policy file.")
    try:
        return read(content.decode("utf-8-sig"), named)
    except UnicodeDecodeError:
        raise BadInput(f"{named} is not UTF-8, so it is no policy file.") from None


@dataclass(frozen=True)
class Written:
    """A policy file that was written here. `created_at`: unix seconds."""

    digest: str
    policy: Policy
    created_at: float


def note(store: Store, policy: Policy) -> None:
    """Remember that a policy file was written, so that it can be told what it shows."""
    text = policy.text()
    values = {
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "dataset": policy.data.name,
        "created_at": time.time(),
        "text": text,
    }
    with store.write() as connection:
        connection.execute(store.insert(table).values(**values).on_conflict_do_nothing())


def written(store: Store, dataset: str) -> list[Written]:
    """Policy files that were written for a data set, newest first."""
    query = sa.select(table).where(table.c.dataset == dataset).order_by(table.c.created_at.desc())
    with store.read() as connection:
        rows = connection.execute(query).all()
    return [Written(row.digest, Policy.model_validate_json(row.text), row.created_at) for row in rows]


def snippet(policy: Policy, path: str = "policy.json") -> str:
    """Python that writes a prompt by a policy file."""
    history = ["Title bought first", "Title bought last"]
    lines = ["import dualens", "", f"policy = dualens.load_policy({path!r})"]
    if policy.scoring in ("yes_no", "listwise", "free"):
        lines += [f"prompt = policy.prompt({history!r}, candidates={['One title', 'Another title']!r})"]
    else:
        lines += [f"prompt = policy.prompt({history!r})"]
    return "\n".join([*lines, "print(prompt.text)", "print(prompt.messages)", ""])


def _reason(error: Any) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said)[:120]
