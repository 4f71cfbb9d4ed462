"""What is here and how it does: /v1/models, /health, /metrics; and /v1/embeddings, which is not here."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from redraft import __version__
from redraft.server.errors import ApiError
from redraft.server.served import Served
from redraft.server.service import Service


def state_routes(service: Service) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The models that are served."""
        return {"object": "list", "data": [described(served) for served in service.served.values()]}

    @router.get("/v1/models/{name:path}")
    async def model(name: str, request: Request) -> dict[str, Any]:
        """One of them."""
        return described(service.find(request, name))

    @router.get("/health")
    async def health() -> Response:
        """Whether every engine is at work: 200, or 503."""
        well = all(served.thread.alive for served in service.served.values())
        values = {"status": "ok" if well else "down", "version": __version__, "models": list(service.served)}
        return JSONResponse(values, 200 if well else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Counters and histograms for Prometheus."""
        text = service.metrics.text(list(service.served.values()))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    @router.post("/v1/embeddings")
    async def embeddings() -> Response:
        """Refused: these models write text; they were not trained to place it."""
        raise ApiError("this server makes no embeddings", code="unsupported_endpoint")

    return router


def described(served: Served) -> dict[str, Any]:
    return {
        "id": served.name,
        "object": "model",
        "created": 0,
        "owned_by": "redraft",
        "context_length": served.voice.room,
        "modes": list(served.voice.modes),
        "labels": list(served.voice.labels),
        "canvas": served.model.defaults.block_length,
        "instructions": list(served.model.defaults.instructions),
    }
