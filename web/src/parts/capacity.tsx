// What keeps a service within its capacity: a limit, throttle, detector, warm fallback, server or pool, and why it is so.

import type { CapacityDetail, CapacityOnReplica, CapacitySummary } from "../api/types";
import { count, inBoth, type Look, lookOf, NONE, plural, rate, share, span, words } from "../words";
import { Facts } from "./frame";
import { State } from "./marks";
import { type Column, Table } from "./table";

const KINDS: Record<string, string> = {
  limit: "Adaptive limit",
  throttle: "Throttle",
  bulkhead: "Bulkhead",
  rate_limit: "Rate limit",
  metastability: "Detector of metastable failures",
  fallback: "Fallback",
  admission: "Server that sheds load",
  pool: "Pool of hosts",
  host: "Host",
};

export function kindOf(kind: string): string {
  return KINDS[kind] ?? words(kind);
}

const CALM: Look = { tone: "good", shape: "disc", word: "" };
const LOOKS: Record<string, Look> = {
  shedding: { tone: "bad", shape: "cross", word: "shedding" },
  panics: { tone: "bad", shape: "cross", word: "all hosts used" },
  releasing: { tone: "warn", shape: "half", word: "letting go" },
  suspected: { tone: "warn", shape: "triangle", word: "suspected" },
  learning: { tone: "idle", shape: "ring", word: "learning" },
  normal: { ...CALM, word: "calm" },
  cold: { tone: "warn", shape: "triangle", word: "cold" },
  refusing: { tone: "warn", shape: "half", word: "refusing some" },
  full: { tone: "warn", shape: "half", word: "full" },
  empty: { tone: "warn", shape: "half", word: "empty" },
  reduced: { tone: "warn", shape: "half", word: "hosts are out" },
  ejected: { tone: "held", shape: "square", word: "out" },
};

/** How a state of a part looks; one that only a later version knows looks as what needs somebody. */
export function lookOfPart(state: string, acting: boolean): Look {
  return LOOKS[state] ?? (acting ? { tone: "warn", shape: "triangle", word: words(state) } : { ...CALM, word: lookOf(state).word });
}

const SHARES = new Set(["share", "success_share", "agreement", "goodput", "usual_goodput"]);

function figure(name: string, value: number): string {
  if (SHARES.has(name)) return share(value);
  if (name === "returns_in") return span(value);
  if (name === "last_worked") return inBoth(new Date(value * 1000).toISOString());
  return Number.isInteger(value) ? count(value) : rate(value);
}

/** Figures that say something; counts of nothing are left out. */
function told(figures: Record<string, number>): [string, string][] {
  return Object.entries(figures)
    .filter(([name, value]) => value !== 0 || !/^(served|shed)_/.test(name))
    .map(([name, value]) => [words(name), figure(name, value)]);
}

const COLUMNS: readonly Column<CapacityOnReplica>[] = [
  { name: "State", cell: (row) => <State state={row.state} look={lookOfPart(row.state, row.state in LOOKS)} />, order: (row) => row.state },
  {
    name: "Process",
    cell: (row) => (
      <span title={row.replica}>
        {row.replica.slice(0, 8)} <span class="muted">{row.host}</span>
      </span>
    ),
    order: (row) => row.replica,
  },
  { name: "Because", cell: (row) => row.reason || NONE, grow: true },
  { name: "Figures", cell: (row) => told(row.figures).map(([name, value]) => `${name} ${value}`).join(" · ") || NONE, extra: true },
  { name: "Heard", cell: (row) => `${span(row.age)} ago${row.stale ? " (stale)" : ""}`, order: (row) => row.age, right: true, extra: true },
];

export function titleOf(part: CapacitySummary): string {
  return part.member === null ? kindOf(part.kind) : `${kindOf(part.kind)} ${part.member}`;
}

/** One part: how it is, and why; `titled` where nothing above says which one. */
export function Brief({ part, titled }: { part: CapacitySummary; titled?: boolean }) {
  return (
    <div class="part" data-part={part.kind} data-acting={part.acting}>
      <p>
        <State state={part.state} look={lookOfPart(part.state, part.acting)} /> {titled && <b>{titleOf(part)} </b>}
        <span class="muted">
          {part.service} · {plural(part.replicas, "process", "processes")}
          {part.stale_replicas > 0 && `, ${part.stale_replicas} stale`}
        </span>
      </p>
      <p>{part.why}</p>
    </div>
  );
}

/** One part in full: its figures and each process as well. */
export function Part({ part }: { part: CapacityDetail }) {
  return (
    <>
      <Brief part={part} />
      <details>
        <summary>Figures and processes</summary>
        <Facts rows={told(part.figures)} />
        <Table caption={`${titleOf(part)} by process`} rows={part.on_replicas} columns={COLUMNS} nameOf={(row) => row.replica} empty="No process reports it now." />
      </details>
    </>
  );
}
