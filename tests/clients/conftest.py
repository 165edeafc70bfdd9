from tests.twin.conftest import stage, twin

__all__ = ["stage", "twin"]
