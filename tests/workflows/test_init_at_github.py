"""What `init --github` writes, changes and refuses, and that this project keeps the same files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kept import TOP

from daypass import __version__
from daypass.edges.forges.github import setup as github_files
from driver import Access
from repositories import identify_everywhere

BOT = "daypass-acme[bot]:4242"
WHEEL = f".github/daypass/daypass-{__version__}-py3-none-any.whl"
KEPT = (".github/daypass/run", ".github/workflows/apply.yml")


@pytest.fixture
def made(tmp_path: Path, access: Access) -> Access:
    """A repository at GitHub, just founded."""
    identify_everywhere("Olga Platform", "olga@example.com")
    access.run("init", "../made", "--example", "--github", "acme/access", "--bot", BOT)
    return Access(tmp_path / "made")


def test_the_repository_is_in_order_and_committed(made: Access) -> None:
    assert ": ok." in made.run("check").out
    made.run("codeowners", "--check")
    made.run("form", "--check")
    assert made.git("status", "--porcelain") == ""
    settings = yaml.safe_load((made.top / "policies/daypass.yaml").read_text(encoding="utf-8"))
    bot = {"login": "daypass-acme[bot]", "id": 4242}
    assert settings["forge"] == {"kind": "github", "repository": "acme/access", "bot": bot}
    assert made.git("show-ref", "refs/heads/daypass-ledger")


def test_what_is_left_to_do_is_told_for_each_way_to_act(tmp_path: Path, made: Access) -> None:
    said = made.run("init", "../second", "--github", "acme/access").out
    assert "gh variable set DAYPASS_APP_ID --repo acme/access" in said
    assert re.search(r"DAYPASS_LEDGER_KEY --repo acme/access --env daypass < \S+\.pem$", said, re.MULTILINE)
    said = made.run("init", "../third", "--github", "acme/access", "--auth", "token").out
    assert "DAYPASS_APP" not in said
    workflow = (tmp_path / "third/.github/workflows/gate.yml").read_text(encoding="utf-8")
    assert "DAYPASS_APP_KEY" not in workflow
    assert "contents: write" in workflow


def test_this_project_keeps_what_it_writes_for_others() -> None:
    ours = github_files.github_files("app", source=True)
    theirs = github_files.github_files("app")
    for path, text in ours.items():
        assert (TOP / path).read_text(encoding="utf-8") == text, "run: python -m daypass.edges.forges.github.setup"
    # What differs is how the project, being the source of the package, installs itself and tests itself.
    differing = {path for path in theirs if ours.get(path) != theirs[path]}
    assert differing == {
        ".github/daypass/requirements.txt",
        ".github/daypass/run",
        ".github/workflows/apply.yml",
        ".github/workflows/check.yml",
        ".github/workflows/ci.yml",
        ".github/workflows/drift.yml",
        ".github/workflows/expire.yml",
        ".github/workflows/gate.yml",
        ".github/workflows/request.yml",
    }
    for path in (".github/daypass/run", ".github/workflows/check.yml"):
        more = set(ours[path].splitlines()) ^ set(theirs[path].splitlines())
        assert len(more) <= 8, more
    assert ours[github_files.REQUIREMENTS].splitlines()[-1] == "-r ../../.ci/locked/run.txt"


def test_stale_copies_are_named_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert github_files.main([], tmp_path) == 0
    assert github_files.main(["--check"], tmp_path) == 0
    place = tmp_path / ".github/workflows/gate.yml"
    place.write_text("name: mine\n", encoding="utf-8")
    capsys.readouterr()
    assert github_files.main(["--check"], tmp_path) == 13
    assert capsys.readouterr().err == ".github/workflows/gate.yml is out of date\n"
    assert place.read_text(encoding="utf-8") == "name: mine\n"
    assert github_files.main([], tmp_path) == 0
    assert github_files.main(["--check"], tmp_path) == 0


def test_every_package_is_named_with_the_hashes_of_its_wheels() -> None:
    text = github_files.requirements_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines[0] == "--only-binary :all:"
    named = [line.split(" ")[0] for line in lines[1:] if not line.startswith(" ")]
    assert named[0] == "./.github/daypass/daypass-" + __version__ + "-py3-none-any.whl"
    pins = dict(each.split("==") for each in named[1:])
    assert {"pydantic", "pydantic-core", "pygithub", "pynacl", "urllib3", "cffi"} <= set(pins)
    assert not {"pytest", "ruff", "zizmor"} & set(pins)
    for entry in re.split(r"\n(?! )", text.split("--only-binary :all:\n")[1].strip()):
        assert re.search(r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+$", entry), entry


def _pip(top: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--require-hashes"]
    return subprocess.run([*command, *arguments], cwd=top, capture_output=True, text=True, check=False)


def test_pip_takes_the_wheel_that_is_there_by_its_hash_and_no_other(made: Access, tmp_path: Path) -> None:
    lines = (made.top / github_files.REQUIREMENTS).read_text(encoding="utf-8").splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("./"))
    (tmp_path / "own.txt").write_text("".join(lines[start : start + 2]), encoding="utf-8")
    done = _pip(made.top, "--target", str(tmp_path / "one"), "-r", str(tmp_path / "own.txt"))
    assert done.returncode == 0, done.stderr
    for part in ("cli/main.py", "templates/locked.txt", "schema/grant.schema.json"):
        assert (tmp_path / "one/daypass" / part).read_bytes() == (TOP / "src/daypass" / part).read_bytes()
    (wheel,) = made.top.glob(".github/daypass/*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"x")
    done = _pip(made.top, "--target", str(tmp_path / "two"), "-r", str(tmp_path / "own.txt"))
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_the_wheel_is_committed_and_owned_like_the_workflows(made: Access) -> None:
    (wheel,) = made.top.glob(".github/daypass/*.whl")
    path = wheel.relative_to(made.top).as_posix()
    assert made.git("ls-files", path) == path
    assert "(.github/CODEOWNERS:3 /.github/)" in made.run("codeowners", "--who", path).out


def test_files_that_are_there_are_left_as_they_are(made: Access) -> None:
    for path in KEPT:
        made.write(path, "mine\n")
    made.commit("Change them")
    said = made.run("init", ".", "--merge", "--example", "--github", "acme/access")
    assert [(made.top / path).read_text(encoding="utf-8") for path in KEPT] == ["mine\n", "mine\n"]
    assert f"kept    {KEPT[0]} (it was there before)" in said.err
    assert made.git("status", "--porcelain") == ""


def test_requirements_that_are_left_as_they_are_get_no_wheel_that_they_do_not_name(made: Access) -> None:
    (made.top / WHEEL).unlink()
    made.write(github_files.REQUIREMENTS, "./.github/daypass/daypass-0.0.9-py3-none-any.whl\n")
    made.commit("Keep the older one")
    made.run("init", ".", "--merge", "--example", "--github", "acme/access")
    assert not (made.top / WHEEL).exists()


def test_an_upgrade_writes_them_anew_for_a_person_to_commit(made: Access) -> None:
    settings = made.top / "policies/daypass.yaml"
    made.git("switch", "-q", "-c", "upgrade")  # main takes nothing but what its owners reviewed
    made.write(KEPT[0], "mine\n")
    made.git("mv", WHEEL, ".github/daypass/daypass-0.0.9-py3-none-any.whl")
    made.write(".gitignore", "*.whl\n")
    made.write(".schemas/grant.schema.json", "{}\n")
    made.git("rm", "-q", ".github/workflows/drift.yml", "policies/purposes/incident.yaml")
    settings.write_text(
        settings.read_text(encoding="utf-8").replace(
            "{kind: embedded}", "{kind: embedded, path_env: ORDERS_DB, url_env: x y}"
        )
    )
    before = made.commit("Change them")
    said = made.run("init", ".", "--merge", "--github", "acme/access", "--bot", BOT, "--upgrade")
    assert (made.git("rev-parse", "HEAD"), "ledger" in said.out) == (before, False)
    assert made.git("diff", "--no-renames", "--name-status").splitlines() == [
        "D\t.github/daypass/daypass-0.0.9-py3-none-any.whl",
        f"A\t{WHEEL}",
        f"M\t{KEPT[0]}",
        "M\t.github/workflows/apply.yml",
        "A\t.github/workflows/drift.yml",
        "M\t.github/workflows/expire.yml",
        "M\t.schemas/grant.schema.json",
    ]
    assert {f"changed {KEPT[0]}", f"new     {WHEEL}"} <= set(said.err.splitlines())
    assert "ORDERS_DB: ${{ secrets.ORDERS_DB }}" in (made.top / KEPT[1]).read_text(encoding="utf-8")
    assert "x y" not in (made.top / KEPT[1]).read_text(encoding="utf-8")
    made.git("commit", "-q", "--all", "-m", "Upgrade")
    again = made.run("init", ".", "--merge", "--github", "acme/access", "--bot", BOT, "--upgrade")
    assert "Everything is as this version of daypass writes it." in again.out
    assert made.git("status", "--porcelain") == ""


def test_an_upgrade_replaces_another_build_of_the_same_version(made: Access) -> None:
    whole = (made.top / WHEEL).read_bytes()
    (made.top / WHEEL).write_bytes(b"another build of the same version")
    made.run("init", ".", "--merge", "--github", "acme/access", "--bot", BOT, "--upgrade")
    assert (made.top / WHEEL).read_bytes() == whole


def test_only_an_access_repository_is_upgraded(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = Access(tmp_path / "empty").run("init", ".", "--merge", "--github", "acme/a", "--upgrade", expect=2)
    assert "there is no access repository in" in said.err
    assert list((tmp_path / "empty").iterdir()) == []


def test_policies_that_their_people_took_out_do_not_come_back(made: Access) -> None:
    made.git("rm", "-q", "policies/purposes/incident.yaml")
    before = made.commit("Have no incidents")
    said = made.run("init", ".", "--merge", "--github", "acme/access")
    assert "0 files." in said.out
    assert (made.git("rev-parse", "HEAD"), made.git("status", "--porcelain")) == (before, "")


@pytest.mark.on_disk
def test_a_repository_with_the_local_forge_moves_by_one_line(made: Access, access: Access) -> None:
    before = access.git("rev-parse", "HEAD")
    said = access.run("init", ".", "--merge", "--example", "--github", "acme/access", "--simulated-clock")
    assert "changed policies/daypass.yaml: look at `git diff`, then commit it" in said.err
    assert access.git("diff", "-U0", "--", "policies").splitlines()[-2:] == [
        "-forge: {kind: local}",
        "+forge: {kind: github, repository: acme/access}",
    ]
    assert "policies/daypass.yaml" not in access.git("diff", "--name-only", before, "HEAD")


def test_a_copy_of_this_project_can_be_set_up(made: Access, tmp_path: Path) -> None:
    copy = Access(tmp_path / "copy")
    for path in (".github", ".gitignore", ".schemas", "policies", "src/daypass/__init__.py", "src/daypass/schema"):
        place = copy.top / path
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-R", TOP / path, place], check=True)
    copy.git("init", "-q", "--initial-branch=main")
    copy.commit("Copy it")
    copy.run("init", ".", "--merge", "--example", "--github", "acme/access", "--bot", BOT)
    assert copy.git("status", "--porcelain") == "M policies/daypass.yaml"
    assert (
        (copy.top / github_files.REQUIREMENTS).read_text(encoding="utf-8").endswith("\n-r ../../.ci/locked/run.txt\n")
    )
    assert copy.git("diff", "--name-only", "HEAD~", "HEAD") == "policies/ledger.pub"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--github", "acme"], "expected --github OWNER/NAME, got 'acme'"),
        (["--github", "acme/a b"], "expected --github OWNER/NAME, got 'acme/a b'"),
        (["--github", "acme/a}\nx: {"], "expected --github OWNER/NAME, got 'acme/a}\\nx: {'"),
        (
            ["--github", "acme/a", "--bot", "daypass"],
            "expected --bot LOGIN:ID, the login ending in [bot], got 'daypass'",
        ),
        (["--github", "acme/a", "--bot", "me:4"], "expected --bot LOGIN:ID, the login ending in [bot], got 'me:4'"),
        (["--github", "acme/a", "--bot", BOT, "--auth", "token"], "--bot and --app go with --auth app"),
        (["--bot", BOT], "--auth, --bot and --app go with --github"),
        (["--auth", "token"], "--auth, --bot and --app go with --github"),
        (["--upgrade", "--github", "acme/a"], "--upgrade goes with --merge and --github"),
        (["--upgrade", "--merge"], "--upgrade goes with --merge and --github"),
    ],
)
def test_options_that_make_no_sense_are_refused_and_nothing_is_made(
    access: Access, options: list[str], message: str
) -> None:
    said = access.run("init", "../other", *options, expect=2)
    assert said.err.startswith(f"daypass: {message}\n")
    assert not (access.top.parent / "other").exists()


def test_another_repository_than_the_settings_name_is_refused(made: Access) -> None:
    said = made.run("init", ".", "--merge", "--github", "acme/other", expect=2)
    assert "names its forge in a way that init does not change" in said.err
    assert "hint: write there: forge: {kind: github, repository: acme/other}" in said.err
    assert made.git("status", "--porcelain") == ""


def test_links_are_not_followed(made: Access, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    settings = made.top / "policies/daypass.yaml"
    settings.rename(outside / "daypass.yaml")
    settings.symlink_to(outside / "daypass.yaml")
    said = made.run("init", ".", "--merge", "--github", "acme/access", expect=2)
    assert "daypass.yaml is a symbolic link" in said.err
    settings.unlink()
    (outside / "daypass.yaml").rename(settings)
    script = made.top / KEPT[0]
    script.rename(outside / "run")
    script.symlink_to(outside / "run")
    (outside / "run").write_text("theirs\n", encoding="utf-8")
    (made.top / ".github/ISSUE_TEMPLATE").rename(outside / "forms")
    (made.top / ".github/ISSUE_TEMPLATE").symlink_to(outside / "forms")
    next((outside / "forms").iterdir()).unlink()
    made.run("init", ".", "--merge", "--example", "--github", "acme/access", "--upgrade", expect=None)
    assert (outside / "run").read_text(encoding="utf-8") == "theirs\n"
    assert list((outside / "forms").iterdir()) == []
