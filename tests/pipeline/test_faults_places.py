"""Files, refs and records that cannot be read or written: said clearly, nothing half open, and only what hangs on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver import Access

T = "2026-11-20T{}:00Z".format


def state(access: Access, name: str) -> Path:
    return access.top / ".git/daypass" / name


def has_access(access: Access, who: str = "alice") -> bool:
    return access.run("can", who, "orders-db", "readonly", expect=None).code == 0


def replaced_by_a_folder(place: Path) -> None:
    for end in ("-wal", "-shm"):
        Path(f"{place}{end}").unlink(missing_ok=True)
    place.unlink(missing_ok=True)
    place.mkdir(parents=True)


@pytest.mark.on_disk
@pytest.mark.parametrize("name", ["standing.sqlite", "apply.lock"])
def test_a_file_of_ours_that_cannot_be_used_is_named_and_nothing_is_done(access: Access, name: str) -> None:
    access.grant(T("10:00"), T("10:05"))
    replaced_by_a_folder(state(access, name))
    said = access.run("apply", "--at", T("10:06"), expect=1)
    assert said.err.startswith("daypass: ")
    assert str(state(access, name)) in said.err
    assert not has_access(access)
    state(access, name).rmdir()
    access.run("apply", "--at", T("10:07"))
    assert has_access(access)
    access.run("audit", "verify", "--at", T("10:08"))


def test_a_folder_of_ours_that_is_a_file_is_named(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    for file in state(access, "").iterdir():
        file.unlink()
    state(access, "").rmdir()
    state(access, "").write_text("in the way")
    said = access.run("apply", "--at", T("10:06"), expect=1)
    assert "apply.lock cannot be taken: File exists" in said.err or "apply.lock cannot be taken: Not a dir" in said.err


def test_a_link_in_place_of_the_lock_is_not_followed(access: Access, tmp_path: Path) -> None:
    access.grant(T("10:00"), T("10:05"))
    state(access, "apply.lock").unlink(missing_ok=True)
    state(access, "apply.lock").symlink_to(tmp_path / "elsewhere")
    said = access.run("apply", "--at", T("10:06"), expect=1)
    assert "apply.lock cannot be taken: Too many levels of symbolic links" in said.err
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_that_cannot_be_read_is_neither_added_to_nor_removed_from(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    store = state(access, "embedded.sqlite")
    kept = store.read_bytes()
    store.write_bytes(b"")
    said = access.run("apply", "--at", T("12:05"), expect=14)
    assert "unread   embedded: the store " in said.out
    assert "was cut to nothing; nothing is planned there" in said.out
    store.write_bytes(kept)
    access.run("apply", "--at", T("12:06"))
    assert not has_access(access)
    access.run("audit", "verify", "--at", T("12:07"))


@pytest.mark.on_disk
def test_a_lock_that_git_left_behind_is_named(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    lock = access.top / ".git/refs/heads/daypass-ledger.lock"
    lock.touch()
    said = access.run("apply", "--at", T("10:06"), expect=1)
    assert "Traceback" not in said.err
    assert not has_access(access)
    lock.unlink()
    access.run("apply", "--at", T("10:07"))
    access.run("audit", "verify", "--at", T("10:08"))


def test_a_missing_signing_key_stops_before_any_target_is_touched(access: Access) -> None:
    import os

    access.grant(T("10:00"), T("10:05"))
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "daypass/keys"
    (key,) = folder.glob("*.pem")
    kept = key.read_bytes()
    key.unlink()
    said = access.run("apply", "--at", T("10:06"), expect=1)
    assert f"there is no signing key at {key}" in said.err
    assert not has_access(access)
    key.write_bytes(kept)
    key.chmod(0o600)
    access.run("apply", "--at", T("10:07"))


# One record of the forge


def corrupt(access: Access, number: int, kind: str) -> str:
    """Put a commit that carries no event on top of a pull request's record; return what stood there."""
    ref = f"refs/heads/daypass/{kind}/{number}"
    was = access.git("rev-parse", ref)
    tree = access.git("rev-parse", "main^{tree}")
    made = access.git("commit-tree", "-m", "junk", "-p", was, tree)
    access.git("update-ref", ref, made)
    return was


