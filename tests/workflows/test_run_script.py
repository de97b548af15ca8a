"""The script that every workflow calls: it fetches a proposal as objects, installs daypass once and runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kept import TOP

from copies import copy, once, pack
from driver import Access
from repositories import commit_each, identify_everywhere

HOME = Path(sys.prefix)
GRANT = """\
version: 1
subject: alice
resource: staging
role: deploy
reason: Trying the fix for the duplicate charges.
window: {duration: 1h}
"""
AS_GITHUB = """
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[uploadpackfilter]
	allow = false
[uploadpackfilter "blob:none"]
	allow = true
[uploadpackfilter "blob:limit"]
	allow = true
[uploadpackfilter "tree"]
	allow = true
	maxDepth = 0
"""
"""What GitHub's servers let themselves be asked for."""


@dataclass
class Runner:
    """A runner's clone, and the script in it."""

    top: Path

    def run(
        self, *arguments: str, expect: int | None = 0, **environment: str | None
    ) -> subprocess.CompletedProcess[str]:
        known: dict[str, str | None] = {**os.environ, "DAYPASS_HOME": str(HOME), **environment}
        known.pop("GITHUB_REPOSITORY", None)
        done = subprocess.run(
            ["bash", ".github/daypass/run", *arguments],
            cwd=self.top,
            env={key: value for key, value in known.items() if value is not None},
            capture_output=True,
            text=True,
            check=False,
        )
        assert expect is None or done.returncode == expect, done.stdout + done.stderr
        return done

    def git(self, *arguments: str) -> str:
        return Access(self.top).git(*arguments)

    def proposed(self, head: str, **more: Any) -> subprocess.CompletedProcess[str]:
        judged = ("check", "--base", "refs/heads/main", "--head", head, "--requester", "alice", "--format", "github")
        return self.run("--proposed", head, *judged, **more)


@pytest.fixture
def hosted(tmp_path: Path) -> Access:
    """The worked example as it is kept at a server, with its pipeline."""

    def make(folder: Path) -> None:
        top = folder / "hosted"
        Access(folder).run("init", str(top), "--example", "--github", "acme/access")
        with (top / ".git" / "config").open("a", encoding="utf-8") as settings:
            settings.write(AS_GITHUB)
        pack(top)

    copy(once("hosted", make) / "hosted", tmp_path / "hosted")
    return Access(tmp_path / "hosted")


@pytest.fixture(autouse=True)
def known_author(own_machine: None) -> None:
    identify_everywhere("Olga Platform", "olga@example.com")


def checked_out(hosted: Access, folder: Path) -> Runner:
    """Do what the workflow's first step does: main's tip, and only what judges on the disk."""
    text = (hosted.top / ".github/workflows/check.yml").read_text(encoding="utf-8")
    step = yaml.safe_load(text)["jobs"]["check"]["steps"][0]
    folder.mkdir()
    here = {"GITHUB_SERVER_URL": f"file://{hosted.top.parent}", "GITHUB_REPOSITORY": hosted.top.name}
    known = {**os.environ, **here, "FOLDERS": step["env"]["FOLDERS"], "GITHUB_TOKEN": "sesame"}
    subprocess.run(["bash", "-c", step["run"]], cwd=folder, env=known, check=True)
    return Runner(folder)


def proposal(hosted: Access, *, start: str = "main", text: str = GRANT) -> str:
    """Commit a grant on a branch at the server."""
    hosted.git("switch", "-q", "-c", "proposal", start)
    hosted.write("grants/staging/alice-fix.yaml", text)
    head = hosted.commit("Ask for staging", email="alice@example.com")
    hosted.git("switch", "-q", "main")
    return head


def test_a_proposal_is_judged_as_objects_and_never_written_to_disk(hosted: Access, tmp_path: Path) -> None:
    head = proposal(hosted)
    runner = checked_out(hosted, tmp_path / "clone")
    runner.proposed(head)
    assert not (runner.top / "grants").exists()
    assert runner.git("status", "--porcelain") == ""
    assert runner.git("rev-parse", "HEAD") == hosted.git("rev-parse", "main")


def test_what_is_wrong_with_a_proposal_becomes_annotations(hosted: Access, tmp_path: Path) -> None:
    head = proposal(hosted, text=GRANT.replace("deploy", "root"))
    said = checked_out(hosted, tmp_path / "clone").proposed(head, expect=None)
    assert said.returncode in (10, 11)
    assert "::error file=grants/staging/alice-fix.yaml,title=unknown-role::" in said.stdout


