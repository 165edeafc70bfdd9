from tests.twin.conftest import stage

__all__ = ["stage"]
