"""The runner itself, with small workflows: what starts when, whose code runs, and with which rights."""

from __future__ import annotations

from pathlib import Path

from runner import Runner

from hub import Hub

_HEAD = "permissions: {}\njobs:\n  one:\n    runs-on: ubuntu-24.04\n"
_PUSHED = (
    "name: pushed\non: {push: {branches: [main]}, schedule: [{cron: '7 * * * *'}], workflow_dispatch: {}}\n" + _HEAD
    + """    environment: daypass
    permissions: {contents: read}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with: {ref: main, persist-credentials: false, fetch-depth: 0}
      - run: |
          git log --oneline | head -3
          "$DAYPASS_HOME/bin/daypass" check
          echo "key of ${#KEY} letters in $GITHUB_REPOSITORY at $REF"
          echo done >>"$GITHUB_STEP_SUMMARY"
        env: {KEY: "${{ secrets.DAYPASS_LEDGER_KEY }}", REF: "${{ github.ref }}"}
"""
)  # fmt: skip
_AFTER = (
    "name: after\non: {workflow_run: {workflows: [pushed], types: [completed]}}\n" + _HEAD
    + '    steps:\n      - run: echo "after ${{ github.event.workflow_run.conclusion }} <${{ secrets.DAYPASS_LEDGER_KEY }}>"\n'
)  # fmt: skip


def _with(*files: tuple[str, str]) -> dict[str, str]:
    return {f".github/workflows/{name}.yml": text for name, text in files}


def test_a_push_to_main_runs_with_the_secrets_of_main_and_wakes_what_waits_for_it(tmp_path: Path) -> None:
    with Hub(tmp_path, protected=False, files=_with(("pushed", _PUSHED), ("after", _AFTER))) as hub:
        runner = Runner(hub)
        runner.only = {"pushed", "after"}
        assert runner.settle() == []
        hub.push_branch("olga", "main", {"README.md": "Access for acme.\n"})
        runs = runner.settle()
        assert [(run.name, run.conclusion) for run in runs] == [("pushed", "success"), ("after", "success")], runs[
            0
        ].log
        assert f"key of {len(hub.ledger_key)} letters in acme/access at refs/heads/main" in runs[0].log
        assert "after success <>" in runs[1].log
        (spent,) = runner.spent()
        assert (spent.words, spent.code) == ("check", 0)
        assert 0.05 < spent.seconds < 10
