"""A branch and main that were merged across each other: what a request changes could be told in several ways."""

from __future__ import annotations

from siege import merge_by_hand

from hub import REPOSITORY, Hub, git

_RULES = "policies/rules/access.yaml"
_TIGHT = "at_least: 2, from: owners"


def test_a_request_that_was_merged_across_main_takes_no_policy_back(hub: Hub) -> None:
    """Main tightens its rules on a branch, merged with a merge commit. A request that merges the tip of that branch
    and main from before, keeping the old rules, shows no change of rules against one of their two common ancestors."""
    old = (hub.clone("alice") / _RULES).read_text(encoding="utf-8")
    before = hub.push_branch("carol", "tight", {_RULES: old.replace("at_least: 1, from: owners", _TIGHT)})
    sent = {"title": "Tighten", "head": "tight", "base": "main", "body": ""}
    change = int(hub.api("olga", "POST", f"/repos/{REPOSITORY}/pulls", sent)["number"])
    other = hub.request_pull("carol", "", files={"docs/notes.md": "something else"})
    merge_by_hand(hub, other)
    side = hub.head()
    merge_by_hand(hub, change, method="merge")
    assert _TIGHT in hub.bare("show", f"main:{_RULES}")

    folder = hub.clone("alice")
    git(folder, "fetch", "-q", "origin")
    made = []
    for first, second in ((side, before), (before, side)):
        git(folder, "checkout", "-q", "-B", f"crossed-{len(made)}", side)
        (folder / "grants/staging").mkdir(parents=True, exist_ok=True)
        (folder / "grants/staging/mine.yaml").write_text(hub.grant(resource="staging", role="deploy"), encoding="utf-8")
        git(folder, "add", "-A")
        tree = git(folder, "write-tree")
        commit = git(folder, "commit-tree", "-p", first, "-p", second, "-m", "Ask for access", tree)
        git(folder, "push", "-q", "origin", f"{commit}:refs/heads/crossed-{len(made)}")
        git(folder, "reset", "-q", "--hard")
        git(folder, "checkout", "-q", "main")
        sent = {"title": "Access", "head": f"crossed-{len(made)}", "base": "main", "body": ""}
        made.append(int(hub.api("alice", "POST", f"/repos/{REPOSITORY}/pulls", sent)["number"]))
    for number in made:
        hub.run("gate", str(number), expect=None)
    assert _TIGHT in hub.bare("show", f"main:{_RULES}"), "the rules are as tight as they were"
