"""Playbooks as we ship them, with real processes: asked, answered later, and called back."""

import pytest

from tests.deploy.shipped import template
from tests.scenarios.installation import Installation


@pytest.mark.soak
@pytest.mark.parametrize("told", [True, False])
def test_a_pipeline_is_healed_by_the_logic_app_that_we_ship(installed: Installation, told: bool) -> None:
    us = f"http://127.0.0.1:{installed.port}" if told else ""
    where = {name: installed.environment[f"AZURE_{name}"] for name in ("SUBSCRIPTION_ID", "RESOURCE_GROUP")}
    factory = installed.environment["AZURE_DATA_FACTORY_NAME"]
    group = f"/subscriptions/{where['SUBSCRIPTION_ID']}/resourceGroups/{where['RESOURCE_GROUP']}"
    resource = f"{group}/providers/Microsoft.DataFactory/factories/{factory}"
    body = {"definition": template("retry_pipeline"), "parameters": {"factories": [resource], "pipemendUrl": us}}
    installed.twin.put("/twin/workflows/retry-pipeline", json=body).raise_for_status()
    installed.environment["PUBLIC_URL"] = us or "http://127.0.0.1:9"
    installed.starts()

    installed.breaks("nightly", outcomes=["GatewayTimeout", "Succeeded"])

    ticket = installed.until_ticket("nightly", "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")
    [attempt] = installed.get(f"/api/tickets/{ticket['id']}/remediation-history")["attempts"]
    assert attempt["via"] == "playbook"
    assert [rerun["runId"] for rerun in installed.reruns("nightly")] == [ticket["remediation_run_id"]]
    calls = installed.twin.get("/twin/workflows/retry-pipeline/runs").json()["runs"]
    assert [one["status"] for one in calls] == [202]
    assert calls[0]["actions"].get("Call_back", {}).get("status") == ("Succeeded" if told else "Skipped")
