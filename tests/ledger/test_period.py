from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.ledger.period import SOON_MS, Period, Span

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


@pytest.mark.parametrize("span", Span)
@given(moment=MOMENTS)
def test_a_period_ends_where_the_next_begins(span: Span, moment: datetime) -> None:
    now_ms = int(moment.timestamp() * 1000)
    next_ms = now_ms + span.ends_ms(now_ms)
    assert span.number(next_ms - 1) == span.number(now_ms)
    assert span.number(next_ms) == span.number(now_ms) + 1
    begun = datetime.fromtimestamp(next_ms / 1000, UTC)
    assert (begun.hour, begun.minute, begun.second, begun.microsecond) == (0, 0, 0, 0)
    assert span is Span.DAY or begun.day == 1
    assert begun - moment <= timedelta(days=1 if span is Span.DAY else 31)


def test_money_that_is_only_reserved_may_soon_be_free_and_money_that_is_spent_not_before_the_end() -> None:
    noon_ms = 12 * 3_600_000
    day = Period(span=Span.DAY, number=0, spent=60, reserved=30)
    assert day.wait_ms(10, 100, noon_ms) == 0
    assert day.wait_ms(11, 100, noon_ms) == SOON_MS
    assert day.wait_ms(41, 100, noon_ms) == 12 * 3_600_000
    assert day.wait_ms(101, 100, noon_ms) is None
