"""Commands about datasets."""

from __future__ import annotations

import click

from bridge.cli import show
from bridge.cli.questions import question
from bridge.datasets.checks import CHECK_DATASET
from cerebros.data.manifest import manifest_schema


@click.group()
def dataset() -> None:
    """Check datasets against their manifests."""


dataset.add_command(question("check", CHECK_DATASET, show.report))


@dataset.command()
def schema() -> None:
    """Print the manifest format as JSON Schema."""
    show.json_line(manifest_schema())
