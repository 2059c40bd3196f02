// Incidents, open ones first; what waits for a person; what holds automation.

import { ask } from "../api/client";
import type { ApprovalPage, IncidentPage, IncidentView } from "../api/types";
import { AutomationCard } from "../parts/automation";
import { Page, Trouble } from "../parts/frame";
import { Ago, Severity, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { type Column, Table } from "../parts/table";
import { go, keep, query, to } from "../router";
import { resetVersion, storyVersion } from "../store";
import { lookOfIncident, plural, span, words } from "../words";
import { Asked } from "./incident";

const STATES = ["open", "held", "recovering", "waiting", "watched", "escalated", "resolved", "cancelled"];

/** Seconds from detection to proof or end. */
export function lasted(item: IncidentView): number | null {
  const until = item.validated_at ?? item.ended_at;
  return until === null ? null : (Date.parse(until) - Date.parse(item.detected_at)) / 1000;
}

const COLUMNS: readonly Column<IncidentView>[] = [
  { name: "Severity", cell: (row) => <Severity level={row.severity} />, order: (row) => row.severity },
  { name: "State", cell: (row) => <State state={row.state} look={lookOfIncident(row.state)} />, order: (row) => STATES.indexOf(row.state) },
  { name: "Target", cell: (row) => <a href={to("incidents", row.id)}>{row.target}</a>, order: (row) => row.target },
  { name: "Failure", cell: (row) => words(row.failure_type), order: (row) => row.failure_type },
  { name: "What is done", cell: (row) => <span class="clip" title={row.detail}>{row.detail}</span>, grow: true, extra: true },
  { name: "Out for", cell: (row) => span(lasted(row)), order: (row) => lasted(row) ?? Number.MAX_VALUE, right: true, extra: true },
  { name: "Declared", cell: (row) => <Ago at={row.declared_at} />, order: (row) => row.declared_at, right: true },
];

export function IncidentsView() {
  const state = query.value.get("state") ?? "";
  const target = query.value.get("target") ?? "";
  const severity = query.value.get("severity") ?? "";
  const found = useReading(
    () => ask<IncidentPage>("/incidents", { query: { limit: 200, state, target, severity } }),
    [state, target, severity, storyVersion.value, resetVersion.value],
  );
  const asked = useReading(() => ask<ApprovalPage>("/approvals"), [storyVersion.value, resetVersion.value]);
  // Those of incidents stand with their incident.
  const questions = (asked.value?.items ?? []).filter((item) => item.incident === null && item.decision === null);
  const rows = found.value?.items ?? [];
  return (
    <Page title="Incidents" lead={plural(rows.filter((row) => row.ended_at === null).length, "open incident")}>
      {questions.map((item) => <Asked key={item.id} item={item} />)}
      <AutomationCard />
      <div class="filters">
        <select aria-label="State" value={state} onChange={(event) => keep("state", event.currentTarget.value)}>
          <option value="">Every state</option>
          {STATES.map((item) => (
            <option key={item}>{item}</option>
          ))}
        </select>
        <select aria-label="Severity" value={severity} onChange={(event) => keep("severity", event.currentTarget.value)}>
          <option value="">Every severity</option>
          {["1", "2", "3", "4"].map((item) => (
            <option key={item} value={item}>
              SEV {item}
            </option>
          ))}
        </select>
        <input type="search" placeholder="Target" aria-label="Target" value={target} onChange={(event) => keep("target", event.currentTarget.value)} />
      </div>
      {found.trouble !== null && <Trouble again={found.again}>{found.trouble}</Trouble>}
      <Table caption="Incidents" rows={rows} columns={COLUMNS} nameOf={(row) => row.id} onOpen={(row) => go(to("incidents", row.id))} empty={found.value === null ? "Loading …" : "No incident fits."} />
    </Page>
  );
}
