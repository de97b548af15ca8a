"""What the settings of a ``github`` target say, read without the environment that they point to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from daypass.core.errors import InvalidError
from daypass.edges.forges.github.address import API, read_base

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daypass.core.catalogue import TargetSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_NUMBER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_CREDENTIALS = ("app_id_env", "app_key_env", "token_env")


class Options(NamedTuple):
    """The organisation, the address of the API, and the variables of the credential by option: an App's or a token's.

    ``expected`` are the numbers of accounts whose own access there is known, so that it is no drift: owners.
    """

    organisation: str
    url: str
    variables: Mapping[str, str]
    expected: frozenset[str]


def read_options(settings: TargetSettings) -> Options:
    """Read the options. Raises InvalidError for one that makes no sense."""
    options = settings.options
    organisation = options.get("organisation")
    if not isinstance(organisation, str) or not _NAME.fullmatch(organisation):
        raise InvalidError(
            f"expected organisation of target {settings.name} to be an organisation's name, got {organisation!r}",
            hint="write `organisation: acme`, as in github.com/acme",
        )
    url = options.get("api_url", API)
    if not isinstance(url, str):
        raise InvalidError(f"expected api_url of target {settings.name} to be an address, got {url!r}")
    read_base(url)
    variables = {option: _variable(settings, option) for option in _CREDENTIALS if option in options}
    if set(variables) not in ({"app_id_env", "app_key_env"}, {"token_env"}):
        raise InvalidError(
            f"target {settings.name} names no credential, half of one or two",
            hint="name the variables of an App (app_id_env and app_key_env) or of a token (token_env)",
        )
    expected = options.get("expected", [])
    listed = expected if isinstance(expected, list | tuple) else [""]
    if not all(_NUMBER.fullmatch(str(one)) for one in listed):
        raise InvalidError(
            f"expected expected of target {settings.name} to list accounts' numbers, got {expected!r}",
            hint="`curl https://api.github.com/users/LOGIN` shows it as id",
        )
    return Options(organisation, url, variables, frozenset(map(str, listed)))


def _variable(settings: TargetSettings, option: str) -> str:
    variable = settings.options[option]
    if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
        raise InvalidError(
            f"expected {option} of target {settings.name} to be the name of a variable, got something else",
            hint=f"write for example `{option}: ACME_{option.removesuffix('_env').upper()}`, and the secret nowhere",
        )
    return variable
