"""Reading policies/daypass.yaml, policies/resources/*.yaml and policies/purposes/*.yaml.

What the settings do not say keeps its default: leaving a limit out does not lift it. The names of resources and purposes
are those of their files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from daypass.core.bounds.limits import Limits
from daypass.core.bounds.purposes import DetailField, Purpose
from daypass.core.bounds.settings import PeopleSource, Settings, TargetFacts, TargetKinds, TargetSettings, nothing
from daypass.core.catalogue import Directory, Resource, Role, frozen
from daypass.core.finding import near
from daypass.core.forge import FORGES
from daypass.core.policy.cel.pattern import fault
from daypass.core.policy.details import HAS
from daypass.core.policy.policies.file import Key, PolicyFile
from daypass.core.policy.policies.named import Nameable, check_known
from daypass.core.policy.policies.renames import called_now, check_was
from daypass.core.window import format_duration

if TYPE_CHECKING:
    from daypass.schema.policy_models import BrakeForm, LimitsForm, ResourceForm, SettingsForm
    from daypass.schema.rule_models import FieldForm, PurposeForm


def read_settings(file: PolicyFile[SettingsForm], kinds: TargetKinds) -> Settings:
    """Read the settings."""
    data = file.data
    forge = _forge(file)
    ledger = data.get("ledger", {})
    usual = Settings()
    keys = tuple(ledger.get("keys", usual.ledger_keys))
    _check_keys(file, keys)
    return Settings(
        forge_kind=forge["kind"],
        forge_options=frozen({key: value for key, value in forge.items() if key != "kind"}),
        targets=_targets(file, kinds),
        ledger_branch=ledger.get("branch", usual.ledger_branch),
        ledger_keys=keys,
        ledger_retired=frozen(ledger.get("retired", {})),
        ledger_revoked=frozen(ledger.get("revoked", {})),
        ledger_signer=ledger.get("signer", usual.ledger_signer),
        ledger_host=ledger.get("host", usual.ledger_host),
        ledger_heartbeat=file.duration("ledger", "heartbeat"),
        environments=_closed(file, "environments", usual.environments),
        classifications=_closed(file, "classifications", usual.classifications),
        limits=_limits(file, data.get("limits", {})),
        simulated_clock=data.get("clock") == "simulated",
        people=_people(file, FORGES[forge["kind"]].teams),
    )


_SOURCE_NEEDS = {"forge": ("team",), "scim": ("url", "token_env")}
"""What each kind of people's source needs, and all that it takes."""


def _people(file: PolicyFile[SettingsForm], teams: bool) -> PeopleSource | None:
    """Return who says who people are, None where nobody does. ``teams``: the forge has some."""
    if "people" not in file.data:
        return None
    said = file.data["people"]["source"]
    kind = said["kind"]
    at = ("people", "source")
    if kind == "forge" and not teams:
        message = "the forge of the settings has no teams, so none says who people are"
        file.fault("people-source-incomplete", at, message, "write kind: scim, or take people out")
    for key in _SOURCE_NEEDS[kind]:
        if key not in said:
            file.fault("people-source-incomplete", at, f"a source of people of kind {kind} needs {key}", f"add {key}")
    for key in said:
        if key not in ("kind", *_SOURCE_NEEDS[kind]):
            message = f"a source of people of kind {kind} has no {key}"
            file.fault("people-source-incomplete", (*at, key), message, "remove it, or write the other kind")
    if (wrong := _unsafe(said.get("url", ""))) != "":
        hint = "write the base address alone, such as https://id.example/scim/v2"
        file.fault("people-source-address", (*at, "url"), f"the token would go to an address that {wrong}", hint)
    return PeopleSource(kind, said.get("team", ""), said.get("url", "").rstrip("/"), said.get("token_env", ""))


