"""The command `asap`: puts the verbs together and turns errors into exit codes.

0 done; 1 stopped on purpose or over a limit; 2 the user can mend it; 130 interrupted. Anything
else is a defect and keeps its traceback. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from asap.cli import (
    compare,
    doctor,
    eval,
    export,
    judge,
    lab,
    plan,
    plot,
    prune,
    rank,
    report,
    score,
    show,
    train,
    verify,
    view,
)
from asap.errors import RunStopped, UserError
from asap.place import refuse_remote

app = typer.Typer(
    name="asap",
    help="Shorten chain-of-thought training data, with proof of what was removed and what it cost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from asap import __version__

        print(f"asap {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="More log; -vv for all.")
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Only errors; no progress bar.")
    ] = False,
) -> None:
    """Set up what all verbs share."""
    # No telemetry unless the user asked for it in the environment.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if not verbose:
        # It would say every attempt twice; what comes of them is said once, by us.
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    level = (
        logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    )
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s"
    )


def _guarded(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb with asap's own ends for an interrupt and for a pipe that was closed: typer would make
    others of them, and wait for the shards in flight first.
    """

    @functools.wraps(verb)
    def run(*args: Any, **values: Any) -> None:
        for value in values.values():
            # Verbs that read and write elsewhere have made a path of a store of it by now.
            if isinstance(value, Path):
                refuse_remote(value)
        try:
            verb(*args, **values)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _leave_at_once(
                "the same command goes on from here"
                if verb in (prune.prune, rank.rank, verify.verify, train.train, eval.eval, lab.lab)
                else ""
            )
        except BrokenPipeError:
            # The reader of a pipe has gone (`asap show … | head`): nothing is wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return run


app.command("prune")(_guarded(prune.prune))
app.command("plan")(_guarded(plan.plan))
app.command("score")(_guarded(score.score))
app.command("show")(_guarded(show.show))
app.command("view")(_guarded(view.view))
app.command("plot")(_guarded(plot.plot))
app.command("report")(_guarded(report.report))
app.command("rank")(_guarded(rank.rank))
app.command("verify")(_guarded(verify.verify))
app.command("train")(_guarded(train.train))
app.command("eval")(_guarded(eval.eval))
app.command("judge")(_guarded(judge.judge))
app.command("compare")(_guarded(compare.compare))
app.command("export")(_guarded(export.export))
app.command("lab")(_guarded(lab.lab))
app.command("doctor")(_guarded(doctor.doctor))


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except UserError as error:
        print(f"asap: {error}", file=sys.stderr)
        sys.exit(2)
    except RunStopped as error:
        print(f"asap: {error}", file=sys.stderr)
        sys.exit(1)


def _leave_at_once(advice: str) -> None:
    """End without waiting for the shards in flight: what is finished stands."""
    print("asap: interrupted" + (f"; {advice}" if advice else ""), file=sys.stderr, flush=True)
    os._exit(130)


if __name__ == "__main__":
    main()
