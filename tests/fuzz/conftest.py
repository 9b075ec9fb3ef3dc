"""Prints how the inputs ended: kinds by tool, wrong values accepted, and the faults by cause."""

from collections import Counter, defaultdict

from fuzz.cases import KINDS


def pytest_terminal_summary(terminalreporter) -> None:
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    faults: dict[str, list[str]] = defaultdict(list)
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        kind = dict(report.user_properties).get("kind")
        if kind and report.when == "call":
            name = report.nodeid.partition("[")[2][:-1]
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
    for said, names in sorted(faults.items()):
        write(f"\n{said}")
        for name in names:
            write(f"    {name}")


def _row(tool: str, counts: Counter[str]) -> str:
    return f"{tool:<32}" + "".join(f"{counts[kind]:>14}" for kind in KINDS) + f"{counts.total():>14}"
