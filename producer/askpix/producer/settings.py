"""The settings of producers and workers, from the environment (`ASKPIX_…`) and a `.env` file."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from askpix.producer.errors import AskpixError
from askpix.producer.lease import LEASE_SECONDS
from askpix.producer.password_file import password_in
from askpix.producer.shown import first_problem

Scheme = Literal["https", "http", "s3", "file", "data"]
"""Of image references; `askpix.worker.images.schemes` has a module for each."""

DEFAULT_BROKER = "redis://localhost:6379/0"

PREFIX, ENV_FILE = "ASKPIX_", ".env"


class Side(StrEnum):
    """Who reads a setting."""

    BOTH = "both"
    WORKER = "worker"
    MODEL = "`askpix model`"


class Settings(BaseSettings):
    """What the command line does not say. All else that askpix takes from the environment is not its own: keys of S3,
    and what terminals can show.

    `make settings` writes docs/settings.md from this: of each field its docstring, default and `Side`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True)

    broker_url: Annotated[SecretStr, Side.BOTH] = SecretStr(DEFAULT_BROKER)
    """Where the queue is: `redis://`, `rediss://`, [`redis+sentinel://`](redis.md#a-replica-that-takes-over) or
    `redis+socket://`. May hold a password, which is never shown."""

    broker_password_file: Annotated[str | None, Side.BOTH] = None
    """File that holds [the broker's password](#passwords-from-files), for a broker URL that holds none."""

    window: Annotated[int, Field(ge=1, le=100_000), Side.BOTH] = 2_000
    """Parts of a job that wait in the broker at a time, some 1.4 KB each; a live worker tops them up."""

    model_cache: Annotated[str | None, Side.WORKER] = None
    """Folder where compiled models are kept for the next start, by default `~/.cache/askpix`; empty: nowhere."""

    answer_cache: Annotated[SecretStr | None, Side.WORKER] = None
    """Where [answers are kept](answer-cache.md) for the next time: a folder, the URL of a Redis server of its own, or
    `off`; by default `answers` beside the compiled models. May hold a password, which is never shown."""

    answer_cache_password_file: Annotated[str | None, Side.WORKER] = None
    """File that holds the password of that Redis server, for a URL that holds none."""

    answer_cache_megabytes: Annotated[int, Field(ge=1, le=1_000_000), Side.WORKER] = 512
    """Megabytes that answers may take in such a folder; those not used for longest go first."""

    vlm_cache_megabytes: Annotated[int | None, Field(ge=16), Side.WORKER] = None
    """Of memory that each engine of a [vision-language model](vision-language.md) takes for keys and values of its
    texts at the most; by default half of what is left when it starts."""

    user_cache: Annotated[str | None, Field(validation_alias="XDG_CACHE_HOME"), Side.WORKER] = None
    """Where a user's programs keep what can be made again; by default ~/.cache."""

    export_env: Annotated[str | None, Side.MODEL] = None
    """Folder of the environment in which [vision-language models](vision-language.md) are exported, by default
    `~/.local/share/askpix/export`."""

    user_data: Annotated[str | None, Field(validation_alias="XDG_DATA_HOME"), Side.MODEL] = None
    """Where a user's programs keep what they need; by default ~/.local/share."""

    load_threads: Annotated[int, Field(ge=1, le=256), Side.WORKER] = 64
    """Images that a worker fetches or decodes at a time; those of web servers that have not answered yet, or do not any
    more, [come on top](security.md#manners)."""

    per_host: Annotated[int, Field(ge=1, le=256), Side.WORKER] = 32
    """Of these, images of one web server."""

    per_host_rate: Annotated[float | None, Field(gt=0), Side.WORKER] = None
    """Images a second that a worker asks one web server for at the most; by default as many as it answers."""

    decode_processes: Annotated[int | None, Field(ge=0, le=256), Side.WORKER] = None
    """Processes in which images are decoded, [apart](security.md#decoding-apart) from the worker's own; by default one
    for each core, with 0 none."""

    decode_megabytes: Annotated[int, Field(ge=64, le=65_536), Side.WORKER] = 256
    """Of memory that all images which are being decoded may take; one that takes more alone is
    [too large](security.md#limits-of-an-image)."""

    lease_seconds: Annotated[int, Field(ge=3, le=3600), Side.WORKER] = LEASE_SECONDS
    """For which a part is its worker's after each sign of life; that of a worker that died is then queued again."""

    keep_seconds: Annotated[float, Field(gt=0, le=3600), Side.WORKER] = 30.0
    """Between two times that a worker writes finished rows of a part in work: what it takes with it when it dies."""

    item_seconds: Annotated[float, Field(gt=0, le=86_400), Side.WORKER] = 120.0
    """That an item may take to be fetched, to be decoded, and to be answered, each; what it waits does not count. See
    [guarantees](guarantees.md#time)."""

    part_seconds: Annotated[float, Field(gt=0, le=7 * 86_400), Side.WORKER] = 1800.0
    """Without any further row of a part in work, after which its worker ends, and the part is another's."""

    contact: Annotated[str | None, Side.WORKER] = None
    """A web or mail address, named in the User-Agent when images are fetched, for those who run the sites."""

    allow_net: Annotated[tuple[str, ...], NoDecode, Side.WORKER] = ()
    """From where images may be fetched beside public web servers, for whatever reads images: as `--allow-net` takes it,
    comma separated; where that is given, it counts alone."""

    proxy: Annotated[SecretStr | None, Side.WORKER] = None
    """A URL of a [proxy](security.md#where-a-worker-connects-to) by which workers reach the web; others in the
    environment are not used. May hold a password, which is never shown."""

    schemes: Annotated[tuple[Scheme, ...], NoDecode, Side.WORKER] = get_args(Scheme)
    """Kinds of image references that a worker reads, comma separated; `file` stands for paths too."""

    heed_opt_out: Annotated[bool, Side.WORKER] = True
    """Whether images are left alone whose server says, by `X-Robots-Tag`, that they are not for machines."""

    log_json: Annotated[bool, Side.WORKER] = False
    """Whether a worker [logs JSON](logs.md#for-programs), one object a line, as `--log-json` has it do."""

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
        AskpixError: a value in the environment is not valid, or the file with the password cannot be read.
    """
    try:
        settings = Settings(broker_url=SecretStr(broker_url)) if broker_url else Settings()
    except ValidationError as error:
        name, _, problem = first_problem(error).partition(": ")
        # Of a list, the name has the number of the value that is wrong.
        name = name.partition(".")[0]
        raise AskpixError(f"ASKPIX_{name.upper()} in the environment or .env is not valid: {problem.lower()}") from None
    except (UnicodeDecodeError, OSError) as error:
        raise AskpixError(f"the file .env in this folder cannot be read: {error}") from None
    whole = {"broker_url": with_password(settings.broker_url, settings.broker_password_file)}
    if settings.answer_cache is not None:
        held = with_password(settings.answer_cache, settings.answer_cache_password_file, "ANSWER_CACHE_PASSWORD_FILE")
        whole["answer_cache"] = held
    return settings.model_copy(update=whole)


class _LogSettings(BaseSettings):
    model_config = Settings.model_config

    log_json: bool = False


def wants_json() -> bool:
    """Returns whether a worker logs JSON, where other settings, or the file .env as a whole, may be wrong."""
    for file in (ENV_FILE, None):
        with suppress(ValidationError, UnicodeDecodeError, OSError):
            return _LogSettings(_env_file=file).log_json
    return False


def with_password(url: SecretStr, file: str | None, name: str = "BROKER_PASSWORD_FILE") -> SecretStr:
    """Returns a server's URL with the password that a file holds, where it may hold one and does not.

    Args:
        name: of the setting that names the file.

    Raises:
        AskpixError: the file cannot be read, or holds no password.
    """
    try:
        parts = urlsplit(url.get_secret_value())
        wants_one = parts.scheme != "redis+socket" and not parts.password and bool(parts.netloc)
    except ValueError:  # said where the URL is used
        wants_one = False
    if not file or not wants_one:
        return url
    user, _, place = parts.netloc.rpartition("@")
    password = quote(password_in(Path(file), f"{PREFIX}{name}"), safe="")
    return SecretStr(parts._replace(netloc=f"{user.removesuffix(':')}:{password}@{place}").geturl())
