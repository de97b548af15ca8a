"""The audit: answers from git and the ledger alone.

Questions (`access`, `history`, `stats`) read an index that is a cache; receipts enter it only after their chain and
signatures were proved. `daypass.pipeline.audit.verify` trusts no cache: it walks main's history and the whole ledger.
What a grant hands over is told to its subject and to nobody else (`fetch`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

from daypass.core.audit.access import AccessAnswer, GrantStep, Holdings, Sources, Trailers, Words, read_trailers
from daypass.core.audit.access import access as accesses
from daypass.core.audit.events import Material
from daypass.core.audit.events import history as events
from daypass.core.audit.selection import HistoryAnswer, Selection
from daypass.core.errors import DeniedError, MissingError, UsageError
from daypass.core.forge import Account
from daypass.core.grant import Details
from daypass.core.ids import ABSENT, GrantId, Oid, grant_id, grant_path
from daypass.core.ledger.receipt import Admission, Body, Decided, Outcome, Receipt, Reviewed, words_digest
from daypass.core.ledger.records import Handed
from daypass.core.record import replace
from daypass.core.window import format_instant

if TYPE_CHECKING:
    from daypass.core.audit.stats import Stats
    from daypass.core.ledger.standing import Standing

Known = Callable[[], Collection[str]]
"""Names that main's policies or files know; asked only where the index knows nothing of a name."""


Names = Callable[[str, str], Sequence[str]]
"""All names that a subject or a resource has and had before, by what it is and one of them."""

Said = Callable[[int], Iterable[str]]
"""What people said to a request."""


class Index(Protocol):
    """Main's steps and the ledger's receipts, kept beside the clone."""

    def follow(self, at: datetime) -> Sources:
        """Bring it up to main and the ledger, and say what answers at an instant rest on. Raises LedgerError."""
        ...

    def grants_of(self, subject: str) -> tuple[GrantId, ...]:
        """Return the grants that ever named a subject."""
        ...

    def steps(
        self, *, resource: str = "", grants: Collection[GrantId] | None = None
    ) -> tuple[tuple[GrantStep, str], ...]:
        """Return steps (all, where nothing is named) by position, each with the subject that its new file names."""
        ...

    def receipts(self, *, resource: str = "", grants: Collection[GrantId] = ()) -> tuple[Receipt, ...]:
        """Return the receipts about a resource or about grants, in order."""
        ...

    def all_receipts(self, kinds: Collection[type[Body]] = ()) -> Iterator[Receipt]:
        """Stream every receipt in order, or those alone whose bodies are of some kinds."""
        ...

    def anchors(self, digests: Iterable[str]) -> Mapping[str, datetime]:
        """Return when the receipts with these digests were written."""
        ...

    def messages(self, commits: Iterable[Oid]) -> Mapping[Oid, str]:
        """Return commits' messages."""
        ...

    def heads(self, commits: Collection[Oid]) -> Mapping[Oid, str]:
        """Return commits' messages; of what is no commit here nothing."""
        ...

    def contents(self, blobs: Collection[Oid]) -> Mapping[Oid, bytes]:
        """Return what files hold; what git has no longer is left out."""
        ...


def itself(_: str, name: str) -> Sequence[str]:
    """Return a name alone: nothing had another one before."""
    return (name,)


def access(index: Index, resource: str, *, known: Known, names: Names = itself, at: datetime) -> AccessAnswer:
    """Say who could reach a resource at an instant, by whatever name of it they were given access.

    Raises UsageError for a resource that neither policies, history nor ledger know: no answer is not "nobody".
    """
    sources = index.follow(at)
    called = names("resource", resource)
    receipts = _receipts(index, called)
    if not receipts and not any(index.steps(resource=name) for name in called):
        _require("resource", resource, known)
    holdings = Holdings.at(at, receipts)
    found = tuple(one for name in called for one in accesses(holdings, name, at))
    files = {admission.blob: admission.grant for access in found for admission in access.basis}
    given = {grant for access in found for grant in access.change.grants}
    ended = {grant: landing for grant, landing in holdings.ended.items() if grant in given}
    why = end_reasons(index, read_messages(index, ended.values()))
    reasons = {grant: why.get(landing, "") for grant, landing in ended.items()}
    return AccessAnswer(sources, resource, found, _words(index, files), reasons)


def _receipts(index: Index, resources: Sequence[str]) -> tuple[Receipt, ...]:
    """Return the receipts about a resource under each of its names, in order."""
    if len(resources) == 1:
        return index.receipts(resource=resources[0])
    found = {receipt.sequence: receipt for name in resources for receipt in index.receipts(resource=name)}
    return tuple(receipt for _, receipt in sorted(found.items()))


