"""A server that takes a connection and never answers holds up nobody else's access."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from driver import Access

pytestmark = pytest.mark.on_disk

LONG = 60.0
"""How many seconds a test waits for what must come."""


def test_what_is_due_elsewhere_is_given_while_one_server_hangs(access: Access) -> None:
    path = "policies/daypass.yaml"
    text = (access.top / path).read_text()
    line = next(line for line in text.splitlines() if line.strip().startswith("embedded:"))
    hole = "  hole: {kind: postgres, url_env: HOLE_URL, tls: off-on-loopback}"
    access.write(path, text.replace(line, f"{line}\n{hole}"))
    access.commit("a second target")
    access.grant("2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://daypass@127.0.0.1:{server.getsockname()[1]}/orders"
        run = subprocess.Popen(
            [sys.executable, "-m", "daypass", "apply", "--at", "2026-11-20T10:06:00Z"],
            cwd=access.top,
            env={**os.environ, "HOLE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(LONG)
        hanging, _ = server.accept()
        with hanging:
            until = time.monotonic() + LONG
            while access.run("can", "alice", "orders-db", "readonly", expect=None).code != 0:
                assert run.poll() is None, run.stderr and run.stderr.read()
                assert time.monotonic() < until
                time.sleep(0.05)
            assert run.poll() is None  # it waits for the server still
    out, err = run.communicate(timeout=LONG)
    assert run.returncode == 14, err
    assert "ok   + alice" in out
    assert "nothing is planned there" in out
