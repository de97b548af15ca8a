"""`daypass codeowners`: writing, checking, and who owns what."""

from __future__ import annotations

import json


def test_the_file_is_written_checked_and_drift_is_told(access):
    file = access.top / ".github" / "CODEOWNERS"
    assert access.run("codeowners", "--check").out == ".github/CODEOWNERS is up to date.\n"
    file.write_text("* @nobody\n")
    said = access.run("codeowners", "--check", expect=13)
    assert "daypass: .github/CODEOWNERS does not match the catalogue" in said.err
    assert access.run("codeowners").out == "Wrote .github/CODEOWNERS.\n"
    assert access.run("codeowners").out == ".github/CODEOWNERS is up to date.\n"


def test_who_owns_files_by_the_working_tree(access):
    said = access.run("codeowners", "--who", "grants/orders-db/x.yaml", "--who", "README.md", "policies/daypass.yaml")
    assert said.out.splitlines() == [
        "grants/orders-db/x.yaml: bob@example.com carol@example.com (.github/CODEOWNERS:5 /grants/orders-db/)",
        "README.md: dave@example.com erin@example.com (.github/CODEOWNERS:2 *)",
        "policies/daypass.yaml: dave@example.com erin@example.com (.github/CODEOWNERS:4 /policies/)",
    ]
    data = json.loads(access.run("codeowners", "--who", "a", "--format", "json").out)
    assert data["paths"][0] == {
        "path": "a", "certain": True, "owners": ["dave@example.com", "erin@example.com"], "line": 2, "pattern": "*",
        "doubt": "",
    }  # fmt: skip


def test_what_cannot_be_told_is_said_and_exits_14(access):
    file = access.top / ".github" / "CODEOWNERS"
    file.write_text("* @all\n[a] @x\n")
    said = access.run("codeowners", "--who", "a", expect=14)
    assert said.out == "a: cannot tell: line 2 may decide, and ranges in [ ] do not work in CODEOWNERS\n"


def test_without_a_file_nobody_owns_anything(access):
    (access.top / ".github" / "CODEOWNERS").unlink()
    assert access.run("codeowners", "--who", "a").out == "a: nobody (there is no CODEOWNERS)\n"


def test_a_link_is_neither_read_nor_written_through(access):
    file = access.top / ".github" / "CODEOWNERS"
    file.rename(access.top / "elsewhere")
    file.symlink_to("../elsewhere")
    assert "is no plain file" in access.run("codeowners", "--who", "a", expect=10).err
    assert "symbolic link" in access.run("codeowners", expect=10).err


def test_policies_that_do_not_read_make_no_file(access):
    (access.top / "policies" / "directory" / "people.yaml").write_text("version: 2\n")
    before = (access.top / ".github" / "CODEOWNERS").read_text()
    assert "nobody can tell who owns what" in access.run("codeowners", expect=10).err
    assert (access.top / ".github" / "CODEOWNERS").read_text() == before


def test_a_resource_that_does_not_read_does_not_lose_its_owners(access):
    resource = access.top / "policies" / "resources" / "orders-db.yaml"
    resource.write_text(resource.read_text().replace("owners: [dba]", "owners: [dbas]"))
    before = (access.top / ".github" / "CODEOWNERS").read_text()
    for arguments in (["codeowners"], ["codeowners", "--check"], ["form"]):
        assert "there is no group 'dbas' in the directory [unknown-group]" in access.run(*arguments, expect=10).err
    assert (access.top / ".github" / "CODEOWNERS").read_text() == before


def test_questions_that_make_no_sense_are_refused(access):
    assert "without --who" in access.run("codeowners", "README.md", expect=2).err
    assert "--check and --who" in access.run("codeowners", "--check", "--who", "a", expect=2).err
    assert "expected the path of a file" in access.run("codeowners", "--who", "/a", expect=2).err
