"""A check of a commit passes by the folders of grants in which an earlier one found nothing wrong, and no others."""

from __future__ import annotations

import pytest

from daypass.edges.store import Verdicts
from driver import Access

_AT = ("--at", "2026-11-20T10:00:00Z")
GRANT = """\
version: 1
subject: alice
resource: {resource}
role: {role}
reason: Looking at a slow query
window:
  from: 2026-11-20T{hour}:00:00Z
  until: 2026-11-20T{hour}:30:00Z
"""


def grant(resource: str = "orders-db", hour: str = "11") -> str:
    return GRANT.format(resource=resource, role="readonly" if resource == "orders-db" else "deploy", hour=hour)


def check(access: Access, expect: int = 0) -> str:
    return access.run("check", "--revision", "main", *_AT, expect=expect).out


def test_a_folder_with_nothing_wrong_is_known_again_and_a_changed_one_is_judged(access: Access) -> None:
    access.write("grants/orders-db/one.yaml", grant())
    access.write("grants/staging/one.yaml", grant("staging"))
    access.commit("Two grants")
    assert "Checked 2 grants" in check(access)
    access.write("grants/staging/two.yaml", grant("staging", "12"))
    access.commit("One more")
    assert "Checked 3 grants" in check(access)
    access.write("grants/staging/three.yaml", grant("staging", "13").replace("alice", "nobody"))
    access.commit("Another that is wrong")
    for _ in range(2):  # what is wrong is told each time
        assert "unknown-subject" in check(access, 10)


@pytest.mark.on_disk
def test_a_folder_that_is_clean_is_refused_under_another_name(access: Access) -> None:
    access.write("grants/orders-db/one.yaml", grant())
    access.commit("One grant")
    check(access)
    access.git("mv", "grants/orders-db", "grants/staging")
    access.commit("The same files for another resource")
    assert "grants/staging/one.yaml" in check(access, 10)


def test_the_same_grant_twice_is_told_each_time(access: Access) -> None:
    access.write("grants/orders-db/one.yaml", grant())
    access.commit("One grant")
    check(access)
    access.write("grants/orders-db/two.yaml", grant())
    access.commit("The same again")
    for hour in ("12", "13"):
        access.write(f"grants/staging/at-{hour}.yaml", grant("staging", hour))
        access.commit("Something in another folder")
        assert "duplicate-grant" in check(access, 10)


def test_a_folder_that_comes_in_several_portions_is_wrong_where_any_of_it_is(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daypass.pipeline.judge.check._PORTION", 1)
    access.write("grants/orders-db/one.yaml", grant())
    access.write("grants/orders-db/one/two.yaml", grant(hour="12"))
    access.write("grants/orders-db/three.yaml", grant(hour="13"))
    for hour in ("11", "12"):
        access.write(f"grants/staging/{hour}.yaml", grant("staging", hour))
        access.commit("A folder in a folder, and something beside it")
        said = access.run("check", "--revision", "main", "--jobs", "1", *_AT, expect=10)
        assert "grants/orders-db/one/two.yaml" in said.out


def test_other_policies_have_every_folder_judged_again(access: Access) -> None:
    access.write("grants/orders-db/one.yaml", grant())
    access.commit("One grant")
    check(access)
    path = "policies/directory/people.yaml"
    text = (access.top / path).read_text()
    access.write(path, text.replace("alice: {", "alice: {until: 2026-11-20T11:00:00Z, ", 1))
    access.commit("alice leaves")
    assert "beyond-engagement" in check(access, 10)


def test_folders_are_remembered_by_context_name_and_contents(tmp_path) -> None:
    verdicts = Verdicts(tmp_path)
    verdicts.store_whole("one", [("orders-db", "a" * 40, 3), ("staging", "b" * 40, 1)])
    verdicts.store_whole("one", [("staging", "c" * 40, 2)])
    folders = {"orders-db": "a" * 40, "staging": "c" * 40, "other": "a" * 40}
    assert verdicts.whole("one", folders) == {"orders-db": 3, "staging": 2}
    assert verdicts.whole("one", folders | {"orders-db": "d" * 40}) == {"staging": 2}
    assert verdicts.whole("two", folders) == {}
    for number in range(4):
        verdicts.store_whole(f"later {number}", [("staging", "c" * 40, 2)])
    assert verdicts.whole("one", folders) == {}
    verdicts.close()
    assert verdicts.whole("later 3", folders) == {}
