"""Where reports go, and what stands at the head of each."""

from datetime import UTC, datetime

from contracts.tools.proofs.syntax import CONTRACTS

FOLDER = CONTRACTS.parent / "docs" / "evidence"


def write(name: str, title: str, command: str, body: list[str]) -> None:
    """Write docs/evidence/NAME.md. The date is that of the run, in UTC."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    head = [f"# {title}", "", f"By `contracts/tools/evidence {command}` on {day}; do not edit.", ""]
    (FOLDER / f"{name}.md").write_text("\n".join(head + body).rstrip() + "\n")


def table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
