"""What one engine process holds (`Engine`), and one request looked up in it (`Context`).

A task resolves its request once, at its door: there the data set is read and the model's folder inspected,
and nothing behind it looks them up again. PyTorch is imported when a model is first needed, so that commands
about data stay quick.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from db import datasets, endpoints, models, templates
from db.canonical import digest
from db.changes import Changes
from db.choices import TEMPLATES
from db.datasets import DatasetInfo, Interaction
from db.endpoints import Endpoint
from db.errors import BadInput, ModelError, NotFound
from db.models import FOLDER, LOADING, ModelInfo
from db.public import PUBLIC_MODELS
from db.requests import OptimizeRequest, RunRequest, request_digest
from db.requests.settled import STATES, settled
from db.settings import Settings
from db.store import Store
from engine.data.confinement import check_address, check_folder
from engine.demos import query as queries
from engine.demos.query import PoolEntry, Query
from engine.demos.reader import Reader
from engine.endpoint.client import Client
from engine.libraries import versions
from engine.llm.loading import forms, sources, trial
from engine.llm.loading.digests import Digests
from engine.llm.loading.health import fault
from engine.llm.loading.identity import ENCODERS, Identity
from engine.prompts import Example, Form, Template, built_in, read
from engine.prompts.segments import written

if TYPE_CHECKING:
    from engine.llm.loading.load import LoadedModel
    from engine.llm.loading.loaded_models import Models
    from engine.llm.scoring.memory import PrefillCache
_DIGESTS = "digests.json"
REMOTE = "remote"  # dtype and device of a model behind an endpoint: whatever its server uses
EMBEDDED = Path(__file__).parent / "embedded"  # the model that ships with the project

Request = TypeVar("Request", RunRequest, OptimizeRequest)
Other = TypeVar("Other", RunRequest, OptimizeRequest)


class Engine:
    """One process's view of the store and of the models; not shared between threads."""

    def __init__(self, store: Store, settings: Settings):
        self.store = store
        self.settings = settings
        self.dtype = settings.dtype  # of the model loaded last
        self._names: dict[str, str] = {}  # source -> the name it is registered under
        self._facts: dict[tuple[str, str], Any] = {}  # of models inspected here, by source and revision

    @cached_property
    def models(self) -> Models:
        """The loaded models, least recently used ones dropped when memory is short."""
        from engine.llm.loading.loaded_models import Models

        return Models(self.settings.device, self.settings.dtype, digests=self.digests)

    @cached_property
    def changes(self) -> Changes:
        """Whether anybody wrote to the store since it was asked last."""
        return Changes(self.store)

    @cached_property
    def digests(self) -> Digests:
        """What is known of model files read before, by this process or another."""
        return Digests(self.settings.home / _DIGESTS)

    def identity(self, info: ModelInfo) -> Identity:
        """What this model's numbers depend on besides what it is asked: part of every key. Raises BadInput
        where the device or dtype of the settings is not one."""
        if info.endpoint is not None:
            return Identity(info.revision, REMOTE, REMOTE, "")
        from engine.llm.loading.load import identify

        return identify(info.revision, info.parameters, self.settings.device, self.settings.dtype)

    @cached_property
    def prefills(self) -> PrefillCache:
        """Keys and values of prompts seen before, so that a changed weight recomputes only what follows."""
        from engine.llm.scoring.memory import PrefillCache

        return PrefillCache()

    def models_kept(self) -> AbstractContextManager[None]:
        """The models in memory now stay there inside the block, whatever else is loaded."""
        return self.models.all_kept() if "models" in self.__dict__ else nullcontext()

    def device(self) -> str:
        """The device models are put on here."""
        from engine.llm.loading.precision import choose_device

        return str(choose_device(self.settings.device)[0])

    def loaded_models(self) -> list[str]:
        """Names of the models in memory, for the status line."""
        if "models" not in self.__dict__:
            return []
        return [self._names.get(source, source) for source in self.models.names()]

    def registered(self, name: str) -> ModelInfo:
        """The registered model of this name; a folder or hub id is registered on first use.

        A local folder is looked at with every call; where it changed since, it is inspected and written to
        the store, so that no run of the old weights is served for the new ones. Raises `ModelError` where
        there is no such model, and where its folder holds a broken one, which is noted for the pages. Where
        the folder is gone, what is stored is still served; `load` says so before any work begins.
        """
        if endpoints.is_address(name):
            raise BadInput(
                "A model behind an address is registered before it is used: dualens models --add ADDRESS "
                "--name NAME. Nothing was called."
            )
        try:
            known = models.get(self.store, name)
        except models.Removed:
            raise  # the name is known: nobody meant a folder or a hub id
        except NotFound as error:
            try:
                return self.admit(name, name)
            except ModelError as reason:
                if os.path.exists(os.path.expanduser(name)):
                    raise  # what it is not, nobody meant
                raise ModelError(
                    f"{error} Nor can it be read as a model folder or hub id: {reason}"
                ) from reason
        self._check_meant(known)
        if known.endpoint is not None or not Path(known.source).exists():
            return known
        self._check_folder(known)
        info = self._inspected(name, known.source, known)
        plain = replace(known, details=models.without_notes(known.details))
        if replace(info, created_at=known.created_at) == plain:
            return known
        return models.register(self.store, info)

    def local(self, name: str) -> ModelInfo:
        """`registered`, for work that needs the model's weights. Raises BadInput where they are elsewhere."""
        info = self.registered(name)
        _refuse_remote(info)
        return info

    def _check_meant(self, known: ModelInfo) -> None:
        """Raises ModelError where a path that became a name leads to another model by now.

        `./model` does in another folder, and so does a link that was moved.
        """
        path = os.path.expanduser(known.name)
        if os.sep not in path or not os.path.isabs(known.source) or not os.path.exists(path):
            return
        packed = forms.packed(path)
        here = str(self._place(packed)) if packed else _absolute(path)
        if here != known.source:
            raise ModelError(
                f"{known.name} leads to {_absolute(path)} now and is registered as the name of "
                f"{known.source}. "
                "Give the full path of the one that is meant, or register it under a name of its own: "
                "`dualens models --add FOLDER --name NAME`."
            )

    def _check_folder(self, known: ModelInfo) -> None:
        """Raises ModelError, before any work begins, where a model's folder holds no model any more."""
        why = fault(known.source)
        models.note(self.store, known, FOLDER, why)
        if why:
            raise ModelError(replace(known, details={FOLDER: why}).trouble)

    def admit(self, name: str, source: str) -> ModelInfo:
        """Try a model out in a process of its own and register it where it works.

        Raises Conflict or BadInput (the name, or a folder that this job must not read), ModelError or
        OutOfMemory; nothing is registered then.
        """
        check_folder(source)
        source, settings = _absolute(source), self.settings
        packed = forms.packed(source)
        if packed:
            packed.check()
        into = self._place(packed) if packed else None
        models.check_free(self.store, name, str(into or source))
        there = into is not None and into.exists()
        try:
            facts = trial.try_out(
                str(packed.path) if packed else source,
                settings.device,
                settings.dtype,
                settings.home / _DIGESTS,
                packed=packed,
                into=into,
            )
            return models.register(self.store, _described(name, facts))
        except BaseException:
            if into is not None:
                shutil.rmtree(forms.unfinished(into, os.getpid()), ignore_errors=True)
                if not there:
                    shutil.rmtree(into, ignore_errors=True)
            raise

    def admit_endpoint(self, name: str, endpoint: Endpoint, context_length: int | None = None) -> ModelInfo:
        """Find out what a server answers and register its model. Raises what `admit` does, and BadInput where
        this job must call no address. `context_length`: of a prompt in tokens, where the server says none."""
        check_address(endpoint.url)
        from engine.endpoint.probe import probe

        probed = probe(endpoint, context_length)
        found = probed.endpoint
        info = ModelInfo(
            name=name,
            source=found.source,
            revision=digest([found.source, probed.context_length, vars(found.ways)]),
            architecture="endpoint",
            parameters=0,
            context_length=probed.context_length,
            details={"endpoint": found.as_dict(), "scoring": found.best},
        )
        return models.register(self.store, info)

    def template(self, name: str) -> Template:
        """The prompt template of a name or reference. Raises NotFound."""
        if name in TEMPLATES:
            return built_in(name)
        kept = templates.get(self.store, name)
        return read(kept.text, kept.reference)

    def client(self, info: ModelInfo) -> Client:
        """Calls to an endpoint's server, for one piece of work. Raises ModelError without its key."""
        assert info.endpoint is not None
        return Client(info.endpoint)

    def _place(self, packed: forms.Packed) -> Path:
        """Where a model of another form is unpacked to, in the workspace."""
        if packed.base is not None:
            check_folder(packed.base)
        return packed.place(self.settings.home, self.digests)

    def register(self, name: str, source: str) -> ModelInfo:
        """Register a model made here, without trying it: reads what its files say, not its weights."""
        check_folder(source)
        return models.register(self.store, self._inspected(name, source))

    def load(self, info: ModelInfo) -> LoadedModel:
        """The model itself, from memory where it is loaded already. How that ended is noted for the pages.

        Raises ModelError and OutOfMemory; the latter says nothing against the model. Raises BadInput for a
        model behind an endpoint.
        """
        _refuse_remote(info)
        if os.path.isabs(info.source) and not os.path.exists(info.source):
            self._check_folder(info)
        try:
            loaded = self.models.get(info.source, info.revision)
        except ModelError as error:
            models.note(self.store, info, LOADING, str(error))
            raise
        models.note(self.store, info, LOADING, "")
        self.dtype = loaded.dtype_name
        self._names[info.source] = info.name
        return loaded

    def warm_up(self) -> None:
        """Load the embedded model ahead of the first question."""
        try:
            self.load(self.registered("embedded"))
        except ModelError:
            return  # the first job that needs it says what is wrong

    def _inspected(self, name: str, source: str, known: ModelInfo | None = None) -> ModelInfo:
        """What the files of a folder or hub id say of a model; a folder's path is made absolute.

        They say it once: a revision covers every byte of them, and a slider asks about the same ones again.
        """
        from engine.llm.loading.load import inspect

        source = _absolute(source)
        asked = source, sources.revision(sources.locate(source, weights=False), self.digests)
        if asked not in self._facts:
            turns = {known.revision: known.details["turns"]} if known and "turns" in known.details else {}
            self._facts[asked] = inspect(source, self.digests, turns)
        return _described(name, vars(self._facts[asked]))


