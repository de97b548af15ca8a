"""Let the contract's own assertions say what they compared."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "conformance.suite", "conformance.lives", "conformance.trouble", "conformance.world", "conformance.forge_suite"
)
