from __future__ import annotations

import pytest

from lumigate.auth.key_set import KeySet
from tests.auth.key_set.rig import Rig
from tests.fakes import JWKS_URL, make_scope


@pytest.fixture
def rig() -> Rig:
    return Rig(KeySet(JWKS_URL, ("RS256",)), make_scope())
