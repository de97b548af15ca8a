"""CODEOWNERS as GitHub reads it: its own examples, git as a second opinion, and what the catalogue asks for.

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from daypass.core.bounds.settings import Settings
from daypass.core.catalogue import Catalogue, Directory, Resource, Subject
from daypass.core.errors import InvalidError, UsageError
from daypass.core.files.codeowners import (
    LARGEST,
    asked_path,
    codeowners_text,
    folder_pattern,
    read_codeowners,
    team_of,
    wanted_lines,
)
from daypass.views.settings import owners_json, owners_text
from examples import examples

EXAMPLE = """\
# This is a comment.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octocat
/apps/ @octocat
/apps/github
"""
"""The page's own example file, less its comments; the later line of "/apps/github" with an owner is tried apart."""

GOLDEN = [
    ("README.md", "@global-owner1 @global-owner2"),
    ("src/deep/er/a.js", "@js-owner"),
    ("a.go", "docs@example.com"),
    ("x/notes.txt", "@octo-org/octocats"),
    ("build/logs/one", "@octocat"),  # **/logs comes later
    ("build/logs/deep/one", "@octocat"),
    ("docs/getting-started.md", "@doctocat"),  # /docs/ comes later
    ("docs/build-app/troubleshooting.md", "@doctocat"),
    ("src/apps/x.js", "@octocat"),
    ("scripts/run.js", "@doctocat @octocat"),
    ("deeply/nested/logs/a", "@octocat"),
    ("apps/one/two", "@octocat"),
    ("apps/github", ""),
    ("apps/github/x", ""),
    ("apps/githubx", "@octocat"),
    ("Build/README", "@global-owner1 @global-owner2"),
]


def read(text: str | bytes, file: str = ".github/CODEOWNERS"):
    found = read_codeowners({file: text.encode() if isinstance(text, str) else text})
    assert found is not None
    return found


@pytest.mark.parametrize(("path", "owners"), GOLDEN)
def test_github_s_own_example_is_answered_as_its_comments_say(path, owners):
    answer = read(EXAMPLE).who(path)
    assert (" ".join(answer.owners), answer.doubt) == (owners, "")


