"""Takes secrets out of texts that are logged or shown, and what would make one line of a log look like two.

Texts come from libraries, servers and lists of strangers. What is masked goes by its form; what is known to be a secret
here, such as the broker's password, goes wherever it stands.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote, unquote, urlsplit

MASK = "***"

_SURE = 8
"""Characters of a secret that is masked wherever it stands: a shorter one may be a word."""

_MOST = 16_384
"""Characters of a text that are looked at. Time goes by that, whatever the text is: patterns are bounded."""

_BROKER_USERINFO = re.compile(r"(?i)\b((?:rediss?|sentinel)(?:\+[a-z]{1,10})?://)\S{0,300}@")
"""Up to the last @: a password that is not encoded may hold anything."""

_USERINFO = re.compile(r"(://)[^\s/?#@]+@(?:[^\s/?#@]*@)*")
_CUT_AUTHORITY = re.compile(r"(://)[^\s/?#]*\Z")

_WORD = re.compile(r"\S+")

_WEB = re.compile(r"(?i)https?(?::|%(?:25){0,4}3a)(?:\\{0,8}/|%(?:25){0,4}2f){2}")
"""Where a web address begins, also one that is encoded within another, or escaped in JSON."""

_ASKS = re.compile(r"(?i)\?|%(?:25){0,4}3f")
_ENDS_PATH = re.compile(r"(?i)[?#]|%(?:25){0,4}3f")
_EQUALS = re.compile(r"(?i)=|%(?:25){0,4}3d")

_NUMBER = re.compile(r"#[0-9]{1,9}(?=[\"',;:)\]}>]*\Z)")
"""At the end of an id that askpix made of a reference which had come before."""

_DATA = re.compile(r"(?i)\bdata:([^\s,]{0,100}),(\S{16,})")

_NAMED = re.compile(
    r"(?i)((?:x-amz-[a-z-]{1,40}|signature|\bsig|passw(?:or)?d|secret(?:[_-]?access)?(?:[_-]?key)?|token|"
    r"api[_-]?key|credential)(?:\\{0,8}[\"']|%(?:25){0,4}22)?\s{0,2}(?:[=:]|%(?:25){0,4}3[ad])\s{0,2})"
    r"(?:b?(?P<escape>\\{0,8})(?P<quote>[\"'])(?s:.*?)(?<!\\)(?P=escape)(?P=quote)|(?:b?\\{0,8}[\"'])?[^\s,;&)}\]'\"]+)"
)
"""A name of a secret, and its value: up to the quote that closes it, which has as many backslashes as the one before.

Where one is not closed, none of its kind follows, and there are 18 kinds: so time still goes by the length.
"""

_AUTHORIZATION = re.compile(r"(?i)(authorization[\"']?\s{0,2}[:=,]\s{0,2})[^\r\n]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s{1,2}[a-z0-9+/=._~-]{16,}")
_KEY_ID = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}")

_MAY_HOLD = re.compile(r"[?@=:#%]|[Bb]earer|[Bb]asic|A[KS]IA").search


class Masking:
    """Masks texts. Used from many threads.

    Args:
        secrets: passwords and keys of this process, or URLs that hold some.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {spelling for secret in secrets for spelling in _spellings(secret) if len(spelling) >= _SURE}
        # The longest first: one may be within another.
        ordered = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """Returns a text without secrets; of a long one, its beginning."""
        if len(text) > _MOST:
            # What is cut off may be the @ by which a password is known.
            text = _CUT_AUTHORITY.sub(rf"\1{MASK}", text[:_MOST])
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if not _MAY_HOLD(text):
            return text
        if "data:" in text.lower():
            text = _DATA.sub(_short_data, text)
        if "://" in text:
            text = _BROKER_USERINFO.sub(rf"\1{MASK}@", text)
            text = _USERINFO.sub(rf"\1{MASK}@", text)
        if _ENDS_PATH.search(text):
            text = _WORD.sub(_without_query, text)
        text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
        text = _BEARER.sub(rf"\1 {MASK}", text)
        text = _NAMED.sub(rf"\1{MASK}", text)
        return _KEY_ID.sub(MASK, text)


def escaped(text: str) -> str:
    """Returns a text in one line, without what a terminal would act on: such characters are shown as Python writes
    them, as in `\\n` and `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def shortened(text: str, most: int) -> str:
    """Returns a text of no more than that many characters, and how many there were."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def _spellings(secret: str) -> Iterable[str]:
    """Yields how a secret may be written; of a URL that holds one, only that."""
    found = [secret]
    if "://" in secret:
        userinfo = secret.partition("://")[2].rpartition("@")[0]
        # A URL that cannot be read properly may hold one all the same.
        found = [userinfo.partition(":")[2]]
        with suppress(ValueError):
            found.append(urlsplit(secret).password or "")
        # As it is sent to a proxy.
        yield b64encode(unquote(userinfo).encode()).decode()
    for one in found:
        yield from (one, unquote(one), quote(unquote(one), safe=""))


def _short_data(found: re.Match[str]) -> str:
    return f"data:{found[1]},... ({len(found[2])} characters)"


def _without_query(found: re.Match[str]) -> str:
    word = found[0]
    mark = _query_in(word)
    if mark is None:
        return word
    number = _NUMBER.search(word, mark.start())
    if number is not None and number.start() == mark.start():
        return word
    end = len(word) if number is None else number.start()
    return word[: mark.end()] + (MASK if mark.end() < end else "") + word[end:]


def _query_in(word: str) -> re.Match[str] | None:
    """Returns the mark at which the query of a URL in a word begins, or that of a path: of a URL, some libraries show
    no more than the path and what follows; and a path may hold spaces."""
    found = []
    if web := _WEB.search(word):
        found.append(_ENDS_PATH.search(word, web.end()))
    path = _ASKS.search(word)
    if path and _EQUALS.search(word, path.end()):
        found.append(path)
    return min((mark for mark in found if mark), key=lambda mark: mark.start(), default=None)
