"""A double of GitHub for tests: the endpoints daypass uses, over real bare repositories, behaving as GitHub documents.

    with Double(tmp_path) as hub:
        hub.url          # GITHUB_API_URL
        hub.server_url   # GITHUB_SERVER_URL; clones come from {server_url}/{owner}/{name}.git

`double` is what tests hold; `rest/` has the endpoints, one decorated function each (a new module there is found by
itself); `state` has the records; `faults` the dials. Every merge, every test merge and every rule about commits is
worked out by git itself.
"""

from github_double.double import Double
from github_double.state import App, Bypass, Call, Event, Org, Repo, Rule, Ruleset, Team, User

__all__ = ["App", "Bypass", "Call", "Double", "Event", "Org", "Repo", "Rule", "Ruleset", "Team", "User"]
