// All circuits: as a table or as tiles, searched, filtered by state and service.

import { useState } from "preact/hooks";

import { Page } from "../parts/frame";
import { Ago, Countdown, Shape, State } from "../parts/marks";
import { type Column, Table } from "../parts/table";
import { go, keep, query, to } from "../router";
import { circuits, type LiveCircuit } from "../store";
import { count, lookOf, plural, share, span } from "../words";

const STATES = ["open", "isolated", "half_open", "closed", "disabled", "metrics_only"];
const RANK = new Map(STATES.map((state, index) => [state, index]));

function failing(row: LiveCircuit): number | null {
  const calls = row.counters.successes + row.counters.failures;
  return calls === 0 ? null : row.counters.failures / calls;
}

const COLUMNS: readonly Column<LiveCircuit>[] = [
  { name: "State", cell: (row) => <State state={row.state} />, order: (row) => RANK.get(row.state) ?? 9 },
  { name: "Circuit", cell: (row) => <a href={to("circuits", row.name)}>{row.name}</a>, order: (row) => row.name, grow: true },
  { name: "Services", cell: (row) => row.services.join(", "), order: (row) => row.services.join(), extra: true },
  { name: "Failing", cell: (row) => share(failing(row)), order: (row) => failing(row) ?? -1, right: true },
  { name: "Calls", cell: (row) => count(row.counters.successes + row.counters.failures), order: (row) => row.counters.successes + row.counters.failures, right: true, extra: true },
  { name: "Refused", cell: (row) => count(row.counters.rejections), order: (row) => row.counters.rejections, right: true, extra: true },
  { name: "p95", cell: (row) => span(row.response_times.p95), order: (row) => row.response_times.p95 ?? -1, right: true, extra: true },
  { name: "Processes", cell: (row) => count(row.replicas), order: (row) => row.replicas, right: true, extra: true },
  {
    name: "Probe or since",
    cell: (row) =>
      row.state === "open" && row.next_probe !== null ? <Countdown seconds={row.next_probe} since={row.received} /> : <Ago at={row.since} />,
    right: true,
  },
];

export function CircuitsView() {
  const rows = [...circuits.value.values()];
  const text = query.value.get("search") ?? "";
  const state = query.value.get("state") ?? "";
  const service = query.value.get("service") ?? "";
  const tiles = query.value.get("as") === "tiles";
  const services = [...new Set(rows.flatMap((row) => row.services))].sort();
  const shown = rows.filter(
    (row) =>
      (text === "" || row.name.toLowerCase().includes(text.toLowerCase())) &&
      (state === "" || row.state === state) &&
      (service === "" || row.services.includes(service)),
  );
  return (
    <Page
      title="Circuits"
      lead={`${count(shown.length)} of ${plural(rows.length, "circuit")}`}
      aside={
        <div class="switch" role="group" aria-label="Shown as">
          <button type="button" aria-pressed={!tiles} onClick={() => keep("as", "")}>
            Table
          </button>
          <button type="button" aria-pressed={tiles} onClick={() => keep("as", "tiles")}>
            Tiles
          </button>
        </div>
      }
    >
      <div class="filters">
        <input
          type="search"
          placeholder="Search by name"
          aria-label="Search by name"
          value={text}
          onInput={(event) => keep("search", event.currentTarget.value)}
        />
        <div class="chips" role="group" aria-label="State">
          {STATES.map((item) => {
            const number = rows.filter((row) => row.state === item).length;
            return number === 0 && state !== item ? null : (
              <button type="button" key={item} class="chip" aria-pressed={state === item} onClick={() => keep("state", state === item ? "" : item)}>
                <Shape shape={lookOf(item).shape} tone={lookOf(item).tone} size={12} />
                {lookOf(item).word} {count(number)}
              </button>
            );
          })}
        </div>
        <select aria-label="Service" value={service} onChange={(event) => keep("service", event.currentTarget.value)}>
          <option value="">Every service</option>
          {services.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </div>
      {tiles ? (
        <Tiles rows={shown} />
      ) : (
        <Table
          caption="Circuits"
          rows={shown}
          columns={COLUMNS}
          nameOf={(row) => row.name}
          onOpen={(row) => go(to("circuits", row.name))}
          empty={rows.length === 0 ? "No process has reported a circuit yet." : "No circuit fits."}
          sorted={{ column: "State", down: false }}
          tall
        />
      )}
    </Page>
  );
}

const MANY = 240;

function Tiles({ rows }: { rows: readonly LiveCircuit[] }) {
  const [limit, setLimit] = useState(MANY);
  const sorted = [...rows].sort((one, two) => (RANK.get(one.state) ?? 9) - (RANK.get(two.state) ?? 9) || one.name.localeCompare(two.name));
  return (
    <>
      <ul class="tiles">
        {sorted.slice(0, limit).map((row) => (
          <li key={row.name}>
            <a class={`tile tone-${lookOf(row.state).tone}`} href={to("circuits", row.name)}>
              <State state={row.state} />
              <b>{row.name}</b>
              <small>
                {share(failing(row))} failing · p95 {span(row.response_times.p95)}
              </small>
            </a>
          </li>
        ))}
      </ul>
      {sorted.length > limit && (
        <button type="button" class="quiet" onClick={() => setLimit(limit + MANY)}>
          Show more of the {count(sorted.length - limit)} others
        </button>
      )}
    </>
  );
}
