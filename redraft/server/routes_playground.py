"""GET / and /playground/*: the playground's files, and what it needs to know that the API does not say.

The files are read once, so a path is a name in a table and leads nowhere else. Pages ask nobody but this server: their
content security policy says so. What a model wrote is previewed in a frame that may run scripts and nothing more. It is
a page of its own with a policy of its own, because a document that is handed over as `srcdoc` would inherit the strict
one and run nothing.
"""

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from redraft import __version__
from redraft.instant.presets import PRESETS, Preset, standing
from redraft.page import page
from redraft.sampling.decoding import Decoding, policy_spec, to_json
from redraft.server.errors import ApiError
from redraft.server.served import Served
from redraft.server.service import Service
from redraft.trace import parse_trace

FOLDER = Path(__file__).parent / "playground"
INDEX, FRAME = "index.html", "frame.html"
TYPES = {
    ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
}  # fmt: skip

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# An opaque origin: no cookies, no storage, no way to the page around it; no popups, forms, dialogs, downloads. Nothing
# is loaded from anywhere, and the page around it lets the frame go nowhere else.
CONFINED = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "cache-control": "no-cache", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), display-capture=(), usb=(), serial=()",
    "x-dns-prefetch-control": "off",
}  # fmt: skip

EXAMPLES = {
    "write": [
        "One day, a little girl named Lily",
        "Once upon a time, there was a small fox who",
        "The old man looked at the sea and",
    ],
    "app": [
        "A xylophone that can be played with the mouse and the keyboard",
        "Tic-tac-toe for two players",
        "A video chat with two participants",
    ],
    "edit": [
        "She go to school yesterday . He have a big red balls and they was very happy to seeing it .",
        "I likes to eat apple every days . My mother make the best cake in world .",
        "The childrens was playing in garden . It were a sunny day and they was happy .",
    ],
    "live": [
        "so yesterday we goes to the park and there was many dogs . my brother he want to play with all of them . "
        "then it start to rain and we runned home . mother make some tea and we was happy .",
        "hello everyone my name is tom and i lives in a small town . every morning i walk to the beach and look at the "
        "boats . they comes home with many fishes .",
    ],
    "infill": ["Tom was sad because ____. Then his mother gave him a ____ and he smiled."],
    "chat": ["Hello! I would like to book a table for two.", "Can you tell me a story about a bear?"],
}


def playground_routes(service: Service) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in TYPES}

    @router.get("/")
    async def index() -> Response:
        """The page."""
        return _file(files, INDEX)

    @router.get("/playground/config")
    async def config() -> dict[str, Any]:
        """What can be asked of which model, and what to ask at first."""
        models = [described(served) for served in service.served.values()]
        return {"version": __version__, "models": models, "examples": EXAMPLES}

    @router.post("/playground/page")
    async def saved(request: Request) -> Response:
        """A trace as one HTML file."""
        try:
            html = page(parse_trace((await request.body()).decode(), "the trace"))
        except ValueError as error:
            raise ApiError(str(error)) from None
        return Response(html, headers=HEADERS | {"content-disposition": "attachment"}, media_type=TYPES[".html"])

    @router.get("/playground/{name}")
    async def file(name: str) -> Response:
        """What the page is made of."""
        if name not in files or name == INDEX:
            raise ApiError(f"there is no GET /playground/{name[:64]}", status=404)
        return _file(files, name)

    return router


def _file(files: dict[str, bytes], name: str) -> Response:
    policy = CONFINED if name == FRAME else STRICT
    headers = HEADERS | {"content-security-policy": policy}
    return Response(files[name], headers=headers, media_type=TYPES[Path(name).suffix])


def described(served: Served) -> dict[str, Any]:
    """A model as the page shows it."""
    model, voice, defaults = served.model, served.voice, served.model.defaults
    return {
        "id": served.name,
        "title": voice.title,
        "parameters": sum(weights.numel() for weights in model.network.parameters()),
        "about": about(served),
        "trained_here": voice.edit_id is not None,
        "context_length": voice.room,
        "canvas": defaults.block_length,
        "modes": list(voice.modes),
        "labels": list(voice.labels),
        "chat": voice.chat is not None,
        "cannot": dict(voice.cannot),
        "corrects": voice.edit_id is not None,
        "presets": [preset_json(served, each) for each in PRESETS.values()],
        "decodings": {
            "generate": advice(defaults.generate),
            "infill": advice(defaults.infill),
            "edit": advice(defaults.edit),
        },
    }  # fmt: skip


def preset_json(served: Served, preset: Preset) -> dict[str, Any]:
    """A preset as this model is to be told it, and what may be hoped for. `{...}` is for the reader to fill in."""
    trained = served.model.defaults.instructions
    expected = standing(preset, trained, served.voice.chat is not None)
    instruction = preset.name if expected == "trained" else preset.instruction
    return {"name": preset.title, "instruction": instruction, "standing": expected}


def advice(decoding: Decoding) -> dict[str, Any]:
    """A recommended decoding, whole and in short."""
    return {"policy": policy_spec(decoding.policy), "json": to_json(decoding)}


def about(served: Served) -> str:
    """What may be expected of a model, in one sentence, rather too little than too much."""
    voice, trained = served.voice, served.model.defaults.instructions
    if voice.edit_id is not None:
        corrects = f"corrects English ({', '.join(trained)})" if trained else "edits"
        return (
            f"A small model of this project: it continues simple stories and dialogues, fills gaps and {corrects}. "
            "It cannot write code or web pages, and knows little of the world."
        )
    talks = "It can be talked to" if voice.chat is not None else "It brings no chat template, so it only continues text"
    return f"An open checkpoint of the family {voice.title}. {talks}; what it can do beyond that is up to its training."
