"""What keeps a caller from a list keeps it from the items of the list."""

from __future__ import annotations

import pytest

from tests.fakes.gateway import WITH_KEY, error_of, make_gateway


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        ("{}", 200),
        ('{"routes": {"/v1/models": "list"}}', 403),
        ('{"routes": {"/v1/models/{model}": "show"}}', 403),
        ('{"routes": {"/v1/models": "list", "/v1/models/{model}": []}}', 200),
    ],
)
async def test_one_model_asks_for_what_the_list_asks_for_unless_it_has_a_rule_of_its_own(
    policy: str, status: int
) -> None:
    rig = make_gateway(POLICY=policy)
    response = await rig.send("GET", "/v1/models/fast", headers=WITH_KEY, body=b"")
    assert response.status == status
    assert status == 200 or error_of(response)["code"] == "missing_scope"