def read_messages(index: Index, landings: Iterable[Oid]) -> Mapping[Oid, Trailers]:
    """Read what merge messages of main say."""
    return {oid: read_trailers(text) for oid, text in index.messages(landings).items()}


_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def end_reasons(index: Index, trailers: Mapping[Oid, Trailers]) -> Mapping[Oid, str]:
    """Return why landings of main ended grants, where somebody said so: it stands in the commit that was merged."""
    merged = {landing: Oid(found.head) for landing, found in trailers.items() if _OID.fullmatch(found.head)}
    said = {head: read_trailers(text).reason for head, text in index.heads(list(merged.values())).items()}
    return {landing: said[head] for landing, head in merged.items() if said.get(head)}


def _words(index: Index, files: Mapping[Oid, GrantId]) -> Mapping[Oid, Words]:
    """Read what people wrote into grant files, by blob; a file that is gone or does not read has no words."""
    from daypass.core.files.document import read  # noqa: PLC0415  (only where there is something to read)

    found = {}
    for blob, raw in (index.contents(files) if files else {}).items():
        document = read(grant_path(files[blob]), raw)
        if not isinstance(document, tuple):
            said = [document.value.get(name, "") for name in ("reason", "ticket", "purpose")]
            if all(isinstance(text, str) for text in said):
                found[blob] = Words(said[0], said[1], said[2], _details(document.value.get("details")))
    return found


def _details(said: object) -> Details:
    """Return the details in a file that may be no grant: what is neither text nor a list of texts is left out."""
    if not said or not isinstance(said, dict):
        return ()
    from daypass.core.files.grants import details_in  # noqa: PLC0415  (only where there is something to read)

    told = said.items()
    return details_in({name: v for name, v in told if isinstance(v, str) or (isinstance(v, list) and _texts(v))})


