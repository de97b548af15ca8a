"""The App: made by its manifest, its key straight into the environment, its account into main's settings; then installed.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import quote

from msgspec import Struct

from daypass.core.errors import EdgeError, UsageError
from daypass.core.finding import shown
from daypass.core.policy.policies import SETTINGS
from daypass.edges.forges.github.answers import ApiError, Fields
from daypass.edges.forges.github.founding.ground import Ground, GroundStep
from daypass.edges.forges.github.founding.manifest import LoopbackPage, app_name, filled_in, manifest, permissions
from daypass.edges.forges.github.founding.sealed import (
    key_in,
    put_secret,
    put_variable,
    refuse_taken,
    secrets_there,
    variables_there,
    write_key,
)
from daypass.edges.forges.github.setup import with_bot

APP_ID, APP_KEY, INSTALLATION = "DAYPASS_APP_ID", "DAYPASS_APP_KEY", "DAYPASS_APP_INSTALLATION"


class MadeApp(Struct, frozen=True):
    """An App that was just made, as GitHub tells of it once. Shows no key."""

    number: int
    slug: str
    key: str

    def __repr__(self) -> str:
        return f"MadeApp({self.number}, {self.slug!r})"


class AppStep(GroundStep):
    """Make the App, and keep its key where main's workflows alone read it."""

    name = "GitHub App"

    def __init__(self, ground: Ground, *, browser: bool) -> None:
        super().__init__(ground)
        self._browser = browser

    def look(self) -> str:
        """Return the App that main names, whose key the environment has."""
        ground = self._ground
        if ground.repository_there() is None or ground.bot is None or APP_KEY not in secrets_there(ground.api):
            return ""
        number = variables_there(ground.api).get(APP_ID, "")
        if not number or number != (self._pinned() or number):
            return ""
        self._say_untold()
        return f"{ground.slug}, its key in the environment"

    def _pinned(self) -> str:
        """Return the App's number as main's settings have it, "" where they have none."""
        return str(self._ground.policy.catalogue.settings.forge_options.get("app", ""))

    def _say_untold(self) -> None:
        """Say that the key which is kept cannot be written to a file as well."""
        ground, file = self._ground, self._ground.place.app_key_file
        if file and not file.exists():
            ground.talk.tell(
                f"nothing is written to {file}: GitHub tells the key once, when the App is made, and this App is there; "
                f"another key of it can be made on its page ({ground.account_page}/apps)"
            )

    def say(self) -> list[str]:
        """Tell what it may do, and where its key goes."""
        ground = self._ground
        owned = permissions(organisation=ground.organisation)
        allowed = ", ".join(f"{name}: {level}" for name, level in owned.items())
        named = (
            f"make anew what is lost of {ground.slug}"
            if ground.bot
            else f"make {app_name(ground.owner)}, of {ground.owner}"
        )
        kept = f" and to {ground.place.app_key_file}" if ground.place.app_key_file else ", and to no disk"
        return [
            f"{named} ({allowed})",
            f"its key goes into the environment's secret {APP_KEY}{kept}",
            f"main's settings name its account ({SETTINGS}, committed here)",
        ]

    def do(self) -> str:
        """Have it made in the browser, or by hand, and keep what comes back."""
        ground = self._ground
        ground.follow()
        slug = self._kept()
        if slug:
            self._say_untold()
        else:
            if ground.place.app_key_file:
                refuse_taken(ground.place.app_key_file)
            made = (self._by_manifest() if self._browser else None) or self._by_hand()
            self._keep(made)
            slug = made.slug
        path = f"/users/{quote(slug)}%5Bbot%5D"
        ground.until(
            lambda: "there" if ground.api.find(path) else "", what=f"GitHub shows no account of {slug}", seconds=60
        )
        bot = Fields("the App's account", ground.api.get(path))
        place = ground.place.top / SETTINGS
        text, number = place.read_text(encoding="utf-8"), int(variables_there(ground.api)[APP_ID])
        changed = with_bot(text, ground.repository, bot.text("login"), bot.number("id"), number)
        ground.commit(f"Name the App {slug} and its account", {SETTINGS: changed})
        return f"{slug} (id {number}, account {bot.number('id')})"

    def _keep(self, made: MadeApp) -> None:
        """Keep the key at once: GitHub tells it only now. Its number is public, and found again."""
        ground = self._ground
        try:
            put_secret(ground.api, APP_KEY, made.key)
        except EdgeError as error:
            if APP_KEY not in secrets_there(ground.api):  # which it was not before: the answer alone may be lost
                raise self._keyless(made.slug, error) from error
        put_variable(ground.api, APP_ID, str(made.number))
        ground.app_key = made.key
        if ground.place.app_key_file:
            write_key(ground.place.app_key_file, made.key)

    def _keyless(self, slug: str, error: EdgeError) -> EdgeError:
        return EdgeError(
            f"an App was made, and its key is kept nowhere: {error.message}",
            hint=f"delete it ({self._deletion(slug)}), and run the command again",
        )

    def _deletion(self, slug: str) -> str:
        """Return the page that deletes an App, that of all where its name is not known: another's is in use."""
        return f"{self._ground.account_page}/apps{f'/{slug}/advanced' if slug else ''}"

    def _kept(self) -> str:
        """Return the name of an App whose key an earlier run kept before it stopped, "" where there is none.

        Its number may be lost. That an App has the usual name proves nothing: its owner may have one for another repository.
        """
        ground = self._ground
        if APP_KEY not in secrets_there(ground.api):
            return ""
        number = variables_there(ground.api).get(APP_ID, "")
        if number and ground.slug:
            found = self._owned(ground.slug) if number != (self._pinned() or number) else None
            if found is not None and self._pinned() == str(found.number("id")):  # else it was made anew, by this name
                put_variable(ground.api, APP_ID, self._pinned())
            return ground.slug
        found = self._owned(ground.slug or app_name(ground.owner)) if number or ground.slug else None
        if found is None or number not in ("", str(found.number("id"))):
            named = f"App {number}" if number else "App"
            slug = ground.talk.ask(
                f"The name in its address of the {named}, whose key is kept (…/apps/NAME)", False
            ).strip()
            found = self._owned(slug)
            if found is None:
                raise UsageError(f"{ground.owner} has no App {shown(slug)}")
        if number not in ("", str(found.number("id"))):
            raise UsageError(
                f"{found.text('slug')} is the App {found.number('id')}, and the key that is kept is of {number}"
            )
        if not number:
            put_variable(ground.api, APP_ID, str(found.number("id")))
        return found.text("slug")

    def _owned(self, slug: str) -> Fields | None:
        """Return an App of the owner's, None where they have none of that name."""
        answer = self._ground.api.find(f"/apps/{quote(slug, safe='')}")
        found = Fields("the App", answer) if answer is not None else None
        return found if found and found.text("owner.login").lower() == self._ground.owner.lower() else None

    def _by_manifest(self) -> MadeApp | None:
        """Post the manifest from a page of this machine; None where no browser opens."""
        ground, name = self._ground, app_name(self._ground.owner)
        taken = self._owned(name) is not None
        if taken:
            ground.talk.tell(
                f"{name} is there already. If its key is kept nowhere, delete it first ({self._deletion(name)}); "
                "if another repository uses it, choose another name"
            )
        with LoopbackPage(ground.account_page) as page:
            page.manifest = manifest(ground.owner, ground.page, page.back, organisation=ground.organisation)
            ground.talk.tell(f"In the browser: Continue, then Create GitHub App. If none opened: {page.url}")
            if not ground.talk.browse(page.url):
                return None
            code = ground.until(lambda: page.code, what="no App was made", seconds=600, pause=1)
        try:
            found = Fields("the App", ground.api.send("POST", f"/app-manifests/{code}/conversions", safe=True))
            made, owner = MadeApp(found.number("id"), found.text("slug"), found.text("pem")), found.text("owner.login")
            ground.api.acting_as(str(made.number), made.key)
        except EdgeError as error:
            raise self._keyless("" if taken else name, error) from error
        if owner.lower() != ground.owner.lower():
            raise EdgeError(
                f"the App {shown(made.slug)} was made for {shown(owner)}, not for {ground.owner}",
                hint="delete it there, and run the command again",
            )
        return made

    def _by_hand(self) -> MadeApp:
        """Where the browser is elsewhere: print the address whose form is filled in, and ask for what comes of it."""
        ground = self._ground
        address = filled_in(ground.account_page, ground.owner, ground.page, organisation=ground.organisation)
        ground.talk.tell("Open this where you are signed in, then Create GitHub App, then Generate a private key:")
        ground.talk.tell(address)
        name = app_name(ground.owner)
        if self._owned(name) is not None:
            ground.talk.tell(
                f"{name} is there already. If it was made for {ground.repository}, Generate a private key on its page "
                f"({ground.account_page}/apps/{name}); if another repository uses it, choose another name"
            )
        slug = ground.talk.ask("The App's name in its address (…/apps/NAME)", False).strip()
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug):
            raise UsageError(
                f"{slug!r} is no name of an App", hint=f"what stands last in the address of its page, as in {name}"
            )
        key = key_in(ground.talk.ask("The file of its private key", False))
        found = self._owned(slug)
        if found is None:
            raise UsageError(f"{ground.owner} has no App {shown(slug)}")
        try:
            ground.api.acting_as(str(found.number("id")), key).own_app()
        except ApiError as error:
            if error.status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):
                raise
            hint = f"Generate a private key on its page ({ground.account_page}/apps/{slug}), and run the command again"
            raise EdgeError(f"GitHub takes this key for none of the App {slug}: {error.said}", hint=hint) from error
        return MadeApp(found.number("id"), slug, key)


