"""The command `yolo-plugins`, also `python -m yolo_plugins`: its subcommands are the modules of `commands`.

Help and version import none of these, so that they come at once.
"""

import ast
import re
import sys
from importlib import import_module
from pathlib import Path

from yolo_plugins.cli import one_line_errors
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import suggest

_HELP = """usage: yolo-plugins COMMAND [arguments]

{commands}

yolo-plugins COMMAND --help tells the rest; yolo-plugins --version the version"""


def subcommands() -> dict[str, str]:
    """The first clause of what each subcommand says of itself, by its name."""
    modules = sorted((Path(__file__).parent / "commands").glob("[!_]*.py"))
    return {path.stem.replace("_", "-"): _first_clause(path) for path in modules}


def _first_clause(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"[:;.](?:\s|$)", text, maxsplit=1)[0]


def main() -> None:
    """Runs the subcommand that the command line names, as if it were a program of its own."""
    known = subcommands()
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    with one_line_errors():
        if name in ("-h", "--help"):
            width = max(map(len, known))
            print(_HELP.format(commands="\n".join(f"  {key:{width}}  {line}" for key, line in known.items())))
        elif name == "--version":
            from yolo_plugins.versions import describe_installation

            print(describe_installation())
        elif name not in known:
            raise UsageError(f"no command {name!r}; {suggest(name, known, 'yolo-plugins --help lists them')}")
    if name in known:
        sys.argv[:2] = [f"yolo-plugins {name}"]  # what usage and records say
        import_module(f"yolo_plugins.commands.{name.replace('-', '_')}").main()


if __name__ == "__main__":
    main()