def test_a_proposal_on_a_recent_main_leaves_history_at_the_server(hosted: Access, tmp_path: Path) -> None:
    commit_each(hosted.top / ".git", [{}] * 60)
    head = proposal(hosted)
    runner = checked_out(hosted, tmp_path / "clone")
    runner.proposed(head)
    assert runner.git("rev-parse", "--is-shallow-repository") == "true"
    assert int(runner.git("rev-list", "--count", head)) == 51


def test_a_proposal_that_lags_behind_main_is_judged_from_where_it_began(hosted: Access, tmp_path: Path) -> None:
    start = hosted.git("rev-parse", "main")
    head = proposal(hosted)
    grant = GRANT.replace("staging", "payroll").replace("deploy", "readonly")
    commit_each(hosted.top / ".git", [{f"grants/payroll/other-{number}.yaml": grant} for number in range(60)])
    runner = checked_out(hosted, tmp_path / "clone")
    said = runner.proposed(head)
    assert runner.git("rev-parse", "--is-shallow-repository") == "false"
    assert runner.git("merge-base", "main", head) == start
    assert said.stdout == ""  # nothing is wrong: what main gained meanwhile is not taken for the proposal's


def test_what_a_check_moves_does_not_grow_with_the_grants_that_live(hosted: Access, tmp_path: Path) -> None:
    def moved(name: str) -> dict[str, int]:
        hosted.git("branch", "-q", "-D", "proposal") if name != "few" else None
        head = proposal(hosted)
        runner = checked_out(hosted, tmp_path / name)
        trace = tmp_path / f"{name}.trace"
        runner.proposed(head, expect=None, GIT_TRACE=str(trace))
        kinds = runner.git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
        fetched = trace.read_text(encoding="utf-8", errors="replace").count("built-in: git fetch ")
        indexed = runner.git("ls-files", "--sparse").splitlines()
        return {
            "blobs": kinds.count("blob"),
            "trees": kinds.count("tree"),
            "indexed": len(indexed),
            "fetched": fetched,
        }

    few = moved("few")
    for number in range(200):
        grant = GRANT.replace("staging", f"payroll-{number}")
        hosted.write(f"grants/payroll-{number % 50}/other-{number}.yaml", grant)
    hosted.commit("many grants")
    many = moved("many")
    assert {what: count - few[what] for what, count in many.items() if count > few[what] + 3} == {}
    assert few["fetched"] <= 7


@pytest.mark.parametrize("there", [0, 40])
def test_a_request_in_many_folders_is_fetched_at_once(hosted: Access, tmp_path: Path, there: int) -> None:
    for number in range(there):
        hosted.write(f"grants/payroll-{number}/other.yaml", GRANT.replace("staging", f"payroll-{number}"))
    hosted.git("commit", "-q", "--allow-empty", "-m", "none") if not there else hosted.commit("many grants")
    hosted.git("switch", "-q", "-c", "proposal")
    for number in range(40):
        hosted.write(f"grants/payroll-{number}/mine.yaml", GRANT.replace("staging", f"payroll-{number}"))
    head = hosted.commit("Ask for much", email="alice@example.com")
    hosted.git("switch", "-q", "main")
    trace = tmp_path / "trace"
    said = checked_out(hosted, tmp_path / "clone").proposed(head, expect=None, GIT_TRACE=str(trace))
    assert said.stdout.count("::error file=grants/payroll-") >= 40
    assert trace.read_text(encoding="utf-8", errors="replace").count("built-in: git fetch ") <= 7


def test_what_would_have_to_be_fetched_for_its_own_sake_is_left_to_the_gate(hosted: Access, tmp_path: Path) -> None:
    hosted.write("grants/staging/same.yaml", GRANT)
    hosted.commit("The same")
    said = checked_out(hosted, tmp_path / "clone").proposed(proposal(hosted))
    assert said.stdout == ""
    assert "whether the same grant is there is looked at by the gate" in said.stderr
    whole = hosted.run("check", "--base", "main", "--head", "proposal", "--requester", "alice", expect=10)
    assert "this is the same grant as grants/staging/same.yaml" in whole.out


def test_a_queue_is_checked_as_a_whole(hosted: Access, tmp_path: Path) -> None:
    for number in range(40):
        hosted.write(f"grants/payroll-{number}/other.yaml", GRANT.replace("staging", f"payroll-{number}"))
    hosted.commit("many grants")
    head = proposal(hosted)
    trace = tmp_path / "trace"
    runner = checked_out(hosted, tmp_path / "clone")
    said = runner.run("--proposed", head, "check", "--revision", head, expect=10, GIT_TRACE=str(trace))
    assert "Checked 41 grants" in said.stdout
    assert trace.read_text(encoding="utf-8", errors="replace").count("built-in: git fetch ") <= 7


