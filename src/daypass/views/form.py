"""What people read who ask in words: above the form, and in reply."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from daypass.core.catalogue import Catalogue
from daypass.core.files.grants import grant_text
from daypass.core.forge import Links
from daypass.core.ids import grant_path
from daypass.core.plan import Entitlement, Holding
from daypass.core.policy.policies import Policy
from daypass.core.request import Reply
from daypass.core.state import Overview
from daypass.core.window import format_duration
from daypass.views.data import plain
from daypass.views.findings import as_output, findings_text
from daypass.views.gate import status_text
from daypass.views.markdown import code, fence, prose
from daypass.views.policy.decision import needs_text
from daypass.views.told.names import number_named

_MOST_LISTED = 100

_INTRODUCTION = (
    "What you ask for becomes a pull request in your name. It says who has to approve it; access begins when it is "
    "merged and ends by itself. Do not edit the issue afterwards: edited words are not acted on."
)


def form_introduction(catalogue: Catalogue) -> str:
    """Say above the form what its choices mean: titles are Markdown to the forge, and only text to us."""
    rows = [
        f"- {code(resource.name)} {prose(resource.title)}: "
        + ", ".join(
            f"{code(role.name)} at most {format_duration(role.max_duration)}" for role in resource.roles.values()
        )
        for resource in catalogue.resources.values()
    ]
    more = [] if len(rows) <= _MOST_LISTED else [f"- and {len(rows) - _MOST_LISTED} more, see policies/resources"]
    return "\n".join([_INTRODUCTION, "", *rows[:_MOST_LISTED], *more])


def reply_markdown(
    reply: Reply, policy: Policy, links: Links, holdings: Mapping[Entitlement, Holding], at: datetime
) -> str:
    """Write what a comment says; "" where there is nothing to say. It begins with a letter, so it is no command."""
    if reply.kind in ("opened", "there"):
        return _opened(reply, policy)
    if reply.kind == "link":
        return _link(reply, policy, links)
    if reply.kind == "denied":
        said = "Policy does not allow this, so no pull request was opened."
        return _paragraphs(said, _needs(reply, policy))
    if reply.kind == "refused":
        return _refused(reply, links)
    if reply.kind == "approving":
        return _approving(reply, policy, links)
    if reply.kind == "help":
        return _help(reply.what)
    if reply.kind == "status":
        return _status(reply, holdings, at)
    return ""


def reply_line(reply: Reply) -> str:
    """Say in a line of a log what was answered."""
    where = f"#{reply.number}"
    who = reply.by.handle or reply.by.name
    if reply.kind in ("opened", "there"):
        done = "opened" if reply.kind == "opened" else "was opened before"
        return f"{where}: {reply.what} by {who}: #{reply.pull} {done}"
    why = f": {reply.why}" if reply.why else ""
    words = {"silent": "nothing to answer", "link": "told where to open it", "help": "told what can be asked"}
    words["approving"] = "told that only reviews count"
    return f"{where}: {words.get(reply.kind, reply.kind)}{f' {reply.what}' if reply.what else ''} by {who}{why}"


def reply_json(reply: Reply) -> str:
    """Write what was answered as JSON, version 1."""
    told = {"number": reply.number, "kind": reply.kind, "what": reply.what, "by": reply.by.handle, "why": reply.why}
    opened = {"pull": reply.pull or None, "opened": list(reply.grants)}
    return as_output({**told, **opened, "findings": plain(reply.findings)})


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _needs(reply: Reply, policy: Policy) -> str:
    if reply.grant is None or reply.decision is None:
        return ""
    text = needs_text(policy, reply.grant, reply.decision, requester=reply.by.handle)
    return fence(text.rstrip("\n").split("\n"), "text")


def _opened(reply: Reply, policy: Policy) -> str:
    if reply.kind == "there":
        return _paragraphs(f"Pull request #{reply.pull} was opened for this; it says who has to approve it.")
    names = ", ".join(code(grant) for grant in reply.grants)
    if reply.what == "end":
        return _paragraphs(f"Opened #{reply.pull}, which ends {names}. Nobody needs to approve less access.")
    asker = f"It asks in the name of {code(reply.by.handle)}, who can therefore not approve it."
    twins = ", ".join(f"#{twin}" for twin in reply.twins)
    same = f"{twins} asks for the same: close what is one too many." if twins else ""
    return _paragraphs(f"Opened #{reply.pull} for {names}. {asker}", same, _needs(reply, policy))


def _link(reply: Reply, policy: Policy, links: Links) -> str:
    why = "No App of this repository can open pull requests, and one that a workflow opens is nobody's request."
    if reply.what == "end":
        pages = "\n".join(
            f"- [delete the file]({links.delete(grant_path(grant))}) of {code(grant)}" for grant in reply.grants
        )
        return _paragraphs(f"{why} Open it yourself; nobody needs to approve less access:", pages)
    if reply.grant is None:
        return ""
    text = grant_text(reply.grant).rstrip("\n").split("\n")
    if reply.what == "extend":
        step = f"[Change this file]({links.edit(reply.grant.path)}) to the text below and propose the change"
    else:
        step = f"[Propose this file]({links.new_file(reply.grant.path, grant_text(reply.grant))})"
    # What a fence writes as an escape stands in quotes there, where YAML reads the escape back.
    shown = fence(text, "yaml")
    return _paragraphs(
        f"{why} {step} in your own name, as {code(reply.grant.path)}:", shown, "It will need:", _needs(reply, policy)
    )


def _refused(reply: Reply, links: Links) -> str:
    hint = prose(reply.hint)
    faults = fence(findings_text(reply.findings).rstrip("\n").split("\n"), "text") if reply.findings else ""
    again = f"[Ask again with the form]({links.form})." if reply.what == "request" else ""
    return _paragraphs(f"Nothing was done: {prose(reply.why)}.", faults, f"What to do: {hint}." if hint else "", again)


def _approving(reply: Reply, policy: Policy, links: Links) -> str:
    """Say that only reviews count, and how one is given."""
    where = number_named(reply.pull, links)
    files = f"[Files changed]({links.files(reply.pull)})"
    how = policy.catalogue.settings.forge.approving.format(files=files, number=reply.pull)
    only = "Comments and reactions approve nothing here, by design: only a review of the very commit counts"
    return _paragraphs(
        f"{only}, by somebody whom policy asks for it.", f"To approve {where}, {how}", "This is said once."
    )


def _help(command: str) -> str:
    rows = [
        "- `/extend 2h` asks for two hours more; for whoever has the access, or asked for it",
        "- `/end` ends the access now; for them, and for the owners of the resource",
        "- `/status` tells how it stands; for everybody in the directory",
    ]
    said = f"There is no command {code('/' + command)}." if command else "These commands are known."
    return _paragraphs(f"{said} A comment's first line may be:", "\n".join(rows))


def _status(reply: Reply, holdings: Mapping[Entitlement, Holding], at: datetime) -> str:
    waiting = [reply.gated] if reply.gated is not None else []
    about = {grant.grant for grant in reply.live} | {grant for grant, _ in reply.lost}
    holdings = {what: held for what, held in holdings.items() if not about.isdisjoint(held.grants)}
    lines = status_text(Overview(at, waiting, reply.live, holdings, claims=reply.claims)).rstrip("\n").split("\n")
    lines += ["  by the ledger's word: no target was looked at for this"] if reply.live else []
    lines += [f"  {grant}: gives nothing, {why}" for grant, why in reply.lost]
    lines += [f"#{reply.pull}: {reply.why}"] if reply.why else []
    return _paragraphs(f"Status of #{reply.pull}:", fence(lines, "text"))
