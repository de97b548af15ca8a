"""GitHub Apps and their installations: https://docs.github.com/en/rest/apps."""

from __future__ import annotations

from github_double import bodies
from github_double.registry import Refusal, Reply, Request, not_found, ok, paged, route
from github_double.shapes import repository
from github_double.state import App


def _own(request: Request) -> App:
    app = request.token.app
    assert app is not None, "only an App's own token gets here"
    return app


@route("GET", "/app", auth="jwt")
def me(request: Request) -> Reply:
    """https://docs.github.com/en/rest/apps/apps#get-the-authenticated-app."""
    return ok({**bodies.app(request.hub, _own(request)), "installations_count": 0 if _own(request).uninstalled else 1})


@route("GET", "/app/installations/{installation}", auth="jwt")
def installation(request: Request) -> Reply:
    """https://docs.github.com/en/rest/apps/apps#get-an-installation-for-the-authenticated-app."""
    app = _own(request)
    if app.uninstalled or app.installation != request.integer("installation"):
        raise not_found()
    return ok(bodies.installation(request.hub, app))


@route("GET", "/repos/{owner}/{repo}/installation", auth="jwt")
def of_repository(request: Request) -> Reply:
    """404 where the App is not installed: https://docs.github.com/en/rest/apps/apps#get-a-repository-installation-for-the-authenticated-app."""
    if _own(request).uninstalled:
        raise not_found()
    return ok(bodies.installation(request.hub, _own(request)))


@route("GET", "/installation/repositories", permission="metadata:read")
def repositories(request: Request) -> Reply:
    """https://docs.github.com/en/rest/apps/installations#list-repositories-accessible-to-the-app-installation."""
    token, hub = request.token, request.hub
    if token.kind not in {"app", "actions"}:
        raise Refusal(
            403,
            "You must authenticate with an installation access token in order to list repositories for an installation.",
        )
    found = [repo for name in token.repositories or [] if (repo := hub.find(name)) is not None]
    reply = paged(request, found, lambda repo: repository(hub, repo), key="repositories")
    reply.body["repository_selection"] = "selected"
    return reply


@route("GET", "/apps/{slug}", auth="anyone")
def by_slug(request: Request) -> Reply:
    """https://docs.github.com/en/rest/apps/apps#get-an-app."""
    hub, slug = request.hub, request.params["slug"]
    every = [hub.actions_app, *hub.apps.values()]
    found = next((app for app in every if app.slug == slug), None)
    if found is None:
        raise not_found()
    return ok(bodies.app(hub, found))
