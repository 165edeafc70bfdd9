from tests.clients.twin_stage import stage

__all__ = ["stage"]
