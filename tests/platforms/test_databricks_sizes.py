"""What helps a cluster against an error: memory or workers, as far as they are to be had and allowed."""

from typing import Any

import pytest

from pipemend.platforms.databricks.sizes import Most, in_words, next_size, same_fields, specification
from tests.platforms.tiny_databricks import NODES

OFFERED = [{"node_type_id": name, "memory_mb": gb * 1024} for name, gb in NODES.items()]
NOW = {"node_type_id": "Standard_D4s_v3", "num_workers": 4}
MEMORY, DRIVER, ANY = "ClusterMemoryExhausted", "SparkDriverOutOfMemory", "DiskSpaceExhausted"
D8 = {"node_type_id": "Standard_D8s_v3", "driver_node_type_id": "Standard_D8s_v3"}


@pytest.mark.parametrize(
    ("error_type", "is_now", "becomes"),
    [
        (MEMORY, {}, D8),
        (ANY, {}, {"num_workers": 8}),
        (ANY, {"num_workers": 10}, {"num_workers": 16}),
        (ANY, {"autoscale": {"min_workers": 1, "max_workers": 3}}, {"autoscale": {"min_workers": 1, "max_workers": 6}}),
        (ANY, {"num_workers": 0}, D8),  # one machine has no workers
        (ANY, {"num_workers": 16}, D8),
        (MEMORY, {"node_type_id": "Standard_D64s_v3"}, {"num_workers": 8}),  # the next one has more than is allowed
        (MEMORY, {"node_type_id": "Standard_D96s_v3"}, {"num_workers": 8}),  # there is no next one
        (MEMORY, {"node_type_id": "Standard_L8s"}, {"num_workers": 8}),  # nothing is known of it
        (MEMORY, {"instance_pool_id": "p-1"}, {"num_workers": 8}),
        (MEMORY, {"driver_node_type_id": "Standard_E8s_v3"}, {**D8, "driver_node_type_id": "Standard_E8s_v3"}),
        (DRIVER, {"driver_node_type_id": "Standard_D8s_v3"}, {**NOW, "driver_node_type_id": "Standard_D16s_v3"}),
    ],
)
def test_what_is_wanted(error_type: str, is_now: dict[str, Any], becomes: dict[str, Any]) -> None:
    becomes = {name: value for name, value in becomes.items() if name != "num_workers" or len(becomes) == 1}
    assert next_size(error_type, {**NOW, **is_now}, OFFERED, Most()) == becomes


@pytest.mark.parametrize(
    ("error_type", "is_now", "says"),
    [
        (MEMORY, {"num_workers": 16, "node_type_id": "Standard_D64s_v3"}, "Standard_D96s_v3, the next machine"),
        (MEMORY, {"num_workers": 16, "node_type_id": "Standard_D96s_v3"}, "the largest machine of its family"),
        (DRIVER, {"instance_pool_id": "p-1"}, "its machines come from a pool"),
        (ANY, {"num_workers": 0, "node_type_id": "m5.large"}, "it has one machine and no workers; nothing is known"),
    ],
)
def test_why_there_is_nothing(error_type: str, is_now: dict[str, Any], says: str) -> None:
    assert says in next_size(error_type, {**NOW, **is_now}, OFFERED, Most())


@pytest.mark.parametrize(
    "row", [{"is_deprecated": True}, {"node_info": {"status": ["NotEnabledOnSubscription"]}}, {"memory_mb": "many"}]
)
def test_a_machine_that_cannot_be_had_is_none(row: dict[str, Any]) -> None:
    offered = [OFFERED[0], {**OFFERED[1], **row}, OFFERED[2]]
    found = next_size(MEMORY, NOW, offered, Most())
    assert not isinstance(found, str)
    assert found["node_type_id"] == "Standard_D16s_v3"


def test_an_edit_sends_everything_but_what_is_only_shown() -> None:
    raw = {**NOW, "spark_version": "16.4", "state": "RUNNING", "spec": {}, "custom_tags": {"a": "b"}, "policy_id": None}
    sent = specification(raw, D8)
    assert sent == {**D8, "num_workers": 4, "spark_version": "16.4", "custom_tags": {"a": "b"}}
    assert same_fields({**raw, **sent}, D8) == D8
    assert in_words({**D8, "driver_node_type_id": "x"}) == "machines of the type Standard_D8s_v3 and a driver x"
