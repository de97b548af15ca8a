"""GitHub's pages as far as somebody sets up an App on them: forms to fill in, buttons to press, addresses one is sent to.

Who is signed in is told by a cookie, ``user_session``, that holds a token of theirs.
https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-using-url-parameters
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from html import escape
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

from github_double.auth import LEVELS
from github_double.registry import Refusal, Reply
from github_double.state import App, Call, Org, User

if TYPE_CHECKING:
    from github_double.double import Double

_NEW = re.compile(r"(?:/organizations/(?P<org>[^/]+))?/settings/apps/new")
_MADE = re.compile(r"(?:/organizations/(?P<org>[^/]+))?/settings/apps")
_KEYS = re.compile(r"(?:/organizations/(?P<org>[^/]+))?/settings/apps/(?P<slug>[^/]+)/keys")
_INSTALL = re.compile(r"/apps/(?P<slug>[^/]+)/installations/new")
_ORGANISATION = ("members",)
"""Permissions that are the organisation's: a person's App has no use for them, and GitHub takes them all the same."""


def serve(
    hub: Double, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> tuple[Reply, bytes] | None:
    """Answer a page, or None where the address is no page that is known here."""
    for pattern, pages in ((_NEW, _new), (_MADE, _made), (_KEYS, _keys), (_INSTALL, _install)):
        match = pattern.fullmatch(path)
        if match is None:
            continue
        asked = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
        form = parse_qs(body.decode(), keep_blank_values=True) if method == "POST" else {}
        with hub.lock:
            who = _signed_in(hub, headers)
            try:
                reply, text = pages(hub, who, match.groupdict(), asked, form, method)
            except Refusal as refusal:
                reply, text = refusal.reply, str(refusal.reply.body["message"])
            hub.calls.append(Call(method, path, reply.status, who.login if who else ""))
        reply.headers.setdefault("Content-Type", "text/html; charset=utf-8")
        return reply, text.encode()
    return None


def _signed_in(hub: Double, headers: dict[str, str]) -> User | None:
    lower = {name.lower(): text for name, text in headers.items()}
    session = SimpleCookie(lower.get("cookie", "")).get("user_session")
    token = hub.tokens.get(session.value) if session else None
    return token.user if token is not None and token.kind == "user" else None


def _owner(hub: Double, who: User | None, org: str | None) -> User:
    """The account that an App is to be of. Refuses who is not signed in (302 to the login), and who may not make one there."""
    if who is None:
        raise Refusal(401, "Sign in to GitHub")
    if org is None:
        return who
    found = hub.account(org)
    if not isinstance(found, Org) or found.members.get(who.id) != "admin":
        raise Refusal(404, "Not Found")
    return found


Form = dict[str, list[str]]
Page = Callable[["Double", "User | None", dict[str, "str | None"], dict[str, str], Form, str], tuple[Reply, str]]


def _new(
    hub: Double, who: User | None, names: dict[str, str | None], asked: dict[str, str], form: Form, method: str
) -> tuple[Reply, str]:
    """The form for a new App: filled in by a manifest that another page posted, or by the address."""
    owner = _owner(hub, who, names["org"])
    target = f"/organizations/{names['org']}/settings/apps" if names["org"] else "/settings/apps"
    if method == "POST":
        manifest = _manifest(form)
        hidden = {"manifest": json.dumps(manifest), "state": asked.get("state", "")}
        return Reply(200), _page(
            f"Create GitHub App for {owner.login}",
            target,
            hidden,
            {"name": manifest.get("name", "")},
            "Create GitHub App",
        )
    levels = {name: level for name, level in asked.items() if level in LEVELS}
    manifest = {
        "url": asked.get("url", ""), "default_permissions": levels, "public": asked.get("public", "true") != "false",
        "hook_attributes": {"url": "", "active": asked.get("webhook_active", "true") != "false"},
    }  # fmt: skip
    hidden = {"manifest": json.dumps(manifest), "state": ""}
    return Reply(200), _page(
        "Register new GitHub App", target, hidden, {"name": asked.get("name", "")}, "Create GitHub App"
    )


def _manifest(form: Form) -> dict[str, object]:
    try:
        found = json.loads((form.get("manifest") or [""])[0])
    except ValueError as error:
        raise Refusal(422, "Invalid manifest") from error
    if not isinstance(found, dict) or not found.get("url"):
        raise Refusal(422, "Invalid manifest: url is missing")
    hook = found.get("hook_attributes")
    if hook is not None and not hook.get("url"):
        raise Refusal(422, "Invalid manifest: hook_attributes.url is missing")
    unknown = [level for level in found.get("default_permissions", {}).values() if level not in LEVELS]
    if unknown:
        raise Refusal(422, f"Invalid manifest: default_permissions has {unknown[0]}")
    return found


def _made(
    hub: Double, who: User | None, names: dict[str, str | None], asked: dict[str, str], form: Form, method: str
) -> tuple[Reply, str]:
    """Make the App; by a manifest its maker is sent back with a code, else its own page is shown."""
    owner = _owner(hub, who, names["org"])
    manifest = json.loads(form["manifest"][0])
    name = form["name"][0]
    if any(app.slug == name for app in hub.apps.values()) or hub.account(name) is not None:
        raise Refusal(422, "Name is already taken")
    if manifest.get("public", True) is False and len(name) > 34:
        raise Refusal(422, "Name is too long (maximum is 34 characters)")
    app = hub.app(name, permissions=dict(manifest.get("default_permissions", {})), repositories=[])
    app.owner, app.uninstalled = owner, True
    back = manifest.get("redirect_url")
    if not back:
        return Reply(200), f"<p>App ID: {app.id}</p>" + _page(
            name, f"{_place(names)}/{name}/keys", {}, {}, "Generate a private key"
        )
    code = secrets.token_hex(20)
    hub.extras.setdefault("manifest_codes", {})[code] = (app, hub.now())
    told = {"code": code, **({"state": form["state"][0]} if form["state"][0] else {})}
    return Reply(302, headers={"Location": f"{back}{'&' if urlsplit(back).query else '?'}{urlencode(told)}"}), ""


def _place(names: dict[str, str | None]) -> str:
    return f"/organizations/{names['org']}/settings/apps" if names["org"] else "/settings/apps"


def _keys(
    hub: Double, who: User | None, names: dict[str, str | None], asked: dict[str, str], form: Form, method: str
) -> tuple[Reply, str]:
    """The private key comes down as a file."""
    _owner(hub, who, names["org"])
    found = next(app for app in hub.apps.values() if app.slug == names["slug"])
    return Reply(200, headers={"Content-Type": "application/x-pem-file"}), found.private_key


def _install(
    hub: Double, who: User | None, names: dict[str, str | None], asked: dict[str, str], form: Form, method: str
) -> tuple[Reply, str]:
    """Choose repositories and install; a private App can be installed by its owner alone."""
    found = next((app for app in hub.apps.values() if app.slug == names["slug"]), None)
    if found is None or who is None:
        raise Refusal(404, "Not Found")
    owner = _owner(hub, who, found.owner.login if isinstance(found.owner, Org) else None)
    if method == "GET":
        return Reply(200), _page(
            f"Install {found.slug}", f"/apps/{found.slug}/installations/new", {}, {"repository": ""}, "Install"
        )
    wanted = [f"{owner.login}/{name}" for name in form.get("repository", []) if name]
    every = [repo.full_name for repo in hub.repositories.values() if repo.owner is owner]
    _installed(hub, found, wanted or every, everything=not wanted)
    page = f"{hub.server_url}/settings/installations/{found.installation}"
    return Reply(200), f'<p>Installed: <a href="{page}">{found.slug}</a></p>'


def _installed(hub: Double, app: App, names: list[str], *, everything: bool) -> None:
    app.uninstalled = False
    app.repositories[:] = names
    app.everywhere = everything


def _page(title: str, action: str, hidden: dict[str, str], fields: dict[str, object], button: str) -> str:
    inputs = [f'<input type="hidden" name="{name}" value="{escape(text)}">' for name, text in hidden.items()]
    inputs += [f'<input type="text" name="{name}" value="{escape(str(text))}">' for name, text in fields.items()]
    body = f'<form method="post" action="{action}">{"".join(inputs)}<button type="submit">{button}</button></form>'
    return f"<!DOCTYPE html><title>{escape(title)}</title><h1>{escape(title)}</h1>{body}"
