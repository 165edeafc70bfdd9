"""OpenID Connect: description, authorisation with PKCE, token and keys."""

import base64
from urllib.parse import unquote, urlencode

from ..operations import operation
from ..single_sign_on import CLIENT_ID, CLIENT_SECRET, LIVES
from ..wire import Answer, Call, json_answer
from ..world import World

SERVICE = "single_sign_on"


def issuer(call: Call) -> str:
    return f"{call.base_url}/oidc"


def description(world: World, call: Call) -> Answer:
    base = issuer(call)
    return json_answer(
        {
            "issuer": world.single_sign_on.present.calls_itself or base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


def authorise(world: World, call: Call) -> Answer:
    """Whoever is signed in agrees at once."""
    asked = call.query
    known = asked.get("client_id") == CLIENT_ID and "redirect_uri" in asked
    if not known or asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
        return json_answer({"error": "invalid_request"}, 400)
    code = world.single_sign_on.authorise(asked["redirect_uri"], asked["code_challenge"], asked.get("nonce"))
    back = urlencode({"code": code, "state": asked.get("state", ""), "iss": issuer(call)})
    return Answer(302, headers=(("Location", f"{asked['redirect_uri']}?{back}"),))


def token(world: World, call: Call) -> Answer:
    form = call.fields()
    if _client(call) != (CLIENT_ID, CLIENT_SECRET):
        return json_answer({"error": "invalid_client"}, 401)
    redeemed = world.single_sign_on.redeem(
        str(form.get("code")), str(form.get("redirect_uri")), str(form.get("code_verifier"))
    )
    if redeemed is None:
        return json_answer({"error": "invalid_grant"}, 400)
    told = world.single_sign_on.id_token(issuer(call), redeemed.nonce)
    return json_answer({"access_token": "twin", "token_type": "Bearer", "expires_in": LIVES, "id_token": told})


def keys(world: World, _: Call) -> Answer:
    return json_answer({"keys": [world.single_sign_on.key.as_dict(private=False)]})


def _client(call: Call) -> tuple[str, str]:
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        form = call.fields()
        return str(form.get("client_id")), str(form.get("client_secret"))
    name, _, secret = base64.b64decode(given).decode().partition(":")
    return unquote(name), unquote(secret)


OPERATIONS = (
    operation(SERVICE, "description", "GET", "/oidc/.well-known/openid-configuration", description),
    operation(SERVICE, "authorise", "GET", "/oidc/authorize", authorise),
    operation(SERVICE, "token", "POST", "/oidc/token", token),
    operation(SERVICE, "keys", "GET", "/oidc/keys", keys),
)
