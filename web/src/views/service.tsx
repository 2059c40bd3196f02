// One service: how it stands and why, what is watched of it, its level, and what can be done.

import { useState } from "preact/hooks";

import { restoreLevel, setLevel, startRecovery } from "../actions";
import { ask, at } from "../api/client";
import type { CheckView, ServiceDegradationView, ServiceHealthView, ServiceView as Declared, TargetStory, TargetViewModel } from "../api/types";
import { Card, Empty, Facts, Page, Trouble } from "../parts/frame";
import { Ago, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { to } from "../router";
import { circuits, may, storyVersion, summary, targets } from "../store";
import { NONE, span } from "../words";

const LEVELS = ["minimal", "moderate", "severe", "critical"];
const TIMES: readonly (readonly [string, number | null])[] = [
  ["15 minutes", 900],
  ["1 hour", 3600],
  ["8 hours", 28_800],
  ["until restored", null],
];

export function ServiceView({ name }: { name: string }) {
  const marks = [name, storyVersion.value, JSON.stringify(summary.value?.degraded), JSON.stringify(summary.value?.services)];
  const declared = useReading(() => ask<Declared>(at("services", name)), marks);
  const health = useReading(() => ask<ServiceHealthView>(at("health", "services", name)), marks);
  const level = useReading(() => (may("degradation.read", name) ? ask<ServiceDegradationView>(at("degradation", name)) : Promise.resolve(null)), marks);
  const watched = [...targets.value.values()].filter((row) => row.service === name);
  const rows = [...circuits.value.values()].filter((row) => row.services.includes(name));
  const known = declared.value;
  if (known === null && health.value === null && watched.length === 0)
    return <Page title={name}>{declared.trouble && health.trouble ? <Trouble again={declared.again}>{declared.trouble}</Trouble> : "Loading …"}</Page>;
  return (
    <Page
      title={name}
      lead={
        <>
          <State state={health.value?.status ?? "unknown"} /> {health.value?.reasons.join("; ")}
        </>
      }
      aside={
        may("recovery.start", name) && (
          <button type="button" class="quiet" onClick={() => startRecovery(name, failureOf(watched))}>
            Start a recovery …
          </button>
        )
      }
    >
      <div class="columns">
        <div class="column wide">
          <Card title="What is watched">
            {watched.length === 0 ? <Empty>No target of this service is watched.</Empty> : watched.map((row) => <Watched key={row.target} row={row} />)}
          </Card>
          <Card title="Circuits">
            {rows.length === 0 ? (
              <Empty>No circuit of this service has been reported.</Empty>
            ) : (
              <ul class="rows">
                {rows.map((row) => (
                  <li key={row.name}>
                    <a class="row" href={to("circuits", row.name)}>
                      <State state={row.state} />
                      <b class="grow">{row.name}</b>
                      <span class="muted">p95 {span(row.response_times.p95)}</span>
                    </a>
                  </li>
                ))}
              </ul>
            )}
          </Card>
        </div>
        <div class="column">
          <Level name={name} shown={level.value} />
          {known !== null && (
            <Card title="Declared">
              <Facts
                rows={[
                  ["Tier", known.tier],
                  ["Owner", known.owner ?? NONE],
                  ["Needs", known.depends_on.length ? known.depends_on.map((item) => <span key={item.name}><a href={to("services", item.name)}>{item.name}</a> ({item.kind}) </span>) : "nothing"],
                  ["Needed by", known.dependents.length ? known.dependents.map((item) => <a key={item} href={to("services", item)}>{item} </a>) : "nothing"],
                  ["Processes", `${known.replicas}${known.stale_replicas ? `, ${known.stale_replicas} stale` : ""}`],
                  ["From", known.location ?? known.source],
                ]}
              />
            </Card>
          )}
        </div>
      </div>
    </Page>
  );
}

/** Return what is wrong with the first target that has failed, or null. */
function failureOf(watched: readonly TargetViewModel[]): string | null {
  const down = watched.filter((row) => !["healthy", "suspect", "unknown"].includes(row.condition));
  const bad = down.flatMap((row) => row.checks).filter((check) => !check.good && check.failure_type !== null);
  return bad[0]?.failure_type ?? null;
}

function Level({ name, shown }: { name: string; shown: ServiceDegradationView | null }) {
  const [level, setChosen] = useState("moderate");
  const [time, setTime] = useState("15 minutes");
  if (shown === null) return null;
  return (
    <Card title="Degradation level">
      <p>
        <State state={shown.level} /> {shown.reason && <span class="muted">{shown.reason}</span>}
        {shown.since && (
          <span class="muted">
            {" "}
            <Ago at={shown.since} />
          </span>
        )}
      </p>
      {may("degradation.set", name) && (
        <div class="level-form">
          <select aria-label="Level" value={level} onChange={(event) => setChosen(event.currentTarget.value)}>
            {LEVELS.map((item) => (
              <option key={item}>{item}</option>
            ))}
          </select>
          <select aria-label="For how long" value={time} onChange={(event) => setTime(event.currentTarget.value)}>
            {TIMES.map(([word]) => (
              <option key={word}>{word}</option>
            ))}
          </select>
          <button type="button" class="danger" onClick={() => setLevel(name, level, TIMES.find(([word]) => word === time)?.[1] ?? null)}>
            Set …
          </button>
          {shown.level !== "none" && (
            <button type="button" class="primary" onClick={() => restoreLevel(name)}>
              Restore …
            </button>
          )}
        </div>
      )}
    </Card>
  );
}

function Watched({ row }: { row: TargetViewModel }) {
  const [open, setOpen] = useState(false);
  return (
    <div class="watched">
      <div class="row">
        <State state={row.condition} />
        <b class="grow">{row.target}</b>
        <span class="muted">
          {row.mode === "recover" ? "is repaired" : "is observed only"}
          {row.since !== null && ` · for ${span(row.since)}`}
        </span>
        <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Less" : "More"}
        </button>
      </div>
      <ul class="looks">
        {row.checks.map((check: CheckView) => (
          <li key={check.name}>
            <State state={check.good ? "healthy" : "failed"} look={{ tone: check.good ? "good" : "bad", shape: check.good ? "disc" : "cross", word: check.name }} />
            <span class="muted">{check.depth}</span>
            <span class="grow">{check.detail}</span>
            <span class="muted">{span(check.latency)}</span>
          </li>
        ))}
      </ul>
      {open && <Story target={row.target} />}
    </div>
  );
}

function Story({ target }: { target: string }) {
  const { value, trouble } = useReading(() => ask<TargetStory>(at("checks", target)), [target]);
  if (value === null) return trouble === null ? null : <Trouble>{trouble}</Trouble>;
  return <pre class="code">{JSON.stringify(value.declaration, null, 2)}</pre>;
}