@pytest.mark.parametrize(
    ("pattern", "covered", "spared"),
    [
        ("*", ["a", ".github/x", "a/b/c"], []),
        ("*.js", ["a.js", "a/b.js", "a.js/b"], ["a.jsx", "A.JS"]),
        ("/build/logs/", ["build/logs/a", "build/logs/a/b"], ["build/logs", "x/build/logs/a"]),
        ("docs/*", ["docs/getting-started.md"], ["docs/build-app/troubleshooting.md", "x/docs/a"]),
        ("apps/", ["apps/a", "x/apps/a/b"], ["apps", "xapps/a"]),
        ("**/logs", ["logs", "build/logs/a", "deeply/nested/logs"], ["logs2"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b/c"], ["x/a/b", "ab"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "x/a/b"]),
        ("a/**/", ["a/b/c"], ["a/b"]),
        ("**", ["a", "a/b"], []),
        ("**/*", ["a", "a/b"], []),
        ("/a/*/c", ["a/b/c", "a/b/c/d"], ["a/c", "a/b/b/c"]),
        ("/a?c", ["abc", "a.c/d"], ["a/c", "ac"]),
        ("/app*", ["app", "apps/x"], ["x/app"]),
        ("/a.b", ["a.b"], ["axb"]),
        ("/grants/orders-db/", ["grants/orders-db/a.yaml"], ["grants/orders-db2/a.yaml", "grants/Orders-db/a.yaml"]),
    ],
)
def test_a_pattern_covers_what_the_documents_say(pattern, covered, spared):
    found = read(f"{pattern} @a\n")
    assert [p for p in covered if not found.who(p).owners] == []
    assert [p for p in spared if found.who(p).owners] == []


PARTS = st.text("ab*?.", min_size=1, max_size=3).filter(lambda part: "**" not in part and part not in {".", ".."})
PATTERNS = st.builds(
    lambda start, parts, end: start + "/".join(parts) + end,
    st.sampled_from(["", "/", "**/"]),
    st.lists(st.one_of(PARTS, st.just("**")), min_size=1, max_size=3),
    st.sampled_from(["", "/", "/**"]),
)
PATHS = st.lists(st.text("ab.", min_size=1, max_size=3).filter(lambda p: p.strip(".")), min_size=1, max_size=4).map(
    "/".join
)


@settings(max_examples=60)
@given(PATTERNS, st.lists(PATHS, min_size=1, max_size=12))
def test_patterns_mean_what_git_says_but_for_the_one_that_github_limits(tmp_path_factory, pattern, paths):
    found = read(f"{pattern} @a\n")
    if found.lines[0].doubt or pattern.rstrip("/").endswith("/*"):
        return
    top = tmp_path_factory.getbasetemp() / "ignoring"
    if not top.exists():
        subprocess.run(["git", "init", "-q", str(top)], check=True)
    (top / ".git" / "info").mkdir(exist_ok=True)
    (top / ".git" / "info" / "exclude").write_text(f"{pattern}\n")
    said = subprocess.run(
        ["git", "-C", str(top), "check-ignore", "--no-index", "--stdin", "-z"],
        input="\0".join(paths), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode in {0, 1}, said.stderr
    ignored = {path for path in said.stdout.split("\0") if path}
    assert {path for path in paths if found.who(path).owners} == ignored


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(PATTERNS, st.sampled_from(["@a", "@b c@d.example", ""])), max_size=6), PATHS)
def test_the_last_line_that_covers_a_file_decides(lines, path):
    found = read("".join(f"{pattern} {owners}\n" for pattern, owners in lines))
    wanted: tuple[str, ...] = ()
    for line in found.lines:
        if not line.doubt and line.matches(path):
            wanted = line.owners
    answer = found.who(path)
    assert answer.doubt or answer.owners == wanted


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("!a @x", "a pattern with ! does not work in CODEOWNERS"),
        ("a[12] @x", "ranges in [ ] do not work in CODEOWNERS"),
        ("\\#a @x", "GitHub does not say what a backslash means in CODEOWNERS"),
        ("a\\ b @x", "GitHub does not say what a backslash means in CODEOWNERS"),
        ("a#b @x", "GitHub does not say what a # inside of a pattern means"),
        ("a//b @x", "the pattern has an empty part"),
        ("/ @x", "the pattern has an empty part"),
        ("***/*.rb @x", "** stands for whole folders only"),
        ("a**b @x", "** stands for whole folders only"),
        ("/* @x", "GitHub does not say how deep this goes; * alone means every file"),
        ("./a @x", "no path of a repository has . or .. in it"),
        ("a @x\r", "it holds a control character (is the file written with CR LF?)"),
        ("a\u00a0@x", "it holds a character that cannot be seen, or is not UTF-8"),
        ("a @daypass-acme[bot]", "it names a bot, which cannot own files"),
        ("a # nobody", "GitHub does not say what a comment means where owners are expected"),
        ("*a" * 21 + " @x", "it has more than 20 wildcards"),
    ],
)
def test_what_github_does_not_settle_is_told_and_never_guessed(line, why):
    doubtful = read(f"* @all\n{line}\n")
    answer = doubtful.who("zzz")
    assert (answer.owners, answer.doubt) == ((), f"line 2 may decide, and {why}")
    # A certain match further down decides whatever the doubtful line means.
    assert read(f"{line}\n* @all\n").who("zzz").owners == ("@all",)


def test_bytes_that_are_no_text_leave_a_doubt():
    assert "not UTF-8" in read(b"* @all\na\xff @x\n").who("b").doubt


@pytest.mark.parametrize("owner", ["docs@", "@", "nobody", "@a/b/c", "@-a"])
def test_a_line_with_an_owner_that_is_none_is_passed_over(owner):
    found = read(f"* @all\n*.txt @good {owner}\n")
    assert found.who("a.txt").owners == ("@all",)
    assert found.lines[1].skipped == f"{owner!r} is no owner: expected @login, @org/team or an address"


def test_the_first_place_counts_and_no_file_is_nobody():
    here = {"docs/CODEOWNERS": b"* @docs\n", "CODEOWNERS": b"* @top\n"}
    found = read_codeowners(here)
    assert found is not None
    assert (found.file, found.who("a").owners) == ("CODEOWNERS", ("@top",))
    assert read_codeowners({"other/CODEOWNERS": b"* @a\n"}) is None
    assert read("# nothing\n\n  \n").who("a").line is None


def test_a_file_that_github_would_not_load_is_refused():
    with pytest.raises(InvalidError) as caught:
        read(b"# " + b"x" * LARGEST)
    assert caught.value.message.startswith(
        f".github/CODEOWNERS has {LARGEST + 2} bytes; GitHub loads none of a file of"
    )
    assert read(b"#" * (LARGEST - 1)).lines == ()


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/./b", "./"])
def test_what_is_no_path_of_a_file_is_refused(path):
    with pytest.raises(UsageError) as caught:
        asked_path(path)
    assert caught.value.message == f"expected the path of a file from the top of the repository, got {path!r}"
    assert asked_path("./grants/a.yaml") == "grants/a.yaml"


# What a catalogue asks for


