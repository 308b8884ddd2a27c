"""/v1/models: the versions in the registry, and switching between them while requests go on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from aisle.bundle import Bundle
from aisle.pipeline import Pipeline
from aisle.schema import format_timestamp
from aisle.serve.bodies import PathId
from aisle.serve.faults import problem, refusals
from aisle.serve.json_route import JsonAnswer, JsonRoute
from aisle.serve.service import ServiceOfApp
from aisle.store.contract import BundleRecord

router = APIRouter(route_class=JsonRoute, tags=["models"])


class ModelAnswer(BaseModel):
    """One bundle of the registry."""

    version: str
    active: bool
    created: str = Field(description="RFC 3339")
    manifest_sha256: str
    metrics: dict[str, Any]


class ModelsAnswer(BaseModel):
    """Every version, the newest first."""

    active: str | None
    models: list[ModelAnswer]


@router.get("/v1/models", response_model=ModelsAnswer, responses=refusals())
def list_models(service: ServiceOfApp) -> Response:
    """The versions in the registry."""
    records = sorted(service.store.bundles(), key=lambda record: record.created_ms, reverse=True)
    active = next((record.version for record in records if record.is_active), None)
    return JsonAnswer({"active": active, "models": [_model(record) for record in records]})


@router.post("/v1/models/{version}:activate", response_model=ModelAnswer, responses=refusals(404, 409))
def activate_model(version: PathId, service: ServiceOfApp) -> Response:
    """Answer by this version from now on, in every worker; each of its files is checked against its hash first."""
    record = next((record for record in service.store.bundles() if record.version == version), None)
    if record is None:
        return problem(404, f"there is no version {version!r}; GET /v1/models lists them")
    bundle = Bundle.open(service.workspace.directory / record.path, manifest_sha256=record.manifest_sha256)
    Pipeline.load(bundle)  # sound files may still not make a pipeline of this release
    service.store.activate_bundle(version)
    service.recommender.refresh()
    return JsonAnswer({**_model(record), "active": True})


def _model(record: BundleRecord) -> dict[str, Any]:
    return {
        "version": record.version,
        "active": record.is_active,
        "created": format_timestamp(record.created_ms),
        "manifest_sha256": record.manifest_sha256,
        "metrics": record.metrics,
    }
