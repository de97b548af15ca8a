"""What a plan says for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from policy_samples import files, read_policies

from daypass.core.ids import GrantId
from daypass.core.plan import Claim, Entitlement, Plan
from daypass.core.state import Overview
from daypass.core.window import Window
from daypass.edges.targets.registry import KINDS
from daypass.pipeline.apply.overview import renewed_of
from daypass.views.plan import plan_text

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
WEEKLY = Window(
    T0, T0 + timedelta(days=9), ((T0, T0 + timedelta(hours=2)), (T0 + timedelta(days=7), T0 + timedelta(days=8)))
)


def test_what_each_interval_hands_over_anew_is_said() -> None:
    settings = "version: 1\nforge: {kind: local}\ntargets: {orders: {kind: postgres, url_env: U}, embedded: {kind: embedded}}\n"
    policy = read_policies(files(daypass=settings + "limits: {unsigned: accept}\n"))
    login = Entitlement("orders", "orders-db", "alice", '{"login":"true","member_of":"orders_readonly"}')
    claims = [
        Claim(GrantId("orders-db/weekly"), login, WEEKLY),
        Claim(GrantId("orders-db/once"), login, Window(T0, T0 + timedelta(hours=2))),
        Claim(GrantId("orders-db/member"), login._replace(privilege='{"member_of":"orders_readonly"}'), WEEKLY),
        Claim(GrantId("orders-db/other"), login._replace(target="embedded"), WEEKLY),
    ]
    told = Overview(T0, (), (), {}, renewed=renewed_of(claims, policy))
    text = plan_text(Plan(T0, "m" * 40, ()), told)
    assert [line for line in text.splitlines() if line.startswith("renewed")] == [
        "renewed  orders-db/weekly: each interval hands over a new password"
    ]
    assert KINDS["ssh"].hands_over({}) == "certificate"