class InstallationStep(GroundStep):
    """Have the App installed on this repository alone."""

    name = "installation"

    def __init__(self, ground: Ground, *, browser: bool) -> None:
        super().__init__(ground)
        self._browser = browser
        self._said = ""
        self._number = 0

    def look(self) -> str:
        """Return where it is installed, once its number is kept as well, as far as that is shown."""
        where = self._installed()
        return where if where and self._kept() else ""

    def _kept(self) -> bool:
        return not self._number or variables_there(self._ground.api).get(INSTALLATION) == str(self._number)

    def _installed(self) -> str:
        """Ask by the App's own key where this run has it, else the organisation."""
        ground = self._ground
        if ground.bot is None or ground.repository_there() is None:
            return ""
        where = self._by_key() if ground.app_key else self._by_owner()
        if where is None:
            return ""
        chosen, names = where
        if chosen == "all" or (names and {name.lower() for name in names} != {ground.repository.lower()}):
            self._warn(
                "it is installed on more than this repository, so that its key opens them all: choose this one alone"
            )
            return ""
        if not chosen:
            return f"{ground.slug}, not looked at: GitHub shows where it is installed to itself and to owners alone"
        return f"{ground.slug} on {ground.repository} alone" if names else f"{ground.slug} on selected repositories"

    def _warn(self, text: str) -> None:
        if text != self._said:
            self._ground.talk.tell(text)
        self._said = text

    def _by_key(self) -> tuple[str, list[str]] | None:
        """https://docs.github.com/en/rest/apps/installations#list-repositories-accessible-to-the-app-installation."""
        ground = self._ground
        number = variables_there(ground.api)[APP_ID]
        app = ground.api.acting_as(number, ground.app_key)
        try:
            found = Fields("the installation", app.own_installation())
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        if self._suspended(found):
            return None
        self._number = found.number("id")
        app = ground.api.acting_as(number, ground.app_key, whole=True)
        rows = app.pages("/installation/repositories", key="repositories")
        return found.text("repository_selection"), [Fields("a repository", row).text("full_name") for row in rows]

    def _suspended(self, found: Fields) -> bool:
        if found.data.get("suspended_at"):
            self._warn(f"its installation is suspended: Unsuspend it ({self._ground.account_page}/installations)")
            return True
        return False

    def _by_owner(self) -> tuple[str, list[str]] | None:
        """Ask as an owner of the organisation, "" where GitHub does not say.

        What a person has installed is shown to nobody: that its number is kept says that it was.
        https://docs.github.com/en/rest/orgs/orgs#list-app-installations-for-an-organization
        """
        ground = self._ground
        if not ground.organisation:
            return ("", []) if self._number or INSTALLATION in variables_there(ground.api) else None
        try:
            rows = ground.api.pages(f"/orgs/{ground.owner}/installations", key="installations")
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return "", []
        found = [Fields("an installation", row) for row in rows]
        ours = [one for one in found if one.text("app_slug") == ground.slug]
        if not ours or self._suspended(ours[0]):
            return None
        self._number = ours[0].number("id")
        return ours[0].text("repository_selection"), []

    def asks(self) -> bool:
        """Say whether its number is asked for: of a person's, where this run has no key of the App."""
        ground = self._ground
        return not ground.app_key and ground.bot is not None and not ground.organisation and not self._installed()

    def say(self) -> list[str]:
        """Tell what to choose."""
        kept = f"keep its number in the variable {INSTALLATION}, which saves each run a call"
        if self._installed():
            return [kept]
        return [f"open its installation page, and wait until it is installed on {self._ground.repository} alone", kept]

    def do(self) -> str:
        """Open the page and wait, where it is not installed yet; then keep its number."""
        ground = self._ground
        said = self._installed()
        if not said:
            address = f"{ground.server}/apps/{ground.slug}/installations/new"
            ground.talk.tell(f"In the browser: Only select repositories, {ground.name}, Install: {address}")
            if self._browser:
                ground.talk.browse(address)
            if self.asks():
                number = ground.talk.ask("The number at the end of the address of its installation", False).strip()
                if not re.fullmatch(r"[1-9][0-9]{0,17}", number):
                    raise UsageError(f"{number!r} is no number of an installation")
                self._number = int(number)
            said = ground.until(self._installed, what="the App was not installed", seconds=600, pause=3)
        if not self._kept():
            put_variable(ground.api, INSTALLATION, str(self._number))
        return said
