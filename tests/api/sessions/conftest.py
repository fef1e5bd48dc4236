from __future__ import annotations

import pytest

from tests.api.sessions.rig import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig()
