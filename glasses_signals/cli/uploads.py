"""What comes before a run: `bundle`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--account", required=True, help="Account id that the media belong to.")
@click.option("--upload-id", help="Id of this upload [default: the folder's name].")
def bundle(folder: Path, account: str, upload_id: str | None) -> None:
    """Write upload.json for a folder of media, all marked as put to the AI.

    Capture times are the files' modification times; correct them in upload.json if need be.
    """
    from glasses_signals.uploads.bundles import write_manifest

    click.echo(f"wrote {write_manifest(folder, account, upload_id)}")
    click.echo(
        f"Next: a line for {account} in accounts.jsonl, saying what its holder agreed to "
        "(docs/formats.md has one), then extract with --dry-run"
    )
