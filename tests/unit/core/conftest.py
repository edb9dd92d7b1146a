"""A library to ask, for the tests of what reads the index."""

from __future__ import annotations

import pytest
from shelf import Shelf


@pytest.fixture
def shelf():
    return Shelf()
