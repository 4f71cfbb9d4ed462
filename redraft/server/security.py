"""Security: who may ask, and how much. Knows keys' digests, never keys; refuses to know what is asked.

Comparing takes the same time whatever part of a key is right: every digest is compared, whole.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redraft.server.errors import ApiError
from redraft.server.service import Limits

ANYONE = "anyone"
MIN_LENGTH = 16
PROTOCOL = "redraft"  # what a WebSocket speaks; a browser, which cannot send a header with one, says its key beside it
KEY_PROTOCOL = "redraft.key."


@dataclass(slots=True)
class Account:
    """What a key has been used for: requests at work, and a bucket that fills by the minute."""

    at_work: int = 0
    tokens: float | None = None
    filled: float = 0.0


@dataclass(slots=True)
class Keys:
    """The keys that are let in; without any, everyone is."""

    keys: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    _digests: dict[str, bytes] = field(init=False)
    _accounts: dict[str, Account] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        digests = [_digest(key) for key in self.keys]
        self.keys = ()
        self._digests = {f"key-{digest.hex()[:8]}": digest for digest in digests}

    def admit(self, authorization: str) -> str:
        """The name of whose request this is; `leave` must follow. Raises ApiError for a wrong key or too many."""
        name = self._name(authorization)
        account = self._accounts.setdefault(name, Account())
        most = self.limits.concurrent
        if most is not None and account.at_work >= most:
            raise _slower(f"this key has {account.at_work} requests at work", 1.0)
        self._spend(account)
        account.at_work += 1
        return name

    def leave(self, name: str) -> None:
        self._accounts[name].at_work -= 1

    def spend(self, name: str) -> None:
        """Another request within one that was admitted. Raises ApiError for too many."""
        self._spend(self._accounts[name])

    def _name(self, authorization: str) -> str:
        if not self._digests:
            return ANYONE
        scheme, _, key = authorization.partition(" ")
        given = _digest(key.strip())
        found = [name for name, digest in self._digests.items() if hmac.compare_digest(digest, given)]
        if scheme.lower() != "bearer" or not found:
            raise ApiError("the API key is missing or wrong", status=401, code="invalid_api_key")
        return found[0]

    def _spend(self, account: Account) -> None:
        """Take one request out of the key's bucket, which holds a minute's worth."""
        rate = self.limits.requests_per_minute
        if rate is None:
            return
        now = self.clock()
        held = rate if account.tokens is None else account.tokens + (now - account.filled) * rate / 60
        account.tokens, account.filled = min(float(rate), held), now
        if account.tokens < 1:
            raise _slower(f"this key may ask {rate} times a minute", (1 - account.tokens) * 60 / rate)
        account.tokens -= 1


def offered_key(protocols: Sequence[str]) -> str:
    """The key among a WebSocket's protocols, in base64 as URLs have it, as a header would say it; "" where none is."""
    for protocol in protocols:
        if protocol.startswith(KEY_PROTOCOL):
            told = protocol.removeprefix(KEY_PROTOCOL)
            try:
                return "Bearer " + base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)).decode()
            except (binascii.Error, ValueError):
                return ""
    return ""


def same_origin(origin: str, host: str, others: Sequence[str]) -> bool:
    """Whether a page may open a WebSocket: the server's own pages, and those that were named. Programs say nothing."""
    return not origin or origin in others or "*" in others or origin.partition("://")[2] == host


def read_keys(path: Path) -> list[str]:
    """Keys from a file, one per line; lines that begin with # are comments. Raises ValueError for weak ones."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ValueError(f"{path} holds no keys")
    for number, key in enumerate(keys, 1):
        if len(key) < MIN_LENGTH or " " in key:
            raise ValueError(f"key {number} in {path} must have at least {MIN_LENGTH} characters and no spaces")
    return keys


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _slower(message: str, retry_after: float) -> ApiError:
    return ApiError(message, status=429, code="rate_limit_exceeded", retry_after=retry_after)
