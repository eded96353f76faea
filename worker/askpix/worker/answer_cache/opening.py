"""The cache of answers that the settings say."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import SecretStr

from askpix.producer.broker_url import place_of
from askpix.producer.errors import AskpixError, BrokerError
from askpix.producer.settings import Settings
from askpix.worker.answer_cache.cache import AnswerCache
from askpix.worker.answer_cache.disk import DiskStore
from askpix.worker.answer_cache.redis_store import RedisStore
from askpix.worker.answer_cache.store import Store, StoreError
from askpix.worker.cache_folder import own_folder

_log = logging.getLogger(__name__)

OFF = "off"
_FOLDER = "answers"
_REDIS = ("redis://", "rediss://", "redis+socket://", "redis+sentinel://")


def open_cache(settings: Settings) -> AnswerCache | None:
    """Returns a worker's cache; None where there is none, with a warning where one was to be.

    Raises:
        AskpixError: what is set cannot be meant.
    """
    try:
        store = open_store(settings)
    except StoreError as error:
        _log.warning("answers are not kept: %s", error)
        return None
    return None if store is None else AnswerCache(store)


def open_store(settings: Settings) -> Store | None:
    """Returns where answers are kept; None for nowhere.

    Raises:
        AskpixError: what is set cannot be meant.
        StoreError: it cannot be used.
    """
    said = settings.answer_cache
    text = "" if said is None else said.get_secret_value().strip()
    if text.lower() == OFF:
        return None
    if "://" in text:
        return _server(SecretStr(text), settings.broker_url)
    parent = Path(text) if text else settings.cache_folder()
    if parent is None:
        return None
    # What is named is the folder's own name; what is not lies beside the compiled models.
    folder = own_folder(parent.parent, parent.name, "answers") if text else own_folder(parent, _FOLDER, "answers")
    if folder is None:
        raise StoreError(f"{parent} cannot be used")
    return DiskStore(folder, settings.answer_cache_megabytes << 20)


def _server(url: SecretStr, broker_url: SecretStr) -> Store:
    if not url.get_secret_value().startswith(_REDIS):
        # What it is stays unsaid: it may hold a password.
        raise AskpixError("ASKPIX_ANSWER_CACHE is a folder, a redis:// or rediss:// URL, or off")
    try:
        store = RedisStore(url)
    except StoreError as error:
        raise AskpixError(str(error)) from None
    if _same_server(url, broker_url):
        raise AskpixError(
            "ASKPIX_ANSWER_CACHE is the broker's own Redis server, whose memory would fill with answers: give it a "
            "server of its own, with maxmemory and maxmemory-policy allkeys-lru, or a folder"
        )
    return store


def _same_server(url: SecretStr, broker_url: SecretStr) -> bool:
    try:
        cache, broker = place_of(url), place_of(broker_url)
    except BrokerError:  # said where the broker's URL is used
        return False
    return (cache.path, cache.hosts, cache.master) == (broker.path, broker.hosts, broker.master)
