"""What the subject is told of a certificate and of a sealed secret."""

from __future__ import annotations

from datetime import UTC, datetime

from daypass.views.plan import certificate_text, sealed_text

UNTIL = datetime(2026, 11, 21, 17, tzinfo=UTC)


def told(**critical: str) -> str:
    return certificate_text(
        serial=7, resource="bastion", until=UNTIL, principals=["orders-ro", "db"], critical=critical, file="c-cert.pub"
    )


def test_a_certificate_is_told_with_its_limits() -> None:
    assert told(**{"source-address": "10.0.0.0/8", "force-command": "psql orders"}) == (
        "SSH certificate 7 for bastion: logs in as orders-ro, db until 2026-11-21T17:00:00Z\n"
        "  only from 10.0.0.0/8\n"
        "  runs only: psql orders\n"
        "  hint: ssh -o CertificateFile=c-cert.pub -i YOUR-KEY USER@HOST\n"
    )


def test_what_others_wrote_into_a_role_cannot_move_the_cursor() -> None:
    assert "\x1b" not in told(**{"force-command": "\x1b[2Jls"})


def test_a_secret_is_told_with_how_it_is_opened() -> None:
    assert sealed_text(resource="orders-db", until=UNTIL, file="s.age") == (
        "A secret for orders-db, encrypted to your own key, good until 2026-11-21T17:00:00Z\n"
        "  hint: age -d -i ~/.ssh/id_ed25519 s.age\n"
    )
