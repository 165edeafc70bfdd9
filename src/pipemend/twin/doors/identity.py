"""The token endpoint that an App Service gives its applications."""

from ..identity import HEADER_VALUE, grant
from ..operations import operation
from ..wire import Answer, Call, json_answer
from ..world import World

CLIENT_ID = "5e29463d-71da-4fe0-8e69-999b57db23b0"


def token(world: World, call: Call) -> Answer:
    if call.headers.get("x-identity-header") != HEADER_VALUE:
        return json_answer({"statusCode": 401, "message": "The X-IDENTITY-HEADER is missing or wrong."}, 401)
    resource = call.query.get("resource")
    if not resource or "api-version" not in call.query:
        return json_answer({"statusCode": 400, "message": "resource and api-version are required."}, 400)
    granted, expires_on = grant(world.identity, resource)
    return json_answer(
        {
            "access_token": granted,
            "expires_on": str(expires_on),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": call.query.get("client_id", CLIENT_ID),
        }
    )


OPERATIONS = (operation("identity", "token", "GET", "/identity/token", token),)
