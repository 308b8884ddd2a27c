"""What the endpoints of one app share: the workspace's store, the pipeline, the served log and the instruments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from aisle.pipeline import Recommender
from aisle.serve.access import Keys
from aisle.serve.answer_lane import AnswerLane
from aisle.serve.drift import DriftCounts, drift_facts
from aisle.serve.instruments import Fact, Instruments
from aisle.serve.served_log import ServedLog
from aisle.serve.shelf import Shelf
from aisle.serve.write_lane import WriteLane
from aisle.workspace import Workspace


class Service:
    """The open parts of one server process.

    Args:
        directory: The workspace to serve.

    Raises:
        ConfigError: there is no workspace, or its configuration is wrong.
    """

    def __init__(self, directory: Path) -> None:
        self.workspace = Workspace.open(directory)
        settings = self.workspace.config
        server = settings.server
        self.keys = Keys(server.admin_key, server.write_key)
        self.browser_placements = frozenset(server.browser_placements)
        self.image_origins = settings.storefront.image_origins
        self.is_simulated = settings.simulated
        self.store = self.workspace.open_store()
        self.recommender = Recommender(self.store, settings, directory, in_background=True)
        self.shelf = Shelf(self.recommender)
        self.instruments = Instruments()
        self.writes = WriteLane()
        self.answers = AnswerLane(server.max_recommendations_at_once)
        self.drift = DriftCounts.of_environment()
        self.served_log = ServedLog(self.store.log_served, on_lost=self.instruments.count_served_lost)
        self.recommender.refresh()  # ready means that the first answer need not wait for the bundle

    def facts(self) -> Mapping[str, Fact]:
        """What a scrape reads from the store and from all workers' observations, the same from every worker."""
        self.recommender.refresh()
        version, pipeline = self.recommender.model_version, self.recommender.pipeline
        facts: dict[str, Fact] = {
            "aisle_model_info": ("The version that answers", [({"version": version}, 1.0)]),
            "aisle_clock_seconds": ("The shop's own time", [({}, self.store.now_ms() / 1000)]),
        }
        stage = pipeline.rank_stage if pipeline is not None else None
        if stage is not None and stage.reference is not None:
            facts.update(drift_facts(stage.reference, self.drift.total(version)))
        return facts

    def close(self) -> None:
        """Write what waits and close the store."""
        self.served_log.close()
        self.store.close()


async def _service_of(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


#: What an endpoint asks for to get the app's :class:`Service`; async, so that it costs no change of thread.
ServiceOfApp = Annotated[Service, Depends(_service_of)]
