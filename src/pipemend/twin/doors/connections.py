"""The part of Resource Manager that shows linked services and tests them."""

from ..data_factory.model import Factory, LinkedService
from ..data_factory.views import DATASET, dataset_view, linked_service_view
from ..operations import operation
from ..refusals import arm_error
from ..wire import Answer, Call, Refused, json_answer
from ..world import World
from .resource_manager import FACTORY, SERVICE, factory_of, guarded, json_object


def get_dataset(world: World, call: Call) -> Answer:
    factory, name = factory_of(world, call), call.params["dataset"]
    service = _service(factory, name.removeprefix(DATASET), f"dataset/{name}")
    return json_answer(dataset_view(world.estate, factory, service))


def get_linked_service(world: World, call: Call) -> Answer:
    factory, name = factory_of(world, call), call.params["service"]
    return json_answer(linked_service_view(world.estate, factory, _service(factory, name, f"linkedService/{name}")))


def test_connectivity(world: World, call: Call) -> Answer:
    """Whether the service works that the body describes."""
    given = json_object(call).get("linkedService")
    name = str(given.get("name", "")) if isinstance(given, dict) else ""
    service = _service(factory_of(world, call), name, f"linkedService/{name}")
    if service.works:
        return json_answer({"succeeded": True})
    return json_answer({"succeeded": False, "errors": [{"code": "9603", "message": service.error}]})


def _service(factory: Factory, name: str, target: str) -> LinkedService:
    found = factory.linked_services.get(name.casefold())
    if found is None:
        raise Refused(arm_error("NotFound", f"{target} was not found.", 404, target))
    return found


OPERATIONS = (
    operation(SERVICE, "getDataset", "GET", FACTORY + "/datasets/{dataset}", guarded("reads", get_dataset)),
    operation(
        SERVICE,
        "getLinkedService",
        "GET",
        FACTORY + "/linkedservices/{service}",
        guarded("reads", get_linked_service),
    ),
    operation(SERVICE, "testConnectivity", "POST", FACTORY + "/testConnectivity", guarded("writes", test_connectivity)),
)