def _unsafe(url: str) -> str:
    """Say why a token must not be sent to an address, "" where it may. That it holds no name or password, its form says."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "does not read"
    if url and not host:
        return "names no host"
    return "is not encrypted" if parts.scheme == "http" and host not in ("127.0.0.1", "localhost", "::1") else ""


def _check_keys(file: PolicyFile[SettingsForm], keys: tuple[str, ...]) -> None:
    """Refuse a key that may sign and may not: whoever reads the one line would not know of the other."""
    ledger = file.data.get("ledger", {})
    for what, bounded in (("retired", ledger.get("retired", {})), ("revoked", ledger.get("revoked", {}))):
        for name in bounded:
            if name in keys:
                message = f"key {name} is {what} and named as one that signs"
                hint = "take it out of ledger.keys, and name a new key there: `daypass ledger rekey`"
                file.fault("ledger-key-twice", ("ledger", what, name), message, hint)


def _forge(file: PolicyFile[SettingsForm]) -> Mapping[str, Any]:
    """Return the forge's own settings, as its kind needs and takes them."""
    forge: Mapping[str, Any] = file.data.get("forge", {"kind": "local"})
    name, kind = forge["kind"], FORGES[forge["kind"]]
    for key in kind.needs:
        if key not in forge:
            message = f"a forge of kind {name} needs the {key} that it serves"
            file.fault("forge-incomplete", ("forge",), message, f"add {key}: owner/name")
    for key in forge:
        if key not in ("kind", *kind.takes):
            message = f"a forge of kind {name} has no {key}"
            others = " or ".join(other for other, row in FORGES.items() if key in row.takes)
            file.fault("forge-incomplete", ("forge", key), message, f"remove it, or write kind: {others}")
    return forge


def _targets(file: PolicyFile[SettingsForm], kinds: TargetKinds) -> Mapping[str, TargetSettings]:
    found = {}
    for name, options in file.data["targets"].items():
        kind = options["kind"]
        if kind not in kinds:
            message = f"target {name} is of kind {kind!r}, which is not known; known: {', '.join(sorted(kinds))}"
            file.fault("unknown-target-kind", ("targets", name, "kind"), message, near(kind, kinds))
        lost = options.get("lost", "give")
        if lost not in ("give", "leave"):
            message = f"expected lost of target {name} to be give or leave, got {lost!r}"
            hint = "give: what somebody took away by hand is given again; leave: it is only told"
            file.fault("lost-unknown", ("targets", name, "lost"), message, hint)
        own = frozen({key: value for key, value in options.items() if key not in ("kind", "lost")})
        known = kinds.get(kind, TargetFacts(nothing))
        by = known.known_by(own)
        told = known.checks_claims, known.invites, known.hands_over, known.gives, known.use
        found[name] = TargetSettings(name, kind, own, lost == "leave", by, *told)
    return frozen(found)


def _closed(
    file: PolicyFile[SettingsForm], key: Literal["environments", "classifications"], usual: tuple[str, ...]
) -> tuple[str, ...]:
    names = file.data.get(key, usual)
    for index, name in enumerate(names):
        if name in names[:index]:
            file.fault("duplicate-name", (key, index), f"{name!r} stands twice in {key}", "remove one")
    return tuple(names)


def _limits(file: PolicyFile[SettingsForm], limits: LimitsForm) -> Limits:
    usual = Limits()
    brake = limits.get("brake", {})
    return Limits(
        max_duration=file.duration("limits", "max_duration") or usual.max_duration,
        max_span=file.duration("limits", "max_span") or usual.max_span,
        open_request=file.duration("limits", "open_request") or usual.open_request,
        brake_removals=_share(file, brake, "removals", usual.brake_removals),
        brake_additions=_share(file, brake, "additions", usual.brake_additions),
        approvers=tuple(limits.get("approvers", {}).get("employment", ())),
        end=tuple(limits.get("end", usual.end)),
        revoke=tuple(limits["revoke"]) if "revoke" in limits else None,
        ask_for_others=tuple(limits["ask_for_others"]) if "ask_for_others" in limits else None,
        pause=limits.get("pause", False),
        unsigned=limits.get("unsigned", usual.unsigned),
    )


