"""The command line: one file per command, and what every command's end means."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import NoReturn

import typer

from optkit.core.errors import Exit, OptkitError, bad_input
from optkit.core.interrupts import remember_interrupts
from optkit.core.release import VERSION

COMMANDS = (
    "init", "convert", "run", "report", "tune", "plan", "lint", "inspect", "validate", "verify",
    "blame", "bench", "devices", "passes", "doctor",
)  # fmt: skip
GROUPS = ("recipe", "baseline", "cache")


def make_app(only: str | None = None) -> typer.Typer:
    """The application with every command; with one alone it is there in a fraction of the time."""
    app = typer.Typer(
        name="optkit",
        help="Optimize, convert, measure and check trained networks.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in COMMANDS if only is None else {only} & {*COMMANDS}:
        app.command(name)(getattr(import_module(f"optkit.cli.{name}"), name))
    for name in GROUPS if only is None else {only} & {*GROUPS}:
        app.add_typer(import_module(f"optkit.cli.{name}").app, name=name)
    return app


def main() -> NoReturn:
    """Run a command; its end becomes the exit code, never a traceback."""
    # torch's threads spin while they wait for each other; on a busy machine, such as a CI runner,
    # that can make a small network a hundred times slower. Timing is done in another process.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    remember_interrupts()
    code = int(run_command(sys.argv[1:]))
    if code == Exit.INTERRUPTED:
        # Where a library was executing generated code when Ctrl-C came, Python would remember an
        # unhandled interrupt, and end itself by a signal instead of this code.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Run a command line and return its exit code."""
    as_json = "--json" in arguments
    try:
        named = arguments[0] if arguments[:1] and arguments[0] in {*COMMANDS, *GROUPS} else None
        app = make_app(named)
        result = app(_lock_named(arguments), prog_name="optkit", standalone_mode=False)
    except typer.TyperException as error:
        return _failed(_usage(error), as_json)
    except OptkitError as error:
        return _failed(error, as_json)
    except Exception as error:  # a fault of ours: everything a user can cause is an OptkitError
        return _failed(fault(error), as_json)
    if result == Exit.INTERRUPTED:  # how typer ends on Ctrl-C
        kept = "finished steps are kept: the same command goes on from there"
        return _failed(OptkitError("interrupted", kept, exit_code=Exit.INTERRUPTED), as_json)
    return result if isinstance(result, int) else Exit.OK


def _lock_named(arguments: list[str]) -> list[str]:
    """`--locked LOCK` as `--lock LOCK`: the parser knows no option whose value may be left out."""
    found = list[str]()
    for word in arguments:
        flag, sign, value = word.partition("=")
        if flag == "--locked" and sign:
            found += ["--lock", value]
        elif found[-1:] == ["--locked"] and word.endswith(".lock"):
            found[-1:] = ["--lock", word]
        else:
            found.append(word)
    return found


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"optkit {VERSION}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", help="Show the version.", is_eager=True, callback=_show_version
    ),
) -> None:
    pass


def _usage(error: Exception) -> OptkitError:
    """What the command line's parser refused."""
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "optkit"
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the whole help
        message = f"'{path}' needs a command: {', '.join(context.command.commands)}"  # type: ignore[union-attr]
    return bad_input(message, f"{path} --help")


def _failed(error: OptkitError, as_json: bool) -> int:
    """Tell the error; to a machine as the manifest of what was done, where anything ran."""
    from optkit.console import open_console, print_error, print_json

    told = as_json and error.manifest is not None
    if told:
        print_json(open_console(json=True), error.manifest)
    print_error(error, as_json=as_json and not told)
    return error.exit_code


def fault(error: Exception) -> OptkitError:
    """A fault in optkit itself: the traceback goes to a file that the user can send."""
    import platform
    import tempfile
    import traceback

    from optkit.core.versions import versions

    names = ("torch", "onnx", "onnxruntime", "openvino", "nncf", "numpy", "pydantic", "typer")
    facts = {"optkit": VERSION, "python": platform.python_version(), **versions(names)}
    with tempfile.NamedTemporaryFile(
        "w", prefix="optkit-fault-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write("".join(f"{name} {version}\n" for name, version in facts.items()))
        file.write(f"{' '.join(sys.argv)}\n\n{''.join(traceback.format_exception(error))}")
    line = f"{type(error).__name__}: {error}".splitlines()[0]
    return OptkitError(
        f"a fault in optkit itself: {line}",
        f"please report it with the log {file.name}",
        exit_code=Exit.FAULT,
    )
