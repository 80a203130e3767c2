"""Where the workspace is and which device the engine asks for.

Boundary: environment variables (`DUALENS_HOME`, `DUALENS_DATABASE_URL`, `DUALENS_DEVICE`, `DUALENS_DTYPE`,
`DUALENS_STORE_WAIT`, `DUALENS_FOLDERS`, `DUALENS_CHANGES`, `DUALENS_READ_ONLY`) in, one typed object out.
Nothing is created until `prepare` is called.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.dtypes import plain_dtype
from db.errors import BadInput, DualensError
from db.paths import typed

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
SUBFOLDERS = ("uploads", "models")

STORE_WAIT = "Seconds to wait for a store that is away, locked or full (default 60)."


def set_store_wait(seconds: float | None) -> None:
    """Let this process and those it starts wait so long for a store; None changes nothing."""
    if seconds is not None:
        os.environ["DUALENS_STORE_WAIT"] = str(seconds)


class Settings(BaseSettings):
    """The settings of one process.

    `home` is made absolute; `{home}` inside `database_url` stands for it. `device` and `dtype` are `auto`
    or a name that torch understands (`cpu`, `cuda:0`; `float32`, `bfloat16`). `store_wait`: seconds that a
    command waits for a store that is away; a worker waits for as long as it takes. `folders`: where jobs may
    read the paths they name (None: anywhere); `changes`: whether pages may delete and stop things. The
    command that starts the dashboard sets both. `read_only`: nothing is written, created or migrated.
    """

    model_config = SettingsConfigDict(env_prefix="DUALENS_", env_ignore_empty=True, extra="ignore")

    home: Path = Path("~/.dualens")
    database_url: str = "sqlite:///{home}/dualens.db"
    device: str = "auto"
    dtype: str = "auto"
    folders: tuple[Path, ...] | None = None
    changes: bool = True
    read_only: bool = False
    store_wait: float = Field(60.0, ge=0)

    def __init__(self, **given: Any) -> None:
        """Raises BadInput, naming the variable, for a value that is none of its kind."""
        try:
            super().__init__(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(("DUALENS", *map(str, first["loc"]))).upper()
            raise BadInput(
                f"{name}={first['input']!r}: {first['msg']}. Correct it or leave it out."
            ) from error

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return typed(home).absolute()

    @field_validator("dtype")
    @classmethod
    def _plain(cls, dtype: str) -> str:
        return plain_dtype(dtype)

    @model_validator(mode="after")
    def _place_database(self) -> "Settings":
        self.database_url = self.database_url.replace("{home}", str(self.home))
        return self

    @property
    def uploads(self) -> Path:
        """Folder of files uploaded in the dashboard."""
        return self.home / "uploads"

    @property
    def models(self) -> Path:
        """Folder of models that live in the workspace, the embedded one among them."""
        return self.home / "models"

    @property
    def baselines(self) -> Path:
        """Folder of fitted conventional recommenders and of their checkpoints."""
        return self.home / "baselines"

    @property
    def indexes(self) -> Path:
        """Folder of what was worked out of data sets once, to be read by every process."""
        return self.home / "indexes"

    @property
    def private(self) -> bool:
        """Whether nobody but the owner may look into the workspace folder."""
        return not self.home.stat().st_mode & _OTHERS

    def tighten(self) -> None:
        """Take from others what they may do with files of a private workspace, those of earlier versions."""
        if not self.private:
            return
        for path in self.home.rglob("*"):
            with suppress(OSError):  # gone meanwhile, or somebody else's
                mode = path.lstat().st_mode
                if mode & _OTHERS and not stat.S_ISLNK(mode):
                    path.chmod(stat.S_IMODE(mode) & ~_OTHERS)

    def prepare(self) -> "Settings":
        """Create the workspace folder, readable by its owner only, with its subfolders.

        Raises DualensError where the folder cannot be made.
        """
        try:
            for folder in (self.home, *(self.home / name for name in SUBFOLDERS)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            there = self.home.is_dir()
            look = ", or look at what is stored with DUALENS_READ_ONLY=true" if there else ""
            raise DualensError(
                f"The workspace folder {self.home} cannot be {'written to' if there else 'created'}: "
                f"{error.strerror or error}. Nothing was changed. Point DUALENS_HOME at a folder you may "
                f"write to{look}."
            ) from error
        return self
