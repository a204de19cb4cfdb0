"""Which tests may run beside which, where two processes share them (`tools/test integration`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with Ray come first: they are the longest row."""
    items.sort(key=lambda item: item.get_closest_marker("ray") is None)


class Rows(LoadScopeScheduling):
    """Ray clusters start one after the other: files with Ray go to one process. Other files stay whole."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "ray" if _with_ray(self.config.rootpath / file) else file


@cache
def _with_ray(file: Path) -> bool:
    """By its text: the process that shares tests out collects none."""
    return "pytest.mark.ray" in file.read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Rows:
    return Rows(config, log)
