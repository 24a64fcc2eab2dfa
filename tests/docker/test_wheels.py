"""What `make wheels` has put into docker/wheels before the image was built."""

from __future__ import annotations

import pytest

from dev.console import CHECKOUT

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.mark.parametrize("python", ["cp313", "cp314"])
def test_wheels_are_there_for_each_python_that_an_image_may_embed(python: str) -> None:
    wheels = [wheel.name for wheel in (CHECKOUT / "docker/wheels").glob("*.whl")]
    for package in ("numpy", "xxhash"):
        assert [name for name in wheels if name.startswith(f"{package}-") and f"-{python}-" in name], wheels