def check_enders(file: PolicyFile[SettingsForm], known: Nameable) -> None:
    """Refuse limits that name somebody whom nobody knows: they would be taken for somebody who may end access."""
    limits: Mapping[str, Any] = {**file.data.get("limits", {})}
    for key in ("end", "revoke", "ask_for_others"):
        for index, source in enumerate(limits.get(key, ())):
            check_known(file, source, known, "limits", key, index)


def _share(file: PolicyFile[SettingsForm], brake: BrakeForm, key: Literal["removals", "additions"], usual: str) -> str:
    text = brake.get(key, usual)
    if text.endswith("%") and int(text[:-1]) > 100:  # noqa: PLR2004  (percent)
        file.fault("brake-range", ("limits", "brake", key), f"{text} is more than all", "write at most 100%")
    return text


def read_resource(
    name: str, file: PolicyFile[ResourceForm], settings: Settings | None, directory: Directory | None
) -> Resource:
    """Read a resource and check what it refers to; ``settings`` or ``directory`` is None where unreadable."""
    data = file.data
    if settings is not None:
        _known(file, "target", settings.targets)
        _known(file, "environment", settings.environments)
        _known(file, "classification", settings.classifications)
    if directory is not None:
        _check_owners(file, directory)
    return Resource(
        name=name,
        title=data["title"],
        target=data["target"],
        environment=data["environment"],
        classification=data["classification"],
        owners=tuple(data["owners"]),
        roles=_roles(file, settings),
        data=tuple(data.get("data", ())),
        retention_until=file.moment("retention_until"),
        exclusive=bool(data.get("exclusive", False)),
        file=file.file,
        says_data="data" in data,
        was=tuple(data.get("was", ())),
    )


def _known(
    file: PolicyFile[ResourceForm], key: Literal["target", "environment", "classification"], known: Collection[str]
) -> None:
    value = file.data[key]
    if value not in known:
        message = f"{key} {value!r} is not one of the settings' {key}s: {', '.join(known) or 'none'}"
        hint = near(value, known, "policies/daypass.yaml lists them")
        file.fault(f"unknown-{key}", (key,), message, hint)


def _check_owners(file: PolicyFile[ResourceForm], directory: Directory) -> None:
    for index, group in enumerate(file.data["owners"]):
        if group not in directory.groups:
            hint = called_now("group", group, directory.old_groups)
            hint = hint or near(group, directory.groups, "groups are named in policies/directory")
            file.fault("unknown-group", ("owners", index), f"there is no group {group!r} in the directory", hint)
    people = {
        handle
        for group in file.data["owners"]
        for handle in directory.groups.get(group, ())
        if directory.subjects[handle].is_person
    }
    if not people:
        message = f"nobody could approve: the owners ({', '.join(file.data['owners'])}) have no people"
        file.fault("empty-approvers", ("owners",), message, "add people to the group in policies/directory")


def _roles(file: PolicyFile[ResourceForm], settings: Settings | None) -> Mapping[str, Role]:
    found = {}
    claimed: dict[str, str] = {}
    for name, role in file.data["roles"].items():
        longest = file.duration("roles", name, "max_duration")
        if longest is None:
            continue
        total = file.duration("roles", name, "max_total") if "max_total" in role else None
        if total is not None and total < longest:
            message = f"max_total of {role['max_total']} is shorter than max_duration, {role['max_duration']}"
            file.fault(
                "total-too-short", ("roles", name, "max_total"), message, "write at least as much, or leave it out"
            )
        span = file.duration("roles", name, "max_span")
        _within(file, settings, longest, span, "roles", name)
        privilege = role.get("privilege") or {"role": name}
        was = tuple(role.get("was", ()))
        check_was(file, ("roles", name), "role", name, was, file.data["roles"], claimed)
        found[name] = Role(name, longest, MappingProxyType(dict(privilege)), role.get("title", ""), total, span, was)
    return frozen(found)