def test_a_tag_that_is_called_main_stands_in_for_nothing(hosted: Access, tmp_path: Path) -> None:
    head = proposal(hosted, text=GRANT.replace("deploy", "root"))
    hosted.git("tag", "main", head)
    runner = checked_out(hosted, tmp_path / "clone")
    runner.git("tag", "main", "HEAD")
    said = runner.proposed(head, expect=None)
    assert "::error file=grants/staging/alice-fix.yaml" in said.stdout


@pytest.mark.parametrize("named", ["main", "--upload-pack=touch${IFS}owned", "$(touch owned)", "abc", "0" * 39, ""])
def test_what_is_no_commits_id_is_refused_before_git_sees_it(hosted: Access, tmp_path: Path, named: str) -> None:
    runner = checked_out(hosted, tmp_path / "clone")
    said = runner.run("--proposed", named, "check", expect=1)
    assert said.stderr == f"daypass: expected a commit's whole id after --proposed, got '{named}'\n"
    assert not (runner.top / "owned").exists()


def test_a_commit_that_is_not_there_fails_the_run(hosted: Access, tmp_path: Path) -> None:
    runner = checked_out(hosted, tmp_path / "clone")
    said = runner.run("--proposed", "1" * 40, "check", expect=None)
    assert said.returncode not in (0, 12)
    assert "1111111" in said.stderr


@pytest.mark.parametrize("code", [0, 1, 10, 13, 14])
@pytest.mark.parametrize("told", [True, False])
def test_a_run_is_green_for_what_stands_in_its_issue_alone(tmp_path: Path, code: int, told: bool) -> None:
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "daypass"
    note = 'echo 1 >"$DAYPASS_TOLD"\n' if told else ""
    program.write_text(f"#!/bin/sh\n{note}exit {code}\n", encoding="ascii")
    program.chmod(0o755)
    script = TOP / "src/daypass/templates/github/daypass/run"
    environ = {**os.environ, "DAYPASS_HOME": str(home), "TMPDIR": str(tmp_path)}
    done = subprocess.run(["bash", script, "--told", "apply"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if told and code in {13, 14} else code)
    assert ("stands in the issue" in done.stdout) is (told and code in {13, 14})
    assert [place.name for place in tmp_path.iterdir()] == ["home"]


def test_the_token_reaches_git_by_its_environment_never_by_a_command_line(hosted: Access, tmp_path: Path) -> None:
    head = proposal(hosted)
    runner = checked_out(hosted, tmp_path / "clone")
    fake = tmp_path / "fake" / "bin"
    fake.mkdir(parents=True)
    (fake / "daypass").write_text(
        '#!/bin/sh\necho "$@"\nenv | grep -E "^GIT_CONFIG_(COUNT|KEY|VALUE)" | sort\n', encoding="utf-8"
    )
    (fake / "daypass").chmod(0o755)
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "git").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/seen\nexec "$REAL" "$@"\n', encoding="utf-8")
    (spy / "git").chmod(0o755)
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    said = runner.run(
        *("--proposed", head, "check", "a b"),
        GITHUB_TOKEN="sesame",
        REAL=real,
        PATH=f"{spy}:{os.environ['PATH']}",
        DAYPASS_HOME=str(fake.parent),
        GITHUB_SERVER_URL="https://github.example/",
    )
    assert said.stdout.splitlines() == [
        "check a b",
        "GIT_CONFIG_COUNT=2",
        "GIT_CONFIG_KEY_0=http.https://github.example/.extraheader",
        "GIT_CONFIG_KEY_1=http.followRedirects",
        "GIT_CONFIG_VALUE_0=AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46c2VzYW1l",
        "GIT_CONFIG_VALUE_1=false",
    ]
    seen = (tmp_path / "seen").read_text(encoding="utf-8")
    assert head in seen
    assert "sesame" not in seen
    assert "eC1hY2" not in seen


