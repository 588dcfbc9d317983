"""Commands about datasets."""

from __future__ import annotations

import click

from bridge.cli import show
from bridge.cli.opened import as_json, asked
from bridge.datasets.checks import CHECK_DATASET
from cerebros.data.manifest import manifest_schema


@click.group()
def dataset() -> None:
    """Check datasets against their manifests."""


@dataset.command()
@click.argument("manifest")
@as_json
def check(manifest: str, json: bool) -> None:
    """Read a dataset, check it and report."""
    show.report(asked(CHECK_DATASET, manifest=manifest), json=json)


@dataset.command()
def schema() -> None:
    """Print the manifest format as JSON Schema."""
    show.json_line(manifest_schema())
