"""What depends on its arguments alone is worked out once a process: a life asks for the same again and again.

Keys are read and signatures checked by daypass's own functions, the first time for each key, payload and signature.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache, lru_cache
from unittest.mock import patch

from securesystemslib.signer import SSlibKey

from daypass.edges.ledger import signing
from daypass.edges.ledger.signing import Check

_read = cache(signing.read_public_key)
_check_of = signing._check_of
_CHECKS: dict[str, Check] = {}


def _checked(key: SSlibKey) -> Check:
    if key.keyid not in _CHECKS:
        _CHECKS[key.keyid] = lru_cache(2000)(_check_of(key))
    return _CHECKS[key.keyid]


def once() -> AbstractContextManager[object]:
    """Read each key once, and check each signature once."""
    return patch.multiple(signing, read_public_key=_read, _check_of=_checked)
