// Every recovery that was tried, and how fast services come back.

import { useState } from "preact/hooks";

import { ask } from "../api/client";
import type { RecoveryPage, RecoveryStatistics, RecoveryView } from "../api/types";
import { Card, Empty, Figure, Page, Trouble } from "../parts/frame";
import { Ago, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { type Column, Table } from "../parts/table";
import { keep, query } from "../router";
import { resetVersion, storyVersion } from "../store";
import { count, plural, share, span, words } from "../words";
import { Run } from "./incident";

const OUTCOMES = ["recovered", "not_needed", "refused", "failed"];

const COLUMNS: readonly Column<RecoveryView>[] = [
  { name: "Outcome", cell: (row) => <State state={row.outcome ?? row.status} />, order: (row) => row.outcome ?? row.status },
  { name: "Service", cell: (row) => row.target ?? row.service, order: (row) => row.target ?? row.service, grow: true },
  { name: "Failure", cell: (row) => words(row.failure_type), order: (row) => row.failure_type },
  { name: "Strategy", cell: (row) => row.strategy ?? "–", order: (row) => row.strategy ?? "" },
  { name: "Took", cell: (row) => span(row.duration), order: (row) => row.duration ?? -1, right: true },
  { name: "By", cell: (row) => row.requested_by, order: (row) => row.requested_by, extra: true },
  { name: "Started", cell: (row) => <Ago at={row.started_at} />, order: (row) => row.started_at, right: true },
];

export function RecoveriesView() {
  const service = query.value.get("service") ?? "";
  const outcome = query.value.get("outcome") ?? "";
  const [open, setOpen] = useState<string | null>(null);
  const marks = [service, outcome, storyVersion.value, resetVersion.value];
  const found = useReading(() => ask<RecoveryPage>("/recovery/history", { query: { limit: 200, service, outcome } }), marks);
  const statistics = useReading(() => ask<RecoveryStatistics>("/recovery/statistics", { query: { service } }), marks);
  const rows = found.value?.items ?? [];
  const chosen = rows.find((row) => row.id === open);
  return (
    <Page title="Recoveries" lead={plural(rows.length, "recovery", "recoveries")}>
      {statistics.value !== null && <Speed shown={statistics.value} />}
      <div class="filters">
        <input type="search" placeholder="Service" aria-label="Service" value={service} onChange={(event) => keep("service", event.currentTarget.value)} />
        <select aria-label="Outcome" value={outcome} onChange={(event) => keep("outcome", event.currentTarget.value)}>
          <option value="">Every outcome</option>
          {OUTCOMES.map((item) => (
            <option key={item} value={item}>
              {words(item)}
            </option>
          ))}
        </select>
      </div>
      {found.trouble !== null && <Trouble again={found.again}>{found.trouble}</Trouble>}
      {chosen && <Run run={chosen} />}
      <Table caption="Recoveries" rows={rows} columns={COLUMNS} nameOf={(row) => row.id} onOpen={(row) => setOpen(open === row.id ? null : row.id)} empty={found.value === null ? "Loading …" : "No recovery fits."} />
    </Page>
  );
}

function Speed({ shown }: { shown: RecoveryStatistics }) {
  const recover = shown.time_to_recover;
  return (
    <>
      <div class="figures">
        <Figure name="Time to recovery" value={span(recover?.median)} note={<>median · p95 <b>{span(recover?.p95)}</b> · mean {span(recover?.mean)}</>} />
        <Figure name="Succeeded" value={share(shown.success_rate)} note={plural(shown.recoveries, "recovery", "recoveries")} />
        <Figure name="Detection" value={span(shown.detection?.median)} note={<>median · p95 <b>{span(shown.detection?.p95)}</b></>} />
        <Figure name="Between failures" value={span(shown.time_between_failures?.mean)} note={`mean · ${plural(shown.incidents, "incident")}`} />
      </div>
      <Card title="By strategy">
        {Object.keys(shown.by_strategy).length === 0 ? (
          <Empty>Nothing has been tried yet.</Empty>
        ) : (
          <ul class="rows">
            {Object.entries(shown.by_strategy).map(([name, figures]) => (
              <li key={name} class="row">
                <b class="grow">{name}</b>
                <span class="muted">
                  helped {count(figures.helped)} of {count(figures.tried)} times
                </span>
                <meter min={0} max={1} value={figures.tried ? figures.helped / figures.tried : 0} aria-label={`${name} helped`} />
              </li>
            ))}
          </ul>
        )}
      </Card>
    </>
  );
}
