"""What the language of policies refuses, as a stranger reads it on the command line: place, reason and hint of each."""

from __future__ import annotations

import pytest

from driver import Access

AT = "2026-11-20T10:00:00Z"
PEOPLE = "policies/directory/people.yaml"
INCIDENT = "policies/purposes/incident.yaml"
MORE = "policies/rules/more.yaml"
PAGER = "policies/rotas/pager.yaml"
OFFICE = "policies/calendars/office.yaml"
HOURS = "version: 1\ntitle: Office\nzone: Europe/Berlin\ndays: [2026-12-01..2026-12-20]\n"

Files = dict[str, str | tuple[str, str]]


def rules(*each: str) -> str:
    return "version: 1\nrules:\n" + "".join(f"  - {{{one}}}\n" for one in each)


def rota(*lines: str) -> str:
    return "version: 1\nzone: Europe/Berlin\n" + "".join(f"{line}\n" for line in lines)


def override(person: str, start: str, until: str) -> str:
    return f"  - {{person: {person}, from: 2026-11-{start}T08:00:00Z, until: 2026-11-{until}T08:00:00Z}}"


def write(access: Access, files: Files) -> None:
    """Write files; two texts change a file that is there: the first, once in it, becomes the second."""
    for path, text in files.items():
        if isinstance(text, str):
            access.write(path, text)
        else:
            before = (access.top / path).read_text(encoding="utf-8")
            assert text[0] in before
            access.write(path, before.replace(*text, 1))


