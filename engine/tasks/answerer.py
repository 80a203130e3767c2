"""What a stored run says of the model that answered it, wherever that model is.

Boundary: a loaded model, or an endpoint's, in; plain data out that another process can be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.llm.loading.identity import Identity
from engine.prompts import Template


class Writer(Protocol):
    """What a run says of how its model's prompts were written (`engine.prompts.PieceEncoder`)."""

    @property
    def header(self) -> list[str]:
        """What the chat template writes before and behind the prompt."""
        ...

    @property
    def dated(self) -> str | None:
        """The date that the chat template writes, if it writes one."""
        ...

    def exact_for(self, template: Template) -> bool:
        """Whether the tokens of this template's prompts are those of the whole texts."""
        ...


class Answerer(Protocol):
    """What answered a run: a loaded model, an endpoint's, or the description of one that is elsewhere."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def parameters(self) -> int: ...
    @property
    def device(self) -> Any: ...
    @property
    def dtype_name(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def identity(self) -> Identity: ...
    @property
    def encoder(self) -> Writer: ...


@dataclass(frozen=True)
class Writing:
    """A `Writer` as plain data. `exact`: by the key of each template that it was asked about."""

    header: list[str]
    dated: str | None
    exact: Mapping[str, bool]

    def exact_for(self, template: Template) -> bool:
        """What the model's own encoder said of this template."""
        return self.exact[template.key]


@dataclass(frozen=True)
class Described:
    """An `Answerer` as plain data."""

    name: str
    source: str
    revision: str
    architecture: str
    parameters: int
    device: str
    dtype_name: str
    reason: str
    identity: Identity
    encoder: Writing


def described(model: Answerer, templates: Iterable[Template]) -> Described:
    """What runs say of a model whose prompts are written by these templates."""
    encoder = model.encoder
    exact = {template.key: encoder.exact_for(template) for template in templates}
    return Described(
        name=model.name,
        source=model.source,
        revision=model.revision,
        architecture=model.architecture,
        parameters=model.parameters,
        device=str(model.device),
        dtype_name=model.dtype_name,
        reason=model.reason,
        identity=model.identity,
        encoder=Writing(encoder.header, encoder.dated, exact),
    )
