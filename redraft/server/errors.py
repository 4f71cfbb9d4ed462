"""Errors: what a client is told, in OpenAI's error body. Knows statuses and names of fields; refuses to know causes.

A message is written for the client: it holds no path and no trace.
"""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

MAX_MESSAGE = 500
# What pydantic calls a problem, as OpenAI's clients know it.
CODES = {"extra_forbidden": "unknown_parameter", "missing": "missing_required_parameter"}
FORMS = ("str", "int", "float", "bool", "dict", "list", "constrained-float")
MESSAGES = {"extra_forbidden": "unknown parameter", "missing": "a required parameter is missing"}


class ApiError(Exception):
    """A request that is not answered: its status, and which field of it is to blame."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        return error_body(self.message, kind_of(self.status), self.param, self.code)


def unsupported(name: str, why: str) -> ApiError:
    """A field that is known and means something, but not here."""
    return ApiError(f"{name} is not supported: {why}", param=name, code="unsupported_parameter")


def kind_of(status: int) -> str:
    """OpenAI's word for a status."""
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    return kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")


def error_body(message: str, kind: str, param: str | None, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message[:MAX_MESSAGE], "type": kind, "param": param, "code": code}}


def error_response(error: ApiError) -> Response:
    headers = {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after)))}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    # Escaped to ASCII: what a client sent may hold halves of characters, and they come back in a message.
    return Response(json.dumps(error.body()), error.status, headers, "application/json")


def add_handlers(app: FastAPI) -> None:
    """Every way a request can fail, as an error body."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(validation_error(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = {404: f"there is no {request.method} {request.url.path}", 405: f"{request.method} is not answered here"}
    return error_response(ApiError(said.get(error.status_code, str(error.detail)), status=error.status_code))


def validation_error(problems: Any) -> ApiError:
    """The problem that says most: a wrong value rather than a wrong type, and deep rather than on the surface.

    A value that may have several forms fails in all of them; where it has the form and a wrong value, that is meant.
    """
    problem = max(problems, key=lambda found: (not found["type"].endswith("_type"), len(found["loc"])))
    if problem["type"] == "json_invalid":
        return ApiError("the body is not JSON", code="invalid_json")
    param = ".".join(str(part) for part in problem["loc"][1:] if not _is_form(part))
    if not param:
        return ApiError("the body must be a JSON object", code="invalid_type")
    said = MESSAGES.get(problem["type"], str(problem["msg"]).removeprefix("Value error, "))
    return ApiError(f"{param}: {said}", param=param, code=CODES.get(problem["type"], "invalid_value"))


def _is_form(part: str | int) -> bool:
    """Whether a part of a place in a body names no field but one of the forms that its value may have."""
    return isinstance(part, str) and ("[" in part or part[:1].isupper() or part in FORMS)