FAULTS: dict[str, tuple[Files, str]] = {
    "a manager circle": (
        {PEOPLE: ("email: bob@example.com", "email: bob@example.com, manager: alice")},
        f"{PEOPLE}:4:63: error: alice is below bob is below alice: they are managers in a circle [manager-circle]\n"
        "  hint: take one manager out\n",
    ),
    "a chain whose order is a circle": (
        {
            MORE: rules(
                "id: a, when: 'true', require: [{approvals: {at_least: 1, from: owners}, after: 'person:erin'}]",
                "id: b, when: 'true', require: [{approvals: {at_least: 1, from: 'person:erin'}, after: owners}]",
            )
        },
        f"{MORE}:3:85: error: the order of approvals is a circle: owners, then person:erin, then owners [chain-circle]\n"
        "  hint: take out one `after` of it; what asks one source is one stage, whichever rules ask it\n",
    ),
    "a rota with a gap": (
        {PAGER: rota("overrides:", override("bob", "20", "21"), override("carol", "22", "23"))},
        f"{PAGER}:4:3: error: nobody is on call from 2026-11-21T08:00:00Z until 2026-11-22T08:00:00Z [rota-gap]\n"
        "  hint: add who is, or turns that fill it\n",
    ),
    "a rota whose people leave": (
        {
            PAGER: rota("since: 2026-11-02", "turns: [bob, carol]"),
            PEOPLE: ("email: carol@example.com", "email: carol@example.com, until: 2026-12-10"),
        },
        f"{PAGER}: warning: carol takes turns, and is engaged until 2026-12-10T00:00:00Z: nobody is on call in those after "
        "that [rota-gap]\n  hint: take them out of turns by then, or put somebody else in their place\n",
    ),
    "a rota with two people by mistake": (
        {PAGER: rota("overrides:", override("bob", "20", "22"), override("carol", "21", "23"))},
        f"{PAGER}:4:3: error: bob and carol are both put on call from 2026-11-21T08:00:00Z on [rota-overlap]\n"
        "  hint: end the one when the other begins\n",
    ),
    "a rule that reads a field which its purpose does not define": (
        {
            INCIDENT: "version: 1\nfields:\n  due: {kind: moment}\nrules:\n"
            "  - {id: late, when: 'details.duee < request.opened_at', deny: true}\n"
        },
        f"{INCIDENT}:5:23: error: there is no variable or function 'details.duee' [condition-invalid]\n"
        "  hint: did you mean details.due?\n",
    ),
    "a rule of no purpose that reads a field": (
        {MORE: rules("id: late, when: 'details.due < request.opened_at', deny: true")},
        f"{MORE}:3:23: error: there is no variable or function 'details.due' [condition-invalid]\n"
        "  hint: only a rule in a purpose's own file reads the details that the purpose asks for\n",
    ),
    "a purpose whose limit contradicts the roles'": (
        {INCIDENT: "version: 1\nmax_duration: 20d\n"},
        f"{INCIDENT}: error: purpose incident allows 20d, and no role more than 1d [purpose-out-of-reach]\n"
        "  hint: write at most 1d\n",
    ),
    "an agent without a sponsor": (
        {PEOPLE: ("groups:\n", "workloads:\n  robot: {title: Robot, kind: agent, owners: [dba]}\ngroups:\n")},
        f"{PEOPLE}:11:10: error: agent robot has no sponsor: a person answers for what it does, and is asked "
        "[agent-without-sponsor]\n  hint: add sponsor: HANDLE\n",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_of_policies_is_told_at_its_place_with_why_and_what_to_do(access: Access, what: str) -> None:
    files, expected = FAULTS[what]
    write(access, files)
    assert expected in access.run("check", "--at", AT, expect=10 if ": error: " in expected else 0).out


@pytest.fixture
def full(access: Access) -> Access:
    """The example with a calendar that runs out, a rota on which nobody is now, and an emergency for who is on call."""
    write(
        access,
        {
            OFFICE: HOURS,
            PAGER: rota("overrides:", override("bob", "01", "02")),
            MORE: rules("id: pager, when: 'grant.role == \"admin\"', require: [{approvals: {at_least: 1, from: 'on-call:pager'}}]"),
            INCIDENT: "version: 1\nemergency: true\nasked_by: ['on-call:pager']\n",
            "policies/purposes/upkeep.yaml": "version: 1\nticket: {pattern: 'CHG-[0-9]+'}\nfields:\n  steps: {kind: number}\n",
            PEOPLE: ("agreement: {from: 2026-01-01, until: 2036-12-31}", "agreement: {from: 2026-01-01, until: 2026-11-20T12:00:00Z}"),
            "policies/daypass.yaml": ("limits: {", "limits: {ask_for_others: [manager, owners], "),
        },
    )  # fmt: skip
    write(
        access, {PEOPLE: ("groups:\n", f"workloads:\n  ci: {{title: CI, owners: [dba], claims: {CLAIMS}}}\ngroups:\n")}
    )
    access.commit("All of it")
    return access


CLAIMS = "{issuer: 'https://token.example', subject: 'repo:a/b'}"
MANY = ", ".join(f"Mon-Sun {hour:02}:00-{hour + 1:02}:00" for hour in range(6, 20, 2))


ASKED: dict[str, tuple[str, str, int, str]] = {
    "an agreement that lapses in the middle of the window": (
        "bob",
        "--for 4h --subject frank --purpose vendor-support --ticket T-1 --detail host=bob --detail task=Help",
        11,
        "the agreement with helpdesk, frank's vendor, holds until 2026-11-20T12:00:00Z, but access would last until "
        "2026-11-20T14:00:00Z: the grant would turn invalid on 2026-11-20\n"
        "  hint: end the window by 2026-11-20T12:00:00Z\n",
    ),
    "a source that is empty at the instant of the request": (
        "alice",
        "--for 1h --role admin",
        11,
        "nobody can give the approval from on-call:pager: by rota pager nobody is on call at 2026-11-20T10:00:00Z\n"
        "  hint: put somebody on call in policies/rotas/pager.yaml, or name a further source\n",
    ),
    "a recurring window over the hour that summer time skips": (
        "alice",
        "--from 2027-03-01 --until 2027-04-10 --zone Europe/Berlin --hours Sun_02:30-04:00",
        2,
        "daypass: no clock in Europe/Berlin shows 02:30 on 2027-03-28, when summer time begins\n"
        "  hint: choose hours that begin and end outside of the hour that is skipped\n",
    ),
    "a recurring window without an end": (
        "alice",
        "--from 2027-03-01 --zone Europe/Berlin --hours Sun_02:30-04:00",
        2,
        "daypass: a window needs an end: add --until\n  hint: or ask for a duration with --for\n",
    ),
    "a recurring window of more than 500 intervals": (
        "alice",
        f"--from 2026-12-01 --until 2027-02-20 --zone Europe/Berlin --hours {MANY.replace(' ', '_')}",
        2,
        "daypass: the window has 567 intervals, more than 500\n  hint: ask until an earlier day, and again later\n",
    ),
    "a calendar that runs out": (
        "alice",
        "--from 2026-12-15 --until 2027-01-20 --zone Europe/Berlin --calendar office",
        11,
        "calendar office says nothing about 2027\n"
        "  hint: add that year's days to the calendar, or the year to its years where it has none; ask again then\n",
    ),
    "an emergency by somebody who may not": (
        "alice",
        "--for 1h --purpose incident",
        11,
        "alice may not ask for purpose incident\n"
        "  hint: on-call:pager may; have one of them ask, or choose another purpose\n",
    ),
    "a field that its purpose does not have": (
        "alice",
        "--for 1h --purpose upkeep --ticket CHG-1 --detail stepps=3",
        2,
        "daypass: purpose upkeep has no field 'stepps'\n  hint: did you mean steps?\n",
    ),
    "a field of another type": (
        "alice",
        "--for 1h --purpose upkeep --ticket CHG-1 --detail steps=many",
        11,
        "details.steps: expected a whole number, got 'many'\n  hint: write for example 25\n",
    ),
    "a case number in another form": (
        "alice",
        "--for 1h --purpose upkeep --ticket DSR-12",
        11,
        "ticket 'DSR-12' is not of the form that purpose upkeep asks for\n  hint: write it as CHG-[0-9]+\n",
    ),
    "asking for others without standing": (
        "alice",
        "--for 1h --subject bob",
        11,
        "alice asks for access of bob, and limits.ask_for_others leaves that to manager or owners\n"
        "  hint: let bob ask, or one of these\n",
    ),
    "claims at a target that cannot bind them": (
        "bob",
        "--for 1h --subject ci",
        11,
        "ci is known by claims of its token (issuer, subject), and target embedded (kind embedded) checks none: nobody would "
        "look at them\n  hint: ask for access at a target that checks claims, or say who it is by identities and take claims out\n",
    ),
}


@pytest.mark.parametrize("what", ASKED)
def test_a_request_that_is_refused_says_why_and_what_would_do(full: Access, what: str) -> None:
    acting, options, code, expected = ASKED[what]
    more = [option.replace("_", " ") if ":" in option else option for option in options.split()]
    role = "admin" if "admin" in more else "readonly"
    asked = (
        "request",
        "--resource",
        "orders-db",
        "--role",
        role,
        "--reason",
        "a reason that is long enough",
        "--at",
        AT,
    )
    said = full.run(*asked, *more, acting=acting, expect=code).err
    assert expected in said
    assert code != 11 or said.startswith("daypass: policy denies ")


def test_junk_requests_for_somebodys_access_lock_nobody_out(access: Access) -> None:
    counting = rules(
        "id: often, when: 'requester.denials > 1', deny: true",
        "id: many, when: 'subject.live_grants > 1', deny: true",
    )
    access.write(MORE, counting)
    access.commit("Count")
    for minute in range(3):
        at = f"2026-11-20T10:0{minute}:00Z"
        junk = access.ask(at, "--subject", "alice", acting="carol")
        access.run("reject", junk, "--reason", "alice did not ask for it", "--at", at, acting="bob")
    access.run("expire", "--at", "2026-11-20T10:04:00Z")
    mine = access.ask("2026-11-20T10:05:00Z")
    for who in ("bob", "dave"):
        access.run("approve", mine, "--at", "2026-11-20T10:06:00Z", acting=who)
    assert "merged as" in access.run("gate", mine, "--at", "2026-11-20T10:07:00Z").out
    assert "window opened" in access.run("apply", "--at", "2026-11-20T10:08:00Z").out
    again = access.ask("2026-11-20T10:09:00Z", resource="staging", role="deploy", acting="carol")
    assert "often" in access.run("gate", again, "--at", "2026-11-20T10:10:00Z", expect=11).out
