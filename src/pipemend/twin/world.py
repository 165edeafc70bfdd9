"""The world: everything the twin remembers. A reset makes it new."""

from collections.abc import Mapping
from typing import Any

from .action_group import ActionGroup
from .clock import Timers
from .data_factory.engine import Engine
from .data_factory.model import Estate
from .databricks.activities import Activities
from .databricks.workspace import Account
from .faults import FaultBook
from .gemini.settings import Model
from .identity import Identity
from .jira.reports import Reports
from .jira.site import Site
from .journal import Journal
from .listeners import Listeners
from .logic_apps.definition import read_definition
from .logic_apps.job_playbook import JobPlaybook
from .logic_apps.loaded import load
from .logic_apps.playbook import Playbook
from .logic_apps.runner import Runner
from .logic_apps.workflows import DEFAULT, Workflow
from .ports import Ports
from .post import Postman
from .single_sign_on import Provider
from .slack.presses import Presses
from .slack.workspace import Workspace
from .storage import Storage

FACTORY, WORKSPACE = "adf-twin", "dbx-twin"


class World:
    def __init__(self) -> None:
        self.timers = Timers()
        self.ports = Ports()
        self._postmen = (Postman(), Postman(), Postman(), Postman())
        self.presses = Presses()
        self.runner = Runner()
        self._fill()

    def _fill(self) -> None:
        alerts, callbacks, webhooks, reports = self._postmen
        self.journal = Journal()
        self.faults = FaultBook()
        self.identity = Identity()
        self.storage = Storage()
        self.estate = Estate()
        self.estate.define(FACTORY)
        self.action_group = ActionGroup(self.timers, self.estate, alerts)
        self.databricks = Account(self.timers, webhooks, self.estate.succeeded_since, self.action_group.hear_cluster)
        self.databricks.define(WORKSPACE)
        activities = Activities(self.timers, self.databricks, self.ports)
        self.engine = Engine(self.timers, self.action_group.hear, activities.start)
        jobs = JobPlaybook(self.timers, self.databricks, callbacks)
        self.playbook = Playbook(self.timers, self.estate, self.engine, jobs, callbacks)
        self.workflows = {DEFAULT: Workflow(DEFAULT)}
        self.slack = Workspace()
        self.jira = Site()
        self.reports = Reports(reports)
        self.listeners = Listeners()
        self.gemini = Model()
        self.openai = Model()
        self.single_sign_on = Provider()

    def load_playbook(self, name: str, raw: Any, values: Mapping[str, Any]) -> str:
        """Makes a workflow of a definition, with those of the values that it has parameters for; its name.

        Raises BadDefinition.
        """
        named = read_definition(raw).parameters
        given = {parameter: value for parameter, value in values.items() if parameter in named}
        self.workflows.setdefault(name, Workflow(name)).app = load(name, raw, given, pace=1.0)
        return name

    def workspace_at(self, port: int | None) -> str:
        """The name of the workspace that answers at this port; the first one answers at the twin's own."""
        return self.ports.name(port) or WORKSPACE

    def reset(self) -> None:
        """Back to the beginning; what was under way is dropped."""
        self.timers.cancel_all()
        self.runner.forget()
        for postman in self._postmen:
            postman.forget()
        self.presses.forget()
        self._fill()

    async def close(self) -> None:
        self.timers.cancel_all()
        self.ports.close()
        await self.runner.close()
        for postman in self._postmen:
            await postman.close()
        await self.presses.close()
