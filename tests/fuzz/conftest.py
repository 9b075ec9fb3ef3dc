"""Prints how the inputs ended: kinds by tool, wrong values accepted, and the faults by cause."""

from collections import Counter, defaultdict

from fuzz.cases import KINDS
from fuzz.wrong_values import WRONG_VALUES


def pytest_terminal_summary(terminalreporter) -> None:
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    faults: dict[str, list[str]] = defaultdict(list)
    names: set[str] = set()
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        kind = dict(report.user_properties).get("kind")
        if kind and report.when == "call":
            name = report.nodeid.partition("[")[2][:-1]
            names.add(name)
            kinds[name.partition(":")[0]][kind] += 1
            if report.failed:
                said = report.longreprtext.partition("AssertionError: ")[2].partition("\n")[0]
                faults[said].append(name)
    if not kinds:
        return
    write = terminalreporter.write_line
    terminalreporter.section("how the inputs ended")
    write(f"{'':<32}" + "".join(f"{kind:>14}" for kind in (*KINDS, "all")))
    for tool in sorted(kinds):
        write(_row(tool, kinds[tool]))
    write(_row("all tools", sum(kinds.values(), Counter())))
    done = len(WRONG_VALUES.keys() & names)
    passed = len(WRONG_VALUES.keys() & {name for listed in faults.values() for name in listed})
    write(f"wrong values that pass, or are not refused by one line: {passed} of {done}")
    for said, listed in sorted(faults.items()):
        write(f"\n{said}")
        for name in listed:
            write(f"    {name}")


def _row(tool: str, counts: Counter[str]) -> str:
    return f"{tool:<32}" + "".join(f"{counts[kind]:>14}" for kind in KINDS) + f"{counts.total():>14}"