def catalogue(names=("orders-db",), *, owners=("dba",), groups=None, forge="github", options=None, people=None):
    settings_ = Settings(forge_kind=forge, forge_options={"repository": "acme/access"} if options is None else options)
    made = {
        name: Resource(name, name, "embedded", "production", "internal", tuple(owners), {}) for name in sorted(names)
    }
    held = {"dba": frozenset({"bob"}), "security": frozenset({"dave"})} if groups is None else groups
    return Catalogue(settings_, made, Directory(people or {}, held), {})


NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


@given(st.sets(NAMES, min_size=1, max_size=6), st.sampled_from(["a.yaml", "deep/er/b.yaml"]))
def test_every_legal_resource_is_owned_by_its_own_and_everything_else_by_security(names, file):
    found = read(codeowners_text(catalogue(names)))
    for name in names:
        assert found.who(f"grants/{name}/{file}").owners == ("@acme/dba",)
    for path in ("policies/daypass.yaml", ".github/workflows/apply.yml", ".github/CODEOWNERS", "README.md", "grants/x"):
        assert found.who(path).owners == ("@acme/security",)
    assert not [line for line in found.lines if line.doubt or line.skipped]


def test_the_strictest_line_comes_first_and_catches_all():
    assert codeowners_text(catalogue()).splitlines()[1:] == [
        "* @acme/security",
        "/.github/ @acme/security",
        "/policies/ @acme/security",
        "/grants/orders-db/ @acme/dba",
    ]


def test_teams_are_named_as_the_settings_say():
    options = {"repository": "acme/access", "teams": {"dba": "acme/database-admins"}}
    found = catalogue(options=options, owners=("dba", "security"))
    assert "/grants/orders-db/ @acme/database-admins @acme/security\n" in codeowners_text(found)
    assert (team_of(found, "dba"), team_of(catalogue(forge="local", options={}), "dba")) == ("acme/database-admins", "")


def test_without_a_security_group_all_owners_own_the_rest():
    found = catalogue(groups={"dba": frozenset({"bob"})})
    assert "\n* @acme/dba\n" in codeowners_text(found)


def test_on_the_local_forge_people_are_named_by_login_or_address():
    people = {
        "bob": Subject("bob", emails=("bob@example.com",)),
        "dave": Subject("dave", login="kim-dave", emails=("d@example.com",)),
        "erin": Subject("erin"),
        "fred": Subject("fred", emails=("[fred@example.com",)),
    }
    groups = {"dba": frozenset({"bob", "erin", "fred"}), "security": frozenset({"dave"})}
    lines = codeowners_text(catalogue(forge="local", options={}, people=people, groups=groups)).splitlines()
    assert (lines[1], lines[-1]) == ("* @kim-dave", "/grants/orders-db/ bob@example.com")


def test_nobody_is_no_owner_so_the_folder_stays_with_the_strictest():
    people = {"bob": Subject("bob"), "dave": Subject("dave", login="kim-dave")}
    made = catalogue(forge="local", options={}, people=people)
    assert [line.pattern for line in wanted_lines(made)] == ["*", "/.github/", "/policies/"]
    assert read(codeowners_text(made)).who("grants/orders-db/a.yaml").owners == ("@kim-dave",)


@pytest.mark.parametrize(
    "folder", ["grants/a b", "grants/a#b", "grants/[a]", "grants/a*", "grants/ä", "grants//a", "a/.."]
)
def test_a_folder_that_no_pattern_is_sure_to_name_is_refused(folder):
    with pytest.raises(InvalidError) as caught:
        folder_pattern(folder)
    assert caught.value.message == f"CODEOWNERS cannot name the folder {folder!r} for certain"


def test_more_than_github_loads_is_refused():
    one = catalogue()
    resource = one.resources["orders-db"]
    many = {f"r{number:062d}": replace(resource, name=f"r{number:062d}") for number in range(40_000)}
    with pytest.raises(InvalidError, match="GitHub loads none of a file of 3145728 or more"):
        codeowners_text(replace(one, resources=many))


def test_answers_are_told_in_words_and_as_data():
    found = read("* @all\n/free/\na[1] @x\n/sure/ @s\n")
    answers = [found.who(path) for path in ("sure/a", "free/a")]
    text = owners_text(found, answers)
    assert text.splitlines() == [
        "sure/a: @s (.github/CODEOWNERS:4 /sure/)",
        "free/a: cannot tell: line 3 may decide, and ranges in [ ] do not work in CODEOWNERS",
    ]
    data = owners_json(found, answers)
    assert '"version": 1' in data
    assert '"certain": false' in data
    found = read("/free/\n")
    assert owners_text(found, [found.who("free/a"), found.who("b")]).splitlines() == [
        "free/a: nobody (.github/CODEOWNERS:1 /free/)",
        "b: nobody (no line of .github/CODEOWNERS matches)",
    ]
    assert owners_text(None, [found.who("b")]) == "b: nobody (there is no CODEOWNERS)\n"
