"""Circles among the dependencies of declared services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def circles(needed: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the groups of services that need each other in a circle, each group sorted.

    Strongly connected components with more than one member, by the algorithm of Tarjan (Depth-first search and linear
    graph algorithms, 1972), with a list of open visits instead of recursion so that a long chain cannot exhaust the
    stack.

    Arguments:
        needed: What each service needs; names that are no keys need nothing.
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    trail: list[str] = []
    on_trail: set[str] = set()
    found: list[list[str]] = []
    for start in needed:
        if start in number:
            continue
        visits = [(start, iter(tuple(needed[start])))]
        number[start] = lowest[start] = len(number)
        trail.append(start)
        on_trail.add(start)
        while visits:
            name, rest = visits[-1]
            following = next(rest, None)
            if following is None:
                visits.pop()
                if visits:
                    lowest[visits[-1][0]] = min(lowest[visits[-1][0]], lowest[name])
                if lowest[name] == number[name]:
                    found.append(_cut(trail, on_trail, name))
            elif following not in number:
                number[following] = lowest[following] = len(number)
                trail.append(following)
                on_trail.add(following)
                visits.append((following, iter(tuple(needed.get(following, ())))))
            elif following in on_trail:
                lowest[name] = min(lowest[name], number[following])
    return sorted(group for group in found if len(group) > 1)


def _cut(trail: list[str], on_trail: set[str], name: str) -> list[str]:
    at = trail.index(name)
    group = trail[at:]
    del trail[at:]
    on_trail.difference_update(group)
    return sorted(group)
