"""visionloop: what people do from a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import httpx
import typer

from cli import labels, rejections, review
from cli import stack as stacks
from cli.dataset import change, compare, copies, files, keep, look, transforms
from cli.dataset.app import app as dataset_app
from cli.home import Home, StackError, connect, say
from cli.team import app as team
from include.errors import StepError

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


app.add_typer(dataset_app, name="dataset")
app.add_typer(labels.app, name="labels")
app.add_typer(team.app, name="team")
COMMANDS = (rejections, review, change, compare, copies, files, keep, look, transforms)  # importing them adds their commands


@app.command()
def up() -> None:
    """Start the embedded stack: Airflow, MLflow and an S3 server."""
    from cli.summary import addresses

    home = Home()
    say(addresses(stacks.up(home)))


@app.command()
def down() -> None:
    """Stop the embedded stack. Data stays."""
    count = stacks.down(Home())
    say(f"stopped {count} processes" if count else "nothing was running")


@app.command()
def status() -> None:
    """Which service answers, and where."""
    home = Home()
    if not stacks.show_status(home):
        raise typer.Exit(1)


@app.command()
def doctor(
    team: Annotated[bool, typer.Option("--team", help="look at the stack of docker compose")] = False,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="look at the embedded one (default: at the one that is here)")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
) -> None:
    """What is wrong with the running stack, and what to do about it. Exit code 1 if something fails."""
    from cli.doctor.command import doctor as examine

    if not examine(which(team, embedded), as_json=json):
        raise typer.Exit(1)


@app.command()
def backup(
    to: Annotated[Path | None, typer.Argument(help="folder to make (default: backups/visionloop-<time>)")] = None,
    with_content: Annotated[bool, typer.Option("--with-content", help="images, weights, logs, deliveries, too")] = False,
    team: Annotated[bool, typer.Option("--team", help="the stack of docker compose")] = False,
    embedded: Annotated[bool, typer.Option("--embedded", help="the embedded one")] = False,
) -> None:
    """Copy the databases, and the store's cards and ledgers, while everything runs: docs/backup.md."""
    from cli.backup.command import backup as make

    make(which(team, embedded), to, with_content=with_content)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="of a backup")],
    force: Annotated[bool, typer.Option("--force", help="into a stack that is not empty")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    team: Annotated[bool, typer.Option("--team", help="the stack of docker compose")] = False,
    embedded: Annotated[bool, typer.Option("--embedded", help="the embedded one")] = False,
) -> None:
    """Put a backup into a stack that is stopped; says first what it will do."""
    from cli.backup.command import restore as put_back

    put_back(which(team, embedded), folder, force=force, yes=yes)


def which(team: bool, embedded: bool) -> str | None:
    """Of the two kinds of stack; None: the one that is here."""
    return "team" if team else "embedded" if embedded else None


@app.command()
def demo() -> None:
    """Run the whole loop on real images: two label deliveries, two models, one champion."""
    from cli.demo import run_demo

    run_demo(Home())


@app.command()
def trace(
    model: Annotated[str, typer.Argument(help="<model>@champion or <model>@<version number>")],
    json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
) -> None:
    """Where a model comes from: back to the label deliveries it was trained on."""
    from cli.trace import show_trace

    connect()
    show_trace(model, as_json=json)


def main() -> None:
    """One line for what a person can mend; a traceback for a bug."""
    try:
        app()
    except httpx.TransportError as error:
        sys.stderr.write(f"visionloop: the stack stopped answering ({error}); `./visionloop up` starts it again\n")
        sys.exit(1)
    except (StackError, StepError) as error:
        sys.stderr.write(f"visionloop: {error}\n")
        sys.exit(getattr(error, "exit_code", 1))


if __name__ == "__main__":
    main()
