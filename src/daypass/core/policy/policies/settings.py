"""Reading policies/daypass.yaml. What it does not say keeps its default: leaving a limit out does not lift it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from daypass.core.catalogue import Directory, Limits, Settings, Share, TargetKinds, TargetSettings, frozen
from daypass.core.finding import near
from daypass.core.forge_kinds import FORGES
from daypass.core.policy.policies.sheet import Notes, Sheet


def read_settings(sheet: Sheet, kinds: TargetKinds, notes: Notes) -> Settings:
    """Read the settings."""
    data = sheet.data
    forge = _forge(sheet, notes)
    ledger = data.get("ledger", {})
    usual = Settings()
    return Settings(
        forge_kind=forge["kind"],
        forge_options=frozen({key: value for key, value in forge.items() if key != "kind"}),
        targets=_targets(sheet, kinds, notes),
        ledger_branch=ledger.get("branch", usual.ledger_branch),
        ledger_keys=tuple(ledger.get("keys", usual.ledger_keys)),
        ledger_signer=ledger.get("signer", usual.ledger_signer),
        ledger_heartbeat=_heartbeat(sheet, ledger, notes),
        environments=_closed(sheet, "environments", usual.environments, notes),
        classifications=_closed(sheet, "classifications", usual.classifications, notes),
        limits=_limits(sheet, data.get("limits", {}), notes),
        simulated_clock=data.get("clock") == "simulated",
    )


def _forge(sheet: Sheet, notes: Notes) -> Mapping[str, Any]:
    """Return the forge's own settings, as its kind needs and takes them."""
    forge: Mapping[str, Any] = sheet.data.get("forge", {"kind": "local"})
    name, kind = forge["kind"], FORGES[forge["kind"]]
    for key in kind.needs:
        if key not in forge:
            message = f"a forge of kind {name} needs the {key} that it serves"
            notes.add("forge-incomplete", sheet.place("forge"), message, f"add {key}: owner/name")
    for key in forge:
        if key not in ("kind", *kind.takes):
            message = f"a forge of kind {name} has no {key}"
            others = " or ".join(other for other, row in FORGES.items() if key in row.takes)
            notes.add("forge-incomplete", sheet.place("forge", key), message, f"remove it, or write kind: {others}")
    return forge


def _heartbeat(sheet: Sheet, ledger: Mapping[str, Any], notes: Notes) -> timedelta | None:
    return notes.duration(sheet, ledger["heartbeat"], "ledger", "heartbeat") if "heartbeat" in ledger else None


def _targets(sheet: Sheet, kinds: TargetKinds, notes: Notes) -> Mapping[str, TargetSettings]:
    found = {}
    for name, options in sheet.data["targets"].items():
        kind = options["kind"]
        if kind not in kinds:
            message = f"target {name} is of kind {kind!r}, which is not known; known: {', '.join(sorted(kinds))}"
            notes.add("unknown-target-kind", sheet.place("targets", name, "kind"), message, near(kind, kinds))
        lost = options.get("lost", "give")
        if lost not in ("give", "leave"):
            message = f"expected lost of target {name} to be give or leave, got {lost!r}"
            hint = "give: what somebody took away by hand is given again; leave: it is only told"
            notes.add("lost-unknown", sheet.place("targets", name, "lost"), message, hint)
        own = frozen({key: value for key, value in options.items() if key not in ("kind", "lost")})
        known_by = kinds[kind](own) if kind in kinds else ""
        found[name] = TargetSettings(name, kind, own, leave_lost=lost == "leave", known_by=known_by)
    return frozen(found)


def _closed(sheet: Sheet, key: str, usual: tuple[str, ...], notes: Notes) -> tuple[str, ...]:
    names = sheet.data.get(key, usual)
    for index, name in enumerate(names):
        if name in names[:index]:
            notes.add("duplicate-name", sheet.place(key, index), f"{name!r} stands twice in {key}", "remove one")
    return tuple(names)


def _limits(sheet: Sheet, limits: Mapping[str, Any], notes: Notes) -> Limits:
    usual = Limits()
    brake = limits.get("brake", {})
    found = {
        key: notes.duration(sheet, limits[key], "limits", key)
        for key in ("max_duration", "open_request")
        if key in limits
    }
    return Limits(
        max_duration=found.get("max_duration") or usual.max_duration,
        open_request=found.get("open_request") or usual.open_request,
        brake_removals=_share(sheet, brake, "removals", usual.brake_removals, notes),
        brake_additions=_share(sheet, brake, "additions", usual.brake_additions, notes),
        approvers=tuple(limits.get("approvers", {}).get("employment", ())),
        end=tuple(limits.get("end", usual.end)),
        revoke=tuple(limits["revoke"]) if "revoke" in limits else None,
        pause=limits.get("pause", False),
        unsigned=limits.get("unsigned", usual.unsigned),
    )


def check_enders(sheet: Sheet, directory: Directory, notes: Notes) -> None:
    """Refuse limits that name somebody whom nobody knows: they would be taken for somebody who may end access."""
    limits = sheet.data.get("limits", {})
    for key in ("end", "revoke"):
        for index, source in enumerate(limits.get(key, ())):
            kind, _, name = source.partition(":")
            known = {"group": directory.groups, "person": directory.subjects}.get(kind)
            if known is not None and name not in known:
                code, what = ("unknown-group", "group") if kind == "group" else ("unknown-member", "person")
                hint = near(name, known, "policies/directory names people and groups")
                message = f"there is no {what} {name!r} in the directory"
                notes.add(code, sheet.place("limits", key, index), message, hint)


def _share(sheet: Sheet, brake: Mapping[str, str], key: str, usual: Share, notes: Notes) -> Share:
    text = brake.get(key)
    if text is None:
        return usual
    number = int(text.removesuffix("%"))
    if text.endswith("%") and number > 100:  # noqa: PLR2004  (percent)
        notes.add("brake-range", sheet.place("limits", "brake", key), f"{text} is more than all", "write at most 100%")
        return usual
    return Share(percent=number) if text.endswith("%") else Share(count=number)
