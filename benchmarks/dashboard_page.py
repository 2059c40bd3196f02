"""How smooth the dashboard is with 1,000 circuits that all change: `python -m benchmarks.dashboard_page`.

A real control plane, a real application with 1,000 circuits that are called twice a second each, and a headless
Chromium (`chromium` on PATH). For each view the time between two pictures is taken for eight seconds, while the table
is scrolled; tasks of more than 50 ms are what the browser itself calls long.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, WIDE
from tests.browser.world import World
from tests.programs import path_of

CIRCUITS = 1000
VIEWS = {"circuits": "table, scrolled", "circuits?as=tiles": "tiles", "": "overview"}
MEASURED = """async () => {
    const gaps = [], tasks = [];
    new PerformanceObserver(list => list.getEntries().forEach(entry => tasks.push(entry.duration)))
        .observe({ entryTypes: ["longtask"] });
    const box = document.querySelector(".table-box");
    let last = performance.now();
    for (const end = last + 8000; last < end;) {
        await new Promise(requestAnimationFrame);
        gaps.push(performance.now() - last);
        last = performance.now();
        if (box && gaps.length % 3 === 0) box.scrollTop = (box.scrollTop + 120) % (box.scrollHeight - box.clientHeight);
    }
    gaps.sort((one, two) => one - two);
    const at = share => gaps[Math.floor((gaps.length - 1) * share)];
    return [gaps.length / 8, at(0.5), at(0.99), at(1), tasks.length];
}"""


def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), mode="observe") as world:
        world.join_many(CIRCUITS)
        world.until("/health/summary", lambda body: sum(body["circuits"].values()) == CIRCUITS)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=path_of("chromium"), args=list(FLAGS))
            page = browser.new_context(viewport=WIDE).new_page()  # type: ignore[arg-type]  # a plain dict of the same keys
            print("| View | Pictures a second | Between two: median | p99 | longest | Long tasks |")
            print("| --- | --- | --- | --- | --- | --- |")
            for view, name in VIEWS.items():
                page.goto(f"{world.url}/#/{view}")
                page.wait_for_timeout(2500)
                rate, *gaps, tasks = page.evaluate(MEASURED)
                times = " | ".join(f"{gap:.0f} ms" for gap in gaps)
                print(f"| {name} | {rate:.0f} | {times} | {tasks} |", flush=True)
            browser.close()


if __name__ == "__main__":
    main()
