"""GraphiQL, served from this host: the page, its own few lines, and the vendored files of `priv/console`."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from bridge.process.settings import shipped
from bridge.transports.http.page import SAFE, page_headers

# Vendored files are kept compressed, and every browser takes them so.
FILES = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "graphiql.min.css.gz": "text/css",
    "graphiql.min.js.gz": "text/javascript",
    "react-dom.production.min.js.gz": "text/javascript",
    "react.production.min.js.gz": "text/javascript",
}

# What GraphiQL needs; its fonts and icons are in its style sheet.
NEEDED = "script-src 'self'; style-src 'self'; font-src data:; img-src data:; connect-src 'self'"


def console_routes() -> list[Route]:
    """Return the routes of the page and of its files."""
    folder = shipped("console")
    return [_route("/console", folder / "index.html", "text/html")] + [
        _route(f"/console/{name.removesuffix('.gz')}", folder / name, kind) for name, kind in FILES.items()
    ]


def _route(path: str, file: Path, media_type: str) -> Route:
    headers = page_headers(NEEDED) if media_type == "text/html" else dict(SAFE)
    if file.suffix == ".gz":
        headers["content-encoding"] = "gzip"

    async def serve(_request: Request) -> Response:
        return FileResponse(file, headers=headers, media_type=media_type)

    return Route(path, serve)
