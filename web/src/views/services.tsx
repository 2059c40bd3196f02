// Who needs whom: a graph that lays itself out, with health and level on each node and the blast radius on hover.

import dagre from "@dagrejs/dagre";
import { useMemo, useState } from "preact/hooks";

import { ask } from "../api/client";
import type { DegradationPage, EdgeView, HealthView, ServicePage, TopologyView } from "../api/types";
import { Card, Page, Trouble } from "../parts/frame";
import { Shape, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { type Column, Table } from "../parts/table";
import { go, to } from "../router";
import { may, resetVersion, storyVersion, summary, targets } from "../store";
import { lookOf, plural } from "../words";

export interface ServiceNode {
  name: string;
  tier: number | null;
  health: string;
  level: string;
  owner: string | null;
  targets: number;
}

const WORST = ["failed", "quarantined", "recovering", "validating", "suspect", "unknown", "healthy"];
const WIDTH = 190;
const HEIGHT = 62;
const MARGIN = 12;

/** Return what is known of each service: the worst of its targets, or what its processes report. */
function useServices() {
  const marks = [storyVersion.value, resetVersion.value, JSON.stringify(summary.value?.services), JSON.stringify(summary.value?.targets), summary.value?.degraded.length];
  const topology = useReading(() => (may("recovery.read") ? ask<TopologyView>("/topology") : Promise.resolve({ nodes: [], edges: [] })), marks);
  const listed = useReading(() => ask<ServicePage>("/services", { query: { limit: 1000 } }), marks);
  const health = useReading(() => ask<HealthView>("/health"), marks);
  const levels = useReading(() => (may("degradation.read") ? ask<DegradationPage>("/degradation", { query: { limit: 1000 } }) : Promise.resolve({ items: [], next_cursor: null })), marks);
  const nodes = new Map<string, ServiceNode>();
  const edges: EdgeView[] = [];
  const node = (name: string): ServiceNode => {
    let found = nodes.get(name);
    if (found === undefined) {
      found = { name, tier: null, health: "unknown", level: "none", owner: null, targets: 0 };
      nodes.set(name, found);
    }
    return found;
  };
  for (const item of listed.value?.items ?? []) {
    Object.assign(node(item.name), { tier: item.tier, owner: item.owner, level: item.level });
    for (const needed of item.depends_on) edges.push({ service: item.name, needs: needed.name, kind: needed.kind, source: "declared" });
  }
  for (const item of health.value?.services ?? []) node(item.service).health = item.status;
  for (const item of levels.value?.items ?? []) node(item.service).level = item.level;
  const conditions = new Map<string, string[]>();
  for (const item of topology.value?.nodes ?? []) {
    const found = node(item.service);
    found.targets += 1;
    found.tier ??= item.tier;
    conditions.set(item.service, [...(conditions.get(item.service) ?? []), targets.value.get(item.target)?.condition ?? item.condition]);
  }
  for (const [name, states] of conditions) {
    const worst = WORST.find((state) => states.includes(state)) ?? "unknown";
    if (worst !== "healthy" || node(name).health === "unknown") node(name).health = worst;
  }
  for (const edge of topology.value?.edges ?? []) {
    node(edge.service);
    node(edge.needs);
    if (!edges.some((known) => known.service === edge.service && known.needs === edge.needs)) edges.push(edge);
  }
  for (const edge of edges) {
    node(edge.service);
    node(edge.needs);
  }
  return { nodes: [...nodes.values()], edges, trouble: listed.trouble, again: listed.again, loaded: listed.value !== null };
}

/** Return every service that suffers when one fails, over any number of steps. */
export function radius(name: string, edges: readonly EdgeView[]): Set<string> {
  const found = new Set<string>();
  const waiting = [name];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
    for (const edge of edges)
      if (edge.needs === next && edge.kind !== "fallback" && !found.has(edge.service) && edge.service !== name) {
        found.add(edge.service);
        waiting.push(edge.service);
      }
  return found;
}

const COLUMNS: readonly Column<ServiceNode>[] = [
  { name: "Health", cell: (row) => <State state={row.health} />, order: (row) => row.health },
  { name: "Service", cell: (row) => <a href={to("services", row.name)}>{row.name}</a>, order: (row) => row.name, grow: true },
  { name: "Level", cell: (row) => <State state={row.level} />, order: (row) => row.level },
  { name: "Tier", cell: (row) => row.tier ?? "–", order: (row) => row.tier ?? 9, right: true },
  { name: "Owner", cell: (row) => row.owner ?? "–", order: (row) => row.owner ?? "", extra: true },
  { name: "Targets", cell: (row) => row.targets, order: (row) => row.targets, right: true, extra: true },
];

export function ServicesView() {
  const { nodes, edges, trouble, again, loaded } = useServices();
  const [over, setOver] = useState<string | null>(null);
  if (trouble !== null && !loaded) return <Page title="Services"><Trouble again={again}>{trouble}</Trouble></Page>;
  const hit = over === null ? null : radius(over, edges);
  return (
    <Page title="Services" lead={plural(nodes.length, "service")}>
      {edges.length > 0 && (
        <Card
          title="Dependencies"
          aside={
            <span class="muted" aria-live="polite">
              {over === null ? "Point at a service to see what fails with it." : hit?.size ? `${over} takes ${[...hit].join(", ")} with it.` : `Nothing needs ${over}.`}
            </span>
          }
        >
          <Graph nodes={nodes} edges={edges} over={over} hit={hit} onOver={setOver} />
        </Card>
      )}
      <Table caption="Services" rows={nodes} columns={COLUMNS} nameOf={(row) => row.name} onOpen={(row) => go(to("services", row.name))} empty="No service is declared, and no process has joined." sorted={{ column: "Tier", down: false }} />
    </Page>
  );
}

interface GraphProps {
  nodes: readonly ServiceNode[];
  edges: readonly EdgeView[];
  over: string | null;
  hit: Set<string> | null;
  onOver: (name: string | null) => void;
}

function Graph({ nodes, edges, over, hit, onOver }: GraphProps) {
  const names = nodes.map((node) => node.name).sort();
  const key = JSON.stringify([names, edges.map((edge) => [edge.service, edge.needs])]);
  const laid = useMemo(() => layout(names, edges), [key]);
  const known = new Map(nodes.map((node) => [node.name, node]));
  return (
    <div class="graph-box" tabIndex={0} role="region" aria-label="Graph of dependencies">
      <svg class={`graph ${over === null ? "" : "pointed"}`} viewBox={`${laid.left} 0 ${laid.width} ${laid.height}`} width={laid.width} height={laid.height} role="group" aria-label="Each service with what it needs below it">
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0l8 4-8 4z" class="arrow" />
          </marker>
        </defs>
        {laid.edges.map((edge) => {
          const kind = edges.find((item) => item.service === edge.from && item.needs === edge.to)?.kind ?? "hard";
          const is = hit !== null && (edge.to === over || hit.has(edge.to)) && hit.has(edge.from);
          return (
            <path key={`${edge.from}/${edge.to}`} class={`edge ${kind} ${is ? "hit" : ""}`} d={edge.path} marker-end="url(#arrow)">
              <title>{`${edge.from} needs ${edge.to} (${kind})`}</title>
            </path>
          );
        })}
        {laid.nodes.map((place) => {
          const node = known.get(place.name);
          if (node === undefined) return null;
          const look = lookOf(node.health);
          const level = node.level === "none" ? "" : ` · ${lookOf(node.level).word}`;
          return (
            <a
              key={place.name}
              href={to("services", place.name)}
              data-service={place.name}
              class={`node tone-${look.tone} ${over === place.name ? "over" : ""} ${hit?.has(place.name) ? "hit" : ""}`}
              onMouseEnter={() => onOver(place.name)}
              onMouseLeave={() => onOver(null)}
              onFocus={() => onOver(place.name)}
              onBlur={() => onOver(null)}
            >
              <rect x={place.x} y={place.y} width={WIDTH} height={HEIGHT} rx="10" />
              <g transform={`translate(${place.x + 12} ${place.y + 13})`}>
                <Shape shape={look.shape} tone={look.tone} size={16} />
              </g>
              <text x={place.x + 36} y={place.y + 26} class="node-name">
                {place.name.length > 19 ? `${place.name.slice(0, 18)}…` : place.name}
              </text>
              <text x={place.x + 36} y={place.y + 46} class="node-state">
                {look.word}
                {level}
                {node.tier === null ? "" : ` · tier ${node.tier}`}
              </text>
            </a>
          );
        })}
      </svg>
    </div>
  );
}

interface Laid {
  left: number;
  width: number;
  height: number;
  nodes: { name: string; x: number; y: number }[];
  edges: { from: string; to: string; path: string }[];
}

function layout(names: readonly string[], edges: readonly EdgeView[]): Laid {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 28, ranksep: 54, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const name of names) graph.setNode(name, { width: WIDTH, height: HEIGHT });
  for (const edge of edges) graph.setEdge(edge.service, edge.needs);
  dagre.layout(graph);
  const nodes = graph.nodes().map((name: string) => {
    const place = graph.node(name) as Point;
    return { name, x: place.x - WIDTH / 2, y: place.y - HEIGHT / 2 };
  });
  const edgesLaid = graph.edges().map((edge: { v: string; w: string }) => {
    const points = (graph.edge(edge.v, edge.w) as { points: Point[] }).points;
    return { from: edge.v, to: edge.w, points, path: curve(points) };
  });
  // The layout's own size leaves out how far edges reach.
  const points = edgesLaid.flatMap((edge) => edge.points);
  const left = Math.min(...nodes.map((node) => node.x), ...points.map((point) => point.x)) - MARGIN;
  const right = Math.max(...nodes.map((node) => node.x + WIDTH), ...points.map((point) => point.x)) + MARGIN;
  const bottom = Math.max(...nodes.map((node) => node.y + HEIGHT), ...points.map((point) => point.y)) + MARGIN;
  return { left, width: right - left, height: bottom, nodes, edges: edgesLaid };
}

interface Point {
  x: number;
  y: number;
}

/** Return a line through the points whose corners are rounded. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const parts = [`M${first.x} ${first.y}`];
  rest.forEach((point, index) => {
    const next = rest[index + 1];
    if (next === undefined) parts.push(`L${point.x} ${point.y}`);
    else parts.push(`Q${point.x} ${point.y} ${(point.x + next.x) / 2} ${(point.y + next.y) / 2}`);
  });
  return parts.join("");
}

