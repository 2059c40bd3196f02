"""Writes the dashboards and rules anew: `python -m ops.make`.

With options, it makes a variant of one's own beside them:
`python -m ops.make --into FOLDER --objective 0.995 --docs https://wiki.example/scrollintel`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ops.grafana.shipped import DASHBOARDS
from ops.prometheus import alerts, files

HERE = Path(__file__).parent


def made(*, objective: float = alerts.OBJECTIVE, docs: str = files.DOCS) -> dict[str, str]:
    """Return the text of each file, by its path within this folder.

    Arguments:
        objective: Share of attempts that should succeed, above 0 and below 1.
        docs: Address or path under which the documentation is published.
    """
    found = {
        f"grafana/dashboards/{name}.json": json.dumps(dashboard.to_json(), indent=1, ensure_ascii=False) + "\n"
        for name, dashboard in DASHBOARDS.items()
    }
    every = alerts.alerts(objective)
    documents = {
        files.RULES: files.rules(every, docs=docs),
        files.TESTS: files.rule_tests(every, docs=docs),
        "prometheus.example.yml": files.scrape_example(),
        "alertmanager.example.yml": files.alertmanager_example(),
    }
    return found | {f"prometheus/{name}": files.to_yaml(document) for name, document in documents.items()}


def _objective(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text} is no share of attempts above 0 and below 1, such as 0.999")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Write all files that have changed and tell which."""
    parser = argparse.ArgumentParser(prog="python -m ops.make", description="Make dashboards and rules.")
    parser.add_argument("--into", type=Path, default=HERE, help="folder to write into; by default this one")
    parser.add_argument("--objective", type=_objective, default=alerts.OBJECTIVE, help="share that should succeed")
    parser.add_argument("--docs", default=files.DOCS, help="where the documentation is published")
    chosen = parser.parse_args(arguments)
    for name, text in made(objective=chosen.objective, docs=chosen.docs).items():
        path = chosen.into / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            sys.stdout.write(f"{name}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