def _texts(values: list[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def case(index: Index, ticket: str, *, said: Said = lambda _: (), at: datetime) -> HistoryAnswer:
    """Tell everything that is on record of the grants and requests of one case: who asked, approved and ended, and why."""
    answer = history(index, selection=Selection(ticket=ticket), known=frozenset, said=said, at=at)
    return replace(answer, about="case", name=ticket)


def history(
    index: Index,
    *,
    subject: str = "",
    resource: str = "",
    grant: str = "",
    selection: Selection = Selection(),  # noqa: B008  (it never changes)
    known: Known,
    names: Names = itself,
    said: Said = lambda _: (),
    at: datetime,
) -> HistoryAnswer:
    """Tell how access came to be and ended: of a subject, on a resource or by a grant, or whatever ``selection`` chooses.

    Of a subject and a resource all is told that stands under any of its names. A grant may be given as its id or its path.
    ``said`` tells what people said to a request, as far as the forge's record is in this repository: words are shown only
    where they are those of a receipt. Raises UsageError for a name that nothing knows, for two names, and where nothing at
    all is asked for.
    """
    asked = [(about, name) for about, name in (("subject", subject), ("resource", resource), ("grant", grant)) if name]
    if len(asked) > 1 or (not asked and selection.whole):
        raise UsageError(
            "name one of --subject, --resource and --grant, or say what is asked for",
            hint="for example --grant orders-db/a1b2, or --denied --since 2026-11-01T00:00:00Z",
        )
    about, name = asked[0] if asked else ("", "")
    sources = index.follow(at)
    called = names(about, name) if about in ("subject", "resource") else (name,)
    if not about:
        steps, receipts = index.steps(), tuple(index.all_receipts())
    elif about == "resource":
        steps = tuple(sorted((step for one in called for step in index.steps(resource=one)), key=itemgetter(0)))
        receipts = _receipts(index, called)
    else:
        of = (grant for one in called for grant in index.grants_of(one))
        grants = tuple(dict.fromkeys(of)) if about == "subject" else (grant_id(name),)
        steps, receipts = index.steps(grants=grants), index.receipts(grants=grants)
    if about and not steps and not receipts:
        _require(about, name, known)
    trailers = read_messages(index, (step.commit for step, _ in steps))
    removals = {step.commit for step, _ in steps if step.removed}
    material = Material(
        receipts=receipts,
        steps=tuple(step for step, _ in steps),
        trailers=trailers,
        subjects={step.new: named for step, named in steps if step.new != ABSENT and named},
        anchors=index.anchors({found.ledger for found in trailers.values() if found.ledger}),
        words=_words(index, _files(steps, receipts)),
        reasons=end_reasons(index, {oid: found for oid, found in trailers.items() if oid in removals}),
        said=_said(receipts, said),
    )
    found = events(material)
    if about == "subject":  # a grant may have named another subject before or after
        found = tuple(event for event in found if event.subject in ("", *called))
    return HistoryAnswer(sources, about, name, selection.of(found, receipts))


def _said(receipts: Iterable[Receipt], said: Said) -> Mapping[str, str]:
    bodies = (receipt.body for receipt in receipts)
    pulls = {body.pull for body in bodies if isinstance(body, Decided | Reviewed) and body.reason}
    return {words_digest(text): text for pull in sorted(pulls) for text in said(pull)}


def _files(steps: Iterable[tuple[GrantStep, str]], receipts: Sequence[Receipt]) -> Mapping[Oid, GrantId]:
    """Return the files that were asked for, merged or admitted: blob to grant."""
    admitted = (receipt.body for receipt in receipts if isinstance(receipt.body, Admission))
    merged = {step.new: step.grant for step, _ in steps if step.new != ABSENT}
    asked = (file for receipt in receipts if isinstance(receipt.body, Decided) for file in receipt.body.asked)
    return (
        merged
        | {admission.blob: admission.grant for admission in admitted}
        | {file.blob: file.grant for file in asked if file.blob != ABSENT}
    )


def _require(about: str, name: str, known: Known) -> None:
    if name not in known():
        raise UsageError(
            f"there is no {about} {name!r} in main's policies, in its history or in the ledger",
            hint="check the spelling; what is gone stays in the history",
        )


def stats(index: Index, *, at: datetime) -> Stats:
    """Measure from receipts how quick access comes and goes; those written after ``at`` do not count."""
    from daypass.core.audit.stats import Counter  # noqa: PLC0415  (questions start at once without it)

    sources = index.follow(at)
    counter = Counter()
    for receipt in index.all_receipts():
        if receipt.at <= at:
            counter.add(receipt)
    return counter.result(sources)


def fetch(
    standing: Standing, grant: GrantId, who: Account, *, today: Callable[[str], str] = str, at: datetime
) -> Handed:
    """Return what was handed over last for a grant's entitlement and is good at an instant.

    ``today`` gives a handle of today for one of before.

    Many may read the ledger, so nothing that lies there opens anything by itself: a certificate needs the subject's private
    key, and so does a secret. Asking who is there keeps people from taking what is not theirs by mistake, and is no lock.

    Several grants may give one entitlement, and what one of them handed over serves the others. Raises DeniedError
    when it is not for ``who``, or when the grant was refused, and MissingError when there is nothing to fetch now.
    """
    admission = standing.admission(grant)
    if admission is None:
        refusal = standing.refusals.get(grant)
        if refusal is not None:
            raise DeniedError(f"{grant} was refused: {refusal.message}", hint="it gives no access")
        raise MissingError(
            f"the ledger knows of no live grant {grant}",
            hint="it is not merged, not applied yet, or has ended and was tidied away; `daypass status` lists what is live",
        )
    if not who.person or who.handle != today(admission.subject):
        stranger = ", whom the directory does not know" if who.person else ""
        whose = who.handle or f"{who.name}{stranger}"
        raise DeniedError(
            f"what {grant} hands over is for {admission.subject}, and this is {whose}",
            hint="only the subject can use it; they run this themselves",
        )
    return _handed(standing, admission, at)


def _handed(standing: Standing, admission: Admission, at: datetime) -> Handed:
    grant, entitlement = admission.grant, admission.entitlement
    known = [h for h in standing.handed(entitlement.target, at) if h.entitlement == entitlement]
    good = [one for one in known if not one.ended]
    if good:
        return good[-1]
    if admission.window.ended(at):
        raise MissingError(
            f"{grant} ended at {format_instant(admission.window.closes)}", hint="`daypass request` asks for access anew"
        )
    if at < admission.window.start:
        raise MissingError(f"{grant} opens at {format_instant(admission.window.start)}", hint="come back then")
    if known:
        raise MissingError(f"{grant} was ended early", hint="`daypass audit history --grant` says by whom")
    if entitlement in standing.holdings:
        raise MissingError(
            f"{grant} hands nothing over: access at {entitlement.target} needs nothing of the kind",
            hint="use it as you always do",
        )
    raise MissingError(
        f"{grant} has not been given yet", hint="the next `daypass apply` gives it, or says why it does not"
    )


def find_serial(receipts: Iterable[Receipt], serial: int) -> tuple[Receipt, Outcome] | None:
    """Return the receipt that tells of a certificate with a serial number, and the outcome in it; None where none does.

    The number stands at the end of a certificate's line, after its key id.
    """
    for receipt in receipts:
        body = receipt.body
        if isinstance(body, Outcome) and any(line.endswith(f" {serial}") for line in body.handover.splitlines()):
            return receipt, body
    return None