def test_daypass_is_installed_once_a_job_as_the_requirements_say(hosted: Access, tmp_path: Path) -> None:
    temporary = tmp_path / "runner temp"
    tools = tmp_path / "tools"
    tools.mkdir()
    # Stands in for python3 alone: making an environment and installing from an index are others' work, and need a net.
    (tools / "python3").write_text(
        """#!/bin/sh
case "$1" in
-c) exit 0 ;;
-m) mkdir -p "$3/bin"
    printf '#!/bin/sh\\necho installed: "$@" in "$PWD"\\n' > "$3/bin/python"
    printf '#!/bin/sh\\necho ran: "$@" "${PYTHONPATH-}"\\n' > "$3/bin/daypass"
    chmod +x "$3/bin/python" "$3/bin/daypass" ;;
esac
""",
        encoding="utf-8",
    )
    (tools / "python3").chmod(0o755)
    runner = Runner(hosted.top)
    more = {
        "DAYPASS_HOME": None,
        "RUNNER_TEMP": str(temporary),
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": "x",
    }
    temporary.mkdir()
    first = runner.run("gate", "1", **more).stdout.splitlines()
    assert first == [
        "installed: -I -m pip install --quiet --disable-pip-version-check --no-input --no-cache-dir --no-deps "
        f"--require-hashes --only-binary :all: --requirement .github/daypass/requirements.txt in {hosted.top}",
        "ran: gate 1 ",
    ]
    assert runner.run("apply", **more).stdout.splitlines() == ["ran: apply "]
    (temporary / "daypass" / "ready").unlink()
    hosted.write(".github/daypass/click-8.5.1-py3-none-any.whl", "vendored\n")  # then no index is asked
    assert " --no-index --find-links .github/daypass " in runner.run("apply", **more).stdout.splitlines()[0]
    (temporary / "daypass" / "ready").unlink()  # an installation that was cut short is made anew
    assert runner.run("apply", **more).stdout.splitlines()[1:] == ["ran: apply "]


def test_where_nothing_can_be_installed_the_run_says_what_to_set(hosted: Access, tmp_path: Path) -> None:
    runner = Runner(hosted.top)
    assert "DAYPASS_HOME" in runner.run("check", DAYPASS_HOME=None, RUNNER_TEMP=None, expect=1).stderr
    said = runner.run("check", DAYPASS_HOME=str(tmp_path), expect=1).stderr
    assert said == f"daypass: DAYPASS_HOME is '{tmp_path}', which has no bin/daypass\n"
    old = tmp_path / "old"
    old.mkdir()
    (old / "python3").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (old / "python3").chmod(0o755)
    more = {"DAYPASS_HOME": None, "RUNNER_TEMP": str(tmp_path), "PATH": f"{old}:{os.environ['PATH']}"}
    assert runner.run("check", expect=1, **more).stderr == "daypass: expected python3 to be 3.11 or newer\n"


def test_requirements_that_name_no_daypass_install_nothing_by_its_name(hosted: Access, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python3").write_text(
        '#!/bin/sh\n[ "$1" = -c ] || { mkdir -p "$3/bin"; cp /bin/true "$3/bin/python"; }\n', encoding="utf-8"
    )
    (tools / "python3").chmod(0o755)
    more = {"DAYPASS_HOME": None, "RUNNER_TEMP": str(tmp_path), "PATH": f"{tools}:{os.environ['PATH']}"}
    said = Runner(hosted.top).run("gate", expect=1, **more).stderr
    assert said == "daypass: requirements.txt names no daypass to install; it says what to do\n"
    assert not (tmp_path / "daypass" / "ready").exists()


def test_its_exit_code_is_daypasss(hosted: Access) -> None:
    assert Runner(hosted.top).run("check", "--no-such-option", expect=2).stdout == ""


@pytest.mark.on_disk
@pytest.mark.parametrize(
    ("settings", "expect", "word"),
    [
        ("forge:\n  repository: acme/access\n  kind: github\n", 0, "ran status"),
        ('"forge": {"kind": "github", "repository": "acme/access"}\n', 0, "ran status"),
        ("forge: {kind: local}\n", 0, "a forge of kind local, so there is nothing to do here"),
        ("forge: {kind: github\n", 10, "the settings of main do not read"),
    ],
)
def test_what_settings_say_is_asked_of_daypass_however_it_is_written(
    access: Access, tmp_path: Path, settings: str, expect: int, word: str
) -> None:
    """The script of a repository that builds daypass from itself, as this one does."""
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text(encoding="utf-8")
    access.write(path, text.replace("forge: {kind: local}\n", settings))
    access.write(".github/daypass/run", (TOP / ".github/daypass/run").read_text(encoding="utf-8"))
    access.commit("settings, however they are written")
    home = tmp_path / "daypass/bin"
    home.mkdir(parents=True)
    (tmp_path / "daypass/ready").touch()
    real = HOME / "bin/daypass"
    (home / "daypass").write_text(f'#!/bin/sh\n[ "$3" = forge ] && exec {real} "$@"\necho "ran $*"\n', encoding="utf-8")
    (home / "daypass").chmod(0o755)
    said = Runner(access.top).run("status", expect=expect, DAYPASS_HOME=None, RUNNER_TEMP=str(tmp_path))
    assert word in said.stdout + said.stderr
