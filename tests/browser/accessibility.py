"""What axe finds wrong with a page."""

from __future__ import annotations

from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page, axe: str) -> list[str]:
    """Return what breaks WCAG 2.2 AA or good practice in what a page shows now; `axe` is its source."""
    page.evaluate(axe)
    result = page.evaluate("tags => axe.run(document, { runOnly: tags })", TAGS)
    return [
        f"{item['id']}: {item['help']}: {[node['html'][:120] for node in item['nodes'][:3]]}"
        for item in result["violations"]
    ]
