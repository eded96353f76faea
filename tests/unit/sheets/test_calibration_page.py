"""What the page of a calibration says."""

from __future__ import annotations

import pytest

from askpix.producer.calibrating.page import calibration_page


@pytest.mark.parametrize(("precision", "said"), [(0.98, "98%"), (0.985, "98.5%"), (0.999, "99.9%"), (1.0, "100%")])
def test_the_share_that_is_to_be_right_is_said_as_it_was_given(precision: float, said: str) -> None:
    assert f"unchecked at {said} right<" in calibration_page("job", [], precision)
