"""What this process knows and must not say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from configparser import Error, RawConfigParser
from contextlib import suppress
from pathlib import Path

from askpix.producer.broker_url import place_of
from askpix.producer.errors import BrokerError
from askpix.producer.settings import Settings

_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")

_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}
"""Variables that name a file of keys, and where it is by default."""


def secrets_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Returns URLs with passwords, passwords of sentinels, and keys of S3."""
    held = [secret for secret in (settings.broker_url, settings.proxy) if secret is not None]
    keys = [environment[name] for name in _VARIABLES if environment.get(name)]
    for name, usual in _FILES.items():
        keys += _keys_in(environment.get(name) or usual)
    with suppress(BrokerError):  # said where the URL is used
        keys.append(place_of(settings.broker_url).sentinel_password or "")
    # A folder is no secret.
    if settings.answer_cache is not None and "://" in settings.answer_cache.get_secret_value():
        held.append(settings.answer_cache)
        with suppress(BrokerError):
            keys.append(place_of(settings.answer_cache).sentinel_password or "")
    return (*(secret.get_secret_value() for secret in held), *keys)


def _keys_in(file: str) -> Iterator[str]:
    """Yields the keys of all profiles: one may ask with another's. A file that is none or broken has none, as it has
    none for the S3 client, which says so."""
    # It takes [DEFAULT] for a profile like others, as that client does.
    profiles = RawConfigParser(strict=False, default_section="")
    with suppress(OSError, ValueError, Error, RuntimeError):  # the last where a user has no home
        path = Path(os.path.expandvars(file)).expanduser()
        # What is read of a pipe would be missing to the client.
        if path.is_file():
            profiles.read_string(path.read_text(encoding="utf-8"))
            for profile in profiles.sections():
                for name in _VARIABLES:
                    if key := profiles.get(profile, name.lower(), fallback=None):
                        yield key