def _within(
    file: PolicyFile[Any], settings: Settings | None, longest: timedelta | None, span: timedelta | None, *keys: str
) -> None:
    """Refuse limits that are longer than those of the settings, None where these cannot be read."""
    if settings is None:
        return
    limits = settings.limits
    for key, said, most in (("max_duration", longest, limits.max_duration), ("max_span", span, limits.max_span)):
        if said is not None and said > most:
            bound = format_duration(most)
            message = f"{format_duration(said)} is longer than the {bound} that the settings allow"
            file.fault("too-long", (*keys, key), message, f"write at most {bound}")


def read_purpose(name: str, file: PolicyFile[PurposeForm], settings: Settings | None, known: Nameable) -> Purpose:
    """Read a purpose, which may name what is ``known``; ``settings`` is None where unreadable."""
    data = file.data
    longest, span = file.duration("max_duration"), file.duration("max_span")
    _within(file, settings, longest, span)
    ticket = data.get("ticket", {})
    _check_pattern(file, ticket.get("pattern"), "ticket", "pattern")
    for index, source in enumerate(data.get("asked_by", ())):
        check_known(file, source, known, "asked_by", index)
    return Purpose(
        name=name,
        title=data.get("title", ""),
        emergency=bool(data.get("emergency", False)),
        asked_by=tuple(data.get("asked_by", ())),
        ticket_required=bool(ticket.get("required", False)),
        ticket_pattern=ticket.get("pattern", ""),
        fields=frozen({field: _field(file, field, form) for field, form in data.get("fields", {}).items()}),
        max_duration=longest,
        max_span=span,
        guide=data.get("guide", ""),
        review_within=_review(file),
    )


def _review(file: PolicyFile[PurposeForm]) -> timedelta | None:
    """Return by when what is given for an emergency is reviewed, None where it is not."""
    data = file.data
    if "review" not in data:
        return None
    if not data.get("emergency", False):
        message = "review is for emergencies: what is none is approved before it is given"
        file.fault("review-contradicts", ("review",), message, "add emergency: true, or ask for approvals by a rule")
    return file.duration("review", "within")


_TAKES = {"of": ("choice", "names"), "pattern": ("text",), "ends_access": ("moment",)}
"""The kinds of field that have a key."""


def _field(file: PolicyFile[PurposeForm], name: str, form: FieldForm) -> DetailField:
    """Read a field of a purpose: what its kind has no use for would be read and ignored."""
    kind = form["kind"]
    if name.startswith(HAS):
        message = f"{name}: names that begin with {HAS} say in rules whether a grant has a detail"
        file.fault(
            "field-contradicts", ("fields", name), message, f"call it {name.removeprefix(HAS) or 'another name'}"
        )
    for key, kinds in _TAKES.items():
        if key in form and kind not in kinds:
            message = f"field {name} is of kind {kind}, which takes no {key}: {', '.join(kinds)} do"
            file.fault("field-contradicts", ("fields", name, key), message, f"remove {key}, or write kind: {kinds[0]}")
    if kind == "choice" and "of" not in form:
        file.fault("field-contradicts", ("fields", name, "kind"), f"field {name} has no choices", "add of: [a, b]")
    choices = form.get("of", [])
    for index, choice in enumerate(choices):
        if choice in choices[:index]:
            file.fault("duplicate-name", ("fields", name, "of", index), f"{choice!r} stands twice", "remove one")
    _check_pattern(file, form.get("pattern"), "fields", name, "pattern")
    return DetailField(
        name,
        kind,
        title=form.get("title", ""),
        required=form.get("required", False),
        ends_access=form.get("ends_access", False),
        of=tuple(choices),
        pattern=form.get("pattern", ""),
    )


def _check_pattern(file: PolicyFile[PurposeForm], pattern: str | None, *at: Key) -> None:
    wrong = fault(pattern) if pattern is not None else ""
    if wrong:
        hint = "write a regular expression of RE2, without look-around and back-references"
        file.fault("pattern-invalid", at, f"the pattern can match nothing: {wrong}", hint)