_DESCRIBED = ("source", "revision", "architecture", "parameters", "context_length", "details")


def _described(name: str, facts: dict[str, Any]) -> ModelInfo:
    return ModelInfo(name=name, **{field: facts[field] for field in _DESCRIBED})


def _refuse_remote(info: ModelInfo) -> None:
    if info.endpoint is not None:
        raise BadInput(
            f"The model {info.name!r} is behind an endpoint, and this needs a model whose weights are here. "
            "Nothing was computed. Use a local model; this one can rank candidates and write titles "
            "(`recommend --free`), and effects of it are measured by writing the prompt again."
        )


def _absolute(source: str) -> str:
    """A path from the root; a hub id as it is."""
    path = os.path.expanduser(source)
    return os.path.realpath(path) if os.path.exists(path) else source  # no name is too long for these


@dataclass(frozen=True)
class Context(Generic[Request]):
    """One request and what it names, looked up once.

    `model`: as its folder was when the request came. `request`: its scoring is named, never auto, and its
    template by the reference that always means the same text. `proxy`: the model that `prescore` names.
    `moment`: the query, where it is another than the request's own. `draft`: a template that is not kept, in
    place of the request's. `wanted`: what the model is asked for where that is no ranking (`writing`).
    """

    engine: Engine
    dataset: DatasetInfo
    model: ModelInfo
    request: Request
    proxy: ModelInfo | None = None
    moment: Query | None = None
    draft: Template | None = None
    wanted: str | None = None

    @property
    def store(self) -> Store:
        """The store everything was looked up in."""
        return self.engine.store

    @cached_property
    def identity(self) -> Identity:
        """What the model's numbers depend on besides what it is asked."""
        return self.engine.identity(self.model)

    @cached_property
    def computing(self) -> dict[str, Any]:
        """All that may decide this request's numbers beside the request and its data, ready for a digest:
        the models that take part, where and how they compute, and the sentence encoder's files."""
        return {
            "model": self.identity.as_dict(),
            "proxy": None if self.proxy is None else self.engine.identity(self.proxy).as_dict(),
            "encoder": self._encoder_identity(),
        }

    @cached_property
    def request_digest(self) -> str:
        """Digest of the request wherever it is answered (`db.requests.request_digest`)."""
        assert isinstance(self.request, RunRequest)
        return request_digest(self.store, self.request, self.model.revision)

    def _encoder_identity(self) -> list[str | None] | None:
        if not isinstance(self.request, RunRequest) or self.request.embedding in (None, STATES):
            return None
        from engine.llm.embedding.sentence_encoder import encoder_revision

        return [encoder_revision(self._encoder, self.engine.digests), versions(ENCODERS)]

    @property
    def _encoder(self) -> str:
        """Folder of the request's sentence encoder, which may be one that was fetched by name."""
        assert isinstance(self.request, RunRequest)
        asked = self.request.embedding or ""
        own = self.engine.settings.models / asked
        return str(own) if asked in PUBLIC_MODELS and own.is_dir() else asked

    @cached_property
    def query(self) -> Query:
        """The user's history up to what is to be predicted. Raises NotFound and BadInput."""
        if self.moment is not None:
            return self.moment
        request = self.request
        return queries.build(self.store, self.dataset, request.user, request.target, request.history)

    @cached_property
    def template(self) -> Template:
        """The prompt template of the request. Raises NotFound."""
        template = self.draft or self.engine.template(self.request.template)
        return template.in_turns() if self.request.turns == "chat" else template

    def writing(self, wanted: str) -> Context[Request]:
        """The same with prompts for something else than the request's scoring: every demonstration, history
        and length is as the template's section for it has them (`engine.prompts.SECTIONS`). Raises BadInput
        where it has none."""
        self.template.form(wanted)
        return replace(self, wanted=wanted)

    @property
    def form(self) -> Form:
        """How the template writes prompts for what is wanted, the request's scoring by default. Raises
        BadInput."""
        return self.template.form(self.wanted or self.request.scoring)

    def example(self, entry: PoolEntry) -> Example:
        """A demonstration as the prompt shows it."""
        return self.form.example(entry.history, entry.answer, entry.liked, self.dataset.scale)

    def history(self, purchases: Sequence[Interaction]) -> tuple[str, ...]:
        """Purchases as the prompt shows them."""
        return self.form.history(purchases, self.dataset.scale)

    @property
    def loaded(self) -> LoadedModel:
        """The model itself, loaded when it is first asked for. Raises ModelError and OutOfMemory."""
        return self.engine.load(self.model)

    @cached_property
    def reader(self) -> Reader:
        """What tells strategies of titles and lengths; loads a model only when it is called.

        Vectors are those of the request's sentence encoder, or else of the model's own states. Its functions
        raise BadInput, ModelError and OutOfMemory.
        """
        return Reader(self._embed, self._tokens)

    def _embed(self, titles: Sequence[str]) -> NDArray[np.float32]:
        prefills = self.engine.prefills
        own_states = not isinstance(self.request, RunRequest) or self.request.embedding in (None, STATES)
        if own_states and self.model.endpoint is not None:
            raise BadInput(
                "embedding: titles are compared by a model's states, and those of one behind an endpoint are "
                "not here. Name a sentence encoder (--embedding minilm), or choose demonstrations otherwise, "
                "such as by bm25."
            )
        if isinstance(self.request, RunRequest) and not own_states:
            from engine.llm.embedding.sentence_encoder import sentence_vectors

            device, digests = self.engine.device(), self.engine.digests
            return sentence_vectors(self._encoder, titles, device, prefills, digests)
        from engine.llm.embedding.pooled_states import pooled_states

        return pooled_states(self.loaded, titles, prefills)

    def _tokens(self, entry: PoolEntry) -> int:
        shown = self.form.demo(self.example(entry))
        if (endpoint := self.model.endpoint) is not None:
            return round(len(written(shown).encode()) / endpoint.ways.bytes_per_token)
        return len(self.loaded.encoder.joined(shown))

    def at(self, query: Query) -> Context[Request]:
        """The same request at another moment, of this user or of another."""
        return replace(self, moment=query)

    def asking(self, request: Other) -> Context[Other]:
        """Another request to the same model about the same moment of the same user."""
        return Context(
            self.engine,
            self.dataset,
            self.model,
            _settled(self.engine, request, self.model),
            moment=self.query,
        )


def resolve(engine: Engine, request: Request, draft: Template | None = None) -> Context[Request]:
    """Look up what a request names: the door of every task.

    draft: a template that is not kept, in place of the request's. Raises NotFound for an unknown data set,
    then ModelError for a model that is not there.
    """
    dataset = datasets.get(engine.store, request.dataset)  # before a hub is asked for a model
    model = engine.registered(request.model)
    proxy = None
    if isinstance(request, RunRequest) and request.prescore is not None:
        proxy = model if request.prescore == request.model else engine.registered(request.prescore)
    context = context_of(engine, dataset, model, request, proxy)
    return context if draft is None else replace(context, draft=draft)


def context_of(
    engine: Engine, dataset: DatasetInfo, model: ModelInfo, request: Request, proxy: ModelInfo | None = None
) -> Context[Request]:
    """The context of a request whose data set and models were looked up before, as a study's are."""
    return Context(engine, dataset, model, _settled(engine, request, model), proxy)


def _settled(engine: Engine, request: Request, model: ModelInfo) -> Request:
    return settled(engine.store, request, model)
