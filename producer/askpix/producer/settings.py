"""The settings of producers and workers, from the environment (`ASKPIX_…`) and a `.env` file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from askpix.producer.errors import AskpixError
from askpix.producer.items import first_problem
from askpix.producer.lease import LEASE_SECONDS

Scheme = Literal["https", "http", "s3", "file", "data"]

DEFAULT_BROKER = "redis://localhost:6379/0"


class Settings(BaseSettings):
    """What the command line does not say. Nothing else in askpix reads the environment."""

    model_config = SettingsConfigDict(env_prefix="ASKPIX_", env_file=".env", extra="ignore", frozen=True)

    broker_url: SecretStr = SecretStr(DEFAULT_BROKER)
    """Where the queue is: redis://, rediss://, redis+sentinel://, redis+socket://. May hold a password; not logged."""

    window: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """Parts of a job that wait in the broker at a time, some 1.4 KB each; a live worker tops them up."""

    model_cache: str | None = None
    """Folder where workers keep compiled models, so that the next start is quicker; empty: nowhere."""

    user_cache: Annotated[str | None, Field(validation_alias="XDG_CACHE_HOME")] = None
    """Where a user's programs keep what can be made again; by default ~/.cache."""

    export_env: str | None = None
    """Folder of the environment in which vision-language models are exported; see `askpix model export-env`."""

    user_data: Annotated[str | None, Field(validation_alias="XDG_DATA_HOME")] = None
    """Where a user's programs keep what they need; by default ~/.local/share."""

    load_threads: Annotated[int, Field(ge=1, le=256)] = 64
    """Images that a worker fetches or decodes at a time; more wait for their answers, as many as its engine takes."""

    per_host: Annotated[int, Field(ge=1, le=256)] = 32
    """Of these, images of one web server."""

    per_host_rate: Annotated[float | None, Field(gt=0)] = None
    """Images a second that a worker asks one web server for at the most; by default as many as it answers."""

    decode_processes: Annotated[int | None, Field(ge=0, le=256)] = None
    """Processes in which images are decoded, by default one for each core; with 0, it is done in the worker's own."""

    decode_megabytes: Annotated[int, Field(ge=64, le=65_536)] = 256
    """Of memory that all images which are being decoded may take; an image that takes more alone is too large."""

    lease_seconds: Annotated[int, Field(ge=3, le=3600)] = LEASE_SECONDS
    """For which a part is its worker's after each sign of life; that of a worker that died is then queued again."""

    keep_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Between two times that a worker writes finished rows of a part in work: what it takes with it when it dies."""

    item_seconds: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    """That an item may take to be fetched, to be decoded, and to be answered, each; what it waits does not count."""

    part_seconds: Annotated[float, Field(gt=0, le=7 * 86_400)] = 1800.0
    """Without any further row of a part in work, after which its worker ends, and the part is another's."""

    contact: str | None = None
    """A web or mail address, named in the User-Agent when images are fetched, for those who run the sites."""

    allow_net: Annotated[tuple[str, ...], NoDecode] = ()
    """From where images may be fetched beside public web servers, as `--allow-net` takes it, comma separated."""

    proxy: SecretStr | None = None
    """A URL of a proxy by which workers reach the web; others in the environment are not used. May hold a password."""

    schemes: Annotated[tuple[Scheme, ...], NoDecode] = ("https", "http", "s3", "file", "data")
    """Kinds of image references that a worker reads, comma separated; `file` stands for paths too."""

    heed_opt_out: bool = True
    """Whether images are left alone whose server says, by X-Robots-Tag, that they are not for machines."""

    def cache_folder(self) -> Path | None:
        """Returns the folder for compiled models, the user's own unless one is set; None where there is none."""
        if self.model_cache is not None:
            return Path(self.model_cache) if self.model_cache else None
        try:
            return (Path(self.user_cache) if self.user_cache else Path.home() / ".cache") / "askpix"
        except RuntimeError:  # a container's user may have no home
            return None

    def export_folder(self) -> Path:
        """Returns the folder of the export environment, the user's own unless one is set.

        Raises:
            AskpixError: none is set, and the user has no home.
        """
        if self.export_env:
            return Path(self.export_env)
        try:
            return (Path(self.user_data) if self.user_data else Path.home() / ".local" / "share") / "askpix" / "export"
        except RuntimeError:
            raise AskpixError("this user has no home: say with ASKPIX_EXPORT_ENV where the environment is") from None

    @field_validator("proxy")
    @classmethod
    def _proxy_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        try:
            parts = urlsplit(value.get_secret_value())
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            # What it is stays unsaid: it may hold a password.
            raise ValueError("write it as http://host:port")
        return value

    @field_validator("allow_net", "schemes", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def load_settings(broker_url: str | None = None) -> Settings:
    """Returns the settings; a broker that is given comes before that of the environment.

    Raises:
        AskpixError: a value in the environment is not valid.
    """
    try:
        return Settings(broker_url=SecretStr(broker_url)) if broker_url else Settings()
    except ValidationError as error:
        name, _, problem = first_problem(error).partition(": ")
        # Of a list, the name has the number of the value that is wrong.
        name = name.partition(".")[0]
        raise AskpixError(f"ASKPIX_{name.upper()} in the environment or .env is not valid: {problem.lower()}") from None
    except (UnicodeDecodeError, OSError) as error:
        raise AskpixError(f"the file .env in this folder cannot be read: {error}") from None