@pytest.mark.on_disk
def test_a_corrupt_record_of_one_merge_stops_only_that_grant_and_is_tried_again(access: Access) -> None:
    ending = access.grant(T("10:00"), T("10:05"), "--for", "1h")
    access.run("apply", "--at", T("10:06"))
    grant = access.grant(T("10:10"), T("10:15"), "--subject", "carol")
    fine = access.grant(T("10:20"), T("10:25"), "--subject", "erin")
    was = corrupt(access, 2, "done")
    said = access.run("apply", "--at", T("11:05"), expect=14)
    assert f"invalid  {grant}: the record of pull request 2 is corrupt: commit " in said.out
    assert f"[{ending}]" in said.out
    assert "ok   - alice" in said.out
    assert f"[{fine}]" in said.out
    assert has_access(access, "erin")
    assert not has_access(access, "carol")
    access.run("audit", "verify", "--at", T("11:06"))
    ledger = access.git("rev-parse", "daypass-ledger")
    access.run("apply", "--at", T("11:07"), expect=14)
    assert access.git("rev-parse", "daypass-ledger") == ledger
    access.git("update-ref", "refs/heads/daypass/done/2", was)
    access.run("apply", "--at", T("11:08"))
    assert has_access(access, "carol")
    access.run("audit", "verify", "--at", T("11:09"))


@pytest.mark.on_disk
def test_a_corrupt_open_record_does_not_stop_revocation(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"), "--for", "1h")
    access.run("apply", "--at", T("10:06"))
    number = access.ask(T("10:10"))
    corrupt(access, int(number), "open")
    said = access.run("expire", "--at", T("11:05"), expect=14)
    assert "ok   - alice" in said.out
    assert f"#{number} cannot be closed: the record of pull request {number} is corrupt: commit " in said.err
    assert not has_access(access)


# Policies


@pytest.mark.on_disk
@pytest.mark.parametrize("how", ["misspelt", "no yaml", "another key", "gone"])
def test_settings_that_cannot_be_read_give_nothing_and_keep_nothing_from_ending(access: Access, how: str) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    access.grant(T("10:10"), T("10:15"), "--subject", "carol")
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    if how == "gone":
        (access.top / path).unlink()
    else:
        wrong = {"misspelt": text.replace("kind: embedded", "kind: embeded"), "no yaml": "version: [1\n"}
        access.write(path, wrong.get(how, text + "tragets: {}\n"))
    access.commit("a typing error")
    said = access.run("apply", "--at", T("10:16"), expect=14)
    assert "invalid  policies/daypass.yaml" in said.out
    assert "HELD + carol" in said.out
    assert "nothing is given while main's policies do not read" in said.err
    assert not has_access(access, "carol")
    said = access.run("expire", "--at", T("12:05"), expect=14)  # by the settings that could be read last
    assert "ok   - alice" in said.out
    access.write(path, text)
    access.commit("mended")
    access.run("apply", "--at", T("12:10"))
    assert has_access(access, "carol")
    assert not has_access(access)
    access.run("audit", "verify", "--at", T("12:11"))


@pytest.mark.on_disk
@pytest.mark.parametrize(
    "forge", ["{kind: carrier-pigeon}", "{kind: github}", "{kind: local, repository: acme/access}"]
)
def test_a_forge_that_makes_no_sense_keeps_nothing_from_ending(access: Access, forge: str) -> None:
    access.grant(T("10:00"), T("10:05"), "--for", "1h")
    access.run("apply", "--at", T("10:06"))
    access.grant(T("10:10"), T("10:15"), "--subject", "carol")
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    access.write(path, text.replace("forge: {kind: local}", f"forge: {forge}"))
    access.commit("another forge")
    said = access.run("expire", "--at", T("11:05"), expect=14)
    assert "ok   - alice" in said.out
    assert not has_access(access)
    assert not has_access(access, "carol")
    access.write(path, text)
    access.commit("the old forge again")
    access.run("apply", "--at", T("11:06"))
    assert has_access(access, "carol")
    access.run("audit", "verify", "--at", T("11:07"))


def test_a_target_with_an_option_that_makes_no_sense_stops_only_itself(access: Access) -> None:
    access.grant(T("10:00"), T("10:05"))
    access.run("apply", "--at", T("10:06"))
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    access.write(
        path,
        text.replace(
            "  embedded: {kind: embedded}", "  embedded: {kind: embedded}\n  odd: {kind: embedded, path: ../x}"
        ),
    )
    access.commit("an odd target")
    said = access.run("apply", "--at", T("12:05"), expect=14)
    assert (
        "unread   odd: path of target odd is not below daypass's own folder: '../x'; nothing is planned there"
        in said.out
    )
    assert "ok   - alice" in said.out
    assert not has_access(access)
