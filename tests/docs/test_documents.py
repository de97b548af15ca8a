"""The documents say what is so: commands run and print what is written, and nothing is left out or out of date."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pytest
from bless import GENERATED, commands, help_text
from pages import PAGES, TOP, Step, between, fits, session

from daypass.cli.main import VERBS, cli, main
from daypass.core.errors import ExitCode
from repositories import identify_everywhere

_SHELL = re.compile(r"[|&;<>$`(]")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


class Shell:
    """One reader who types what a page says. ``daypass`` runs in this process, everything else in bash."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self.code = 0
        tools.mkdir()
        tool = tools / "daypass"
        tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m daypass "$@"\n')
        tool.chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(TOP / "src"),
        }

    def type(self, command: str) -> str:
        command = command.replace("\\\n", " ")
        if command.startswith("cd "):
            self.folder = (self.folder / command[3:]).resolve()
            return ""
        if command.startswith("daypass ") and not _SHELL.search(re.sub(r"'[^']*'|\"[^\"`$]*\"", "", command)):
            return self._here(shlex.split(command)[1:])
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.code}); {command}"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.code = done.returncode
        return done.stdout

    def _here(self, arguments: list[str]) -> str:
        said = io.StringIO()
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            with redirect_stdout(said), redirect_stderr(said):
                self.code = main(arguments)
        finally:
            os.chdir(before)
        return said.getvalue()


@pytest.mark.parametrize("page", [p for p in PAGES if session(p)], ids=lambda page: page.name)
def test_every_command_of_a_page_prints_what_is_written(page: Path, tmp_path: Path, monkeypatch) -> None:
    identify_everywhere("Olga Platform", "olga@example.com", defaultBranch="main")
    folder = tmp_path / "here"
    folder.mkdir()
    shell = Shell(folder, tmp_path / "tools")
    steps = session(page)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        printed = shell.type(step.command)
        if step.printed is None:
            assert shell.code == 0, f"{step.place}: {step.command}\n{printed}"
            continue
        assert fits(step.printed, printed), f"{step.place}: $ {step.command}\n{printed}"
        asks = following is not None and following.command == "echo $?"
        assert shell.code == 0 or asks, f"{step.place}: $ {step.command} ended with {shell.code}, and nobody is told"


@pytest.mark.parametrize(("page", "name", "make"), GENERATED, ids=[name for _, name, _ in GENERATED])
def test_generated_parts_are_up_to_date(page: Path, name: str, make) -> None:
    assert between(page, name) == make(), "run: PYTHONPATH=src python tests/docs/bless.py"


COMMANDS = {" ".join(("daypass", *words)): command for words, command in commands()}
OPTIONS = {
    option
    for command in (cli, *COMMANDS.values())
    for parameter in command.params
    for option in (*parameter.opts, *parameter.secondary_opts)
    if option.startswith("--")
} | {"--help"}


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_and_option_says_what_it_does(verb: str) -> None:
    command = COMMANDS[verb]
    assert command.help, f"{verb} has no help"
    assert not [p.name for p in command.params if isinstance(p, click.Option) and not p.help]


def test_no_list_of_verbs_cuts_what_one_does() -> None:
    lists = [
        help_text(*words).split("Commands:\n", 1)[1] for words, found in commands() if isinstance(found, click.Group)
    ]
    assert len(lists) > 3
    assert not [line for text in lists for line in text.splitlines() if line.endswith("...")]


def test_every_verb_and_option_is_documented() -> None:
    pages = {page: page.read_text(encoding="utf-8") for page in PAGES}
    text = "\n".join(pages.values())
    assert [verb for verb in COMMANDS if f"## {verb}\n" not in text] == []
    assert [option for option in OPTIONS if not re.search(rf"{option}(?![a-z-])", text)] == []


def test_no_document_names_an_option_or_a_verb_that_is_not_there() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for said in re.findall(r"daypass(?: [^`\n]*)? (--[a-z-]+)", text):
            assert said in OPTIONS, f"{page.name} speaks of {said}"
        for verb in re.findall(r"`daypass ([a-z]+)", text):
            assert verb in VERBS, f"{page.name} speaks of `daypass {verb}`"


def test_every_exit_code_stands_in_operating() -> None:
    page = TOP / "docs" / "operating.md"
    rows = re.findall(r"^\| (\d+) \| ", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == sorted(code.value for code in ExitCode)


@pytest.mark.parametrize("page", [*PAGES, TOP / "SECURITY.md", TOP / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_within_the_project_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in _LINK.findall(text):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, f"{page.name}: {link}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def test_wildcards_stand_for_text_and_for_lines() -> None:
    assert fits("a … c\n", "a b c\n")
    assert not fits("a … c\n", "a b\nx c\n")
    assert fits("a\n…\nb\n", "a\n1\n2\nb\n")
    assert fits("a\n…\nb\n", "a\nb\n")
    assert not fits("a\n", "a\nb\n")
    assert not fits("", "a\n")
    assert Step("x", "y", None).printed is None
