// What keeps services within their capacity: all of it, what acts first; and that of one policy, server or pool.

import { useEffect, useState } from "preact/hooks";

import { ask, at } from "../api/client";
import type { CapacityOfName, CapacityPage, CapacitySummary } from "../api/types";
import { Brief, kindOf, lookOfPart, Part, titleOf } from "../parts/capacity";
import { Card, Page, Trouble } from "../parts/frame";
import { State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { type Column, Table } from "../parts/table";
import { go, keep, query, to } from "../router";
import { circuits, may, resetVersion } from "../store";
import { count, plural } from "../words";

const REFRESH = 4000;
const MOST = 1000;

/** Count up now and then, so that what is read is read again. */
function useTurn(): number {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTurn((number) => number + 1), REFRESH);
    return () => clearInterval(timer);
  }, []);
  return turn;
}

function placeOf(part: CapacitySummary): string {
  return `${part.name}/${part.service}/${part.kind}/${part.member ?? ""}`;
}

const COLUMNS: readonly Column<CapacitySummary>[] = [
  { name: "State", cell: (row) => <State state={row.state} look={lookOfPart(row.state, row.acting)} />, order: (row) => `${row.acting ? 0 : 1}${row.state}` },
  { name: "Name", cell: (row) => <a href={to("capacity", row.name)}>{row.name}</a>, order: (row) => row.name },
  { name: "What", cell: (row) => titleOf(row), order: (row) => titleOf(row), extra: true },
  { name: "Why", cell: (row) => row.why, grow: true },
  { name: "Service", cell: (row) => row.service, order: (row) => row.service, extra: true },
  { name: "Processes", cell: (row) => count(row.replicas), order: (row) => row.replicas, right: true, extra: true },
];

export function CapacityListView() {
  const turn = useTurn();
  const found = useReading(() => ask<CapacityPage>("/capacity", { query: { limit: MOST } }), [turn, resetVersion.value]);
  const text = query.value.get("search") ?? "";
  const kind = query.value.get("kind") ?? "";
  const only = query.value.get("only") === "acting";
  const rows = found.value?.items ?? [];
  const kinds = [...new Set(rows.map((row) => row.kind))];
  const shown = rows.filter(
    (row) => (text === "" || row.name.toLowerCase().includes(text.toLowerCase())) && (kind === "" || row.kind === kind) && (!only || row.acting),
  );
  const acting = rows.filter((row) => row.acting).length;
  return (
    <Page title="Capacity" lead={rows.length === 0 ? "Limits, detectors, warm fallbacks, servers and pools" : `${count(acting)} of ${count(rows.length)} act on calls now, or need somebody`}>
      <div class="filters">
        <input type="search" placeholder="Search by name" aria-label="Search by name" value={text} onInput={(event) => keep("search", event.currentTarget.value)} />
        <button type="button" class="chip" aria-pressed={only} onClick={() => keep("only", only ? "" : "acting")}>
          Acting {count(acting)}
        </button>
        <select aria-label="Kind" value={kind} onChange={(event) => keep("kind", event.currentTarget.value)}>
          <option value="">Every kind</option>
          {kinds.map((item) => (
            <option key={item} value={item}>
              {kindOf(item)}
            </option>
          ))}
        </select>
      </div>
      {found.trouble !== null && <Trouble again={found.again}>{found.trouble}</Trouble>}
      {found.value?.next_cursor && <p class="muted">Of more than {count(MOST)} the first ones by name are shown; the command line lists all.</p>}
      <Table
        caption="Capacity"
        rows={shown}
        columns={COLUMNS}
        nameOf={placeOf}
        onOpen={(row) => go(to("capacity", row.name))}
        empty={found.value === null ? "Loading …" : rows.length === 0 ? "No process reports limits, detectors, warm fallbacks, servers or pools." : "Nothing fits."}
        sorted={{ column: "State", down: false }}
      />
    </Page>
  );
}

export function CapacityView({ name }: { name: string }) {
  const turn = useTurn();
  const found = useReading(() => ask<CapacityOfName>(at("capacity", name)), [name, turn, resetVersion.value]);
  const parts = found.value?.parts ?? [];
  const acting = parts.filter((part) => part.acting).length;
  return (
    <Page
      title={name}
      lead={found.value === null ? undefined : acting === 0 ? "Nothing acts on calls now" : `${plural(acting, "part")} of ${count(parts.length)} act on calls now, or need somebody`}
      aside={circuits.value.has(name) && <a href={to("circuits", name)}>Its circuit</a>}
    >
      {found.trouble !== null && <Trouble again={found.again}>{found.code === "not_found" ? "No process reports anything of that name now." : found.trouble}</Trouble>}
      {found.value === null && found.trouble === null && "Loading …"}
      {parts.map((part) => (
        <Card key={placeOf(part)} title={titleOf(part)}>
          <Part part={part} />
        </Card>
      ))}
    </Page>
  );
}

/** What there is beside a circuit of the same name; nothing when there is none. */
export function CapacityCard({ name, turn }: { name: string; turn: number }) {
  const found = useReading(
    () => (may("metrics.read") ? ask<CapacityPage>("/capacity", { query: { name } }) : Promise.resolve(null)),
    [name, turn, resetVersion.value],
  );
  const parts = found.value?.items ?? [];
  if (parts.length === 0) return null;
  return (
    <Card title="Capacity" aside={<a href={to("capacity", name)}>By process</a>}>
      {parts.map((part) => (
        <Brief key={placeOf(part)} part={part} titled />
      ))}
    </Card>
  );
}
