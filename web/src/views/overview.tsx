// One page for whoever is on call: what is broken, why, what is being done, and what to press.

import { ask } from "../api/client";
import type { ApprovalPage, SummaryView } from "../api/types";
import { AutomationCard } from "../parts/automation";
import { Spark } from "../parts/chart";
import { Card, Empty, Figure, Page } from "../parts/frame";
import { Ago, Countdown, Severity, Shape, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { to } from "../router";
import { circuits, course, facts, type LiveCircuit, may, storyVersion, summary } from "../store";
import { clock, count, inUtc, lookOf, lookOfIncident, NONE, plural, rate, reasonOf, share, span, type Tone, words } from "../words";

export function OverviewView() {
  const shown = summary.value;
  if (shown === null) return <Page title="Overview">Loading …</Page>;
  return (
    <>
      <Verdict shown={shown} />
      <Figures shown={shown} />
      <div class="columns">
        <div class="column wide">
          <NeedsAnswer />
          <OpenIncidents shown={shown} />
          <Refusing shown={shown} />
          <Acting lines={shown.capacity} />
        </div>
        <div class="column">
          <States shown={shown} />
          <AutomationCard />
          <Lately />
        </div>
      </div>
    </>
  );
}

function toneOf(shown: SummaryView): Tone {
  if (shown.stale || shown.incidents.some((item) => item.severity <= 2) || shown.automation === "braked") return "bad";
  if (shown.incidents.length || shown.refusing.length || shown.degraded.length || shown.capacity.length || shown.automation === "stopped") return "warn";
  return "good";
}

function Verdict({ shown }: { shown: SummaryView }) {
  const tone = toneOf(shown);
  const shape = tone === "good" ? "disc" : tone === "warn" ? "half" : "cross";
  return (
    <header class={`verdict tone-${tone}`}>
      <Shape shape={shape} tone={tone} size={30} />
      <div>
        <h1 tabIndex={-1}>{shown.sentence}</h1>
        <p>
          {plural(shown.replicas, "process", "processes")} joined{shown.stale_replicas > 0 && `, ${shown.stale_replicas} stale`} · automation{" "}
          {shown.automation}
          {shown.access === "off" && " · access control is off"}
        </p>
      </div>
    </header>
  );
}

function Figures({ shown }: { shown: SummaryView }) {
  const points = course.value;
  const times = shown.response_times;
  const budget = shown.error_budgets?.[0];
  const success = shown.success_rate;
  return (
    <div class="figures">
      <Figure
        name="Success rate"
        value={share(success)}
        note="of calls in the last minute"
        {...(success !== null && success < 0.99 ? { tone: success < 0.9 ? ("bad" as const) : ("warn" as const) } : {})}
      >
        <Spark values={points.map((point) => point.success)} colour="good" />
      </Figure>
      <Figure name="Calls per second" value={rate(shown.calls_per_second)} note="over the last minute">
        <Spark values={points.map((point) => point.calls)} colour="busy" />
      </Figure>
      <Figure
        name="Response times"
        value={span(times?.p50)}
        note={
          <>
            median · p95 <b>{span(times?.p95)}</b> · p99 <b>{span(times?.p99)}</b>
          </>
        }
      >
        <Spark values={points.map((point) => point.p99)} colour="held" />
      </Figure>
      <Figure name="Mean time to recovery" value={span(shown.mean_time_to_recovery)} note="last 30 days, proven healthy" />
      <Figure
        name="Error budget"
        value={budget ? share(budget.left) : NONE}
        note={budget ? `left of ${budget.service}, burning ${rate(budget.burn_1h)} ×` : "no service names an objective"}
        {...(budget?.left !== undefined && budget.left !== null && budget.left < 0.25 ? { tone: "bad" as const } : {})}
      />
    </div>
  );
}

function NeedsAnswer() {
  const { value } = useReading(() => (may("recovery.read") ? ask<ApprovalPage>("/approvals") : Promise.resolve(null)), [storyVersion.value]);
  const waiting = (value?.items ?? []).filter((item) => item.decision === null);
  if (waiting.length === 0) return null;
  return (
    <Card title={`${plural(waiting.length, "plan waits", "plans wait")} for a person`} class="asks">
      <ul class="rows">
        {waiting.map((item) => (
          <li key={item.id}>
            <a class="row" href={item.incident ? to("incidents", item.incident) : to("incidents")}>
              <State state="waiting" />
              <b>{item.target}</b>
              <span class="grow">{item.why}</span>
              <span class="muted">
                asked <Ago at={item.requested_at} />
              </span>
            </a>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function OpenIncidents({ shown }: { shown: SummaryView }) {
  return (
    <Card title="Incidents that matter now" aside={<a href={to("incidents")}>All incidents</a>}>
      {shown.incidents.length === 0 ? (
        <Empty>Nothing that is watched has failed.</Empty>
      ) : (
        <ul class="rows">
          {shown.incidents.map((item) => (
            <li key={item.id}>
              <a class="row tall" href={to("incidents", item.id)} data-incident={item.target}>
                <Severity level={item.severity} />
                <span class="grow">
                  <b>{item.target}</b> {words(item.failure_type)}
                  <small>{item.detail}</small>
                </span>
                <State state={item.state} look={lookOfIncident(item.state)} />
              </a>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Refusing({ shown }: { shown: SummaryView }) {
  const known = shown.refusing.map((name) => circuits.value.get(name)).filter((row): row is LiveCircuit => row !== undefined);
  const listed = known.slice(0, SHOWN);
  return (
    <Card title="Circuits that refuse calls" aside={<a href={to("circuits")}>All circuits</a>}>
      {shown.refusing.length === 0 ? (
        <Empty>Every circuit lets calls through.</Empty>
      ) : (
        <ul class="rows">
          {listed.map((row) => (
            <li key={row.name}>
              <a class="row tall" href={to("circuits", row.name)} data-circuit={row.name}>
                <State state={row.state} />
                <span class="grow">
                  <b>{row.name}</b>
                  <small>{reasonOf(row.why)}</small>
                </span>
                <span class="muted right">
                  {row.state === "open" && row.next_probe !== null ? (
                    <>
                      probe <Countdown seconds={row.next_probe} since={row.received} />
                    </>
                  ) : (
                    <Ago at={row.since} />
                  )}
                </span>
              </a>
            </li>
          ))}
          {known.length > SHOWN && (
            <li>
              <a class="row" href={`${to("circuits")}?state=open`}>
                and {count(known.length - SHOWN)} more
              </a>
            </li>
          )}
        </ul>
      )}
    </Card>
  );
}

/** What keeps services within their capacity and acts now; nothing when all is calm. */
function Acting({ lines }: { lines: readonly string[] }) {
  if (lines.length === 0) return null;
  const address = `${to("capacity")}?only=acting`;
  return (
    <Card title="Capacity" aside={<a href={address}>All that act</a>}>
      <ul class="rows">
        {lines.slice(0, SHOWN).map((line) => (
          <li key={line}>
            <a class="row" href={address} data-acting>
              <Shape shape="half" tone="warn" size={12} /> <span class="grow">{line}</span>
            </a>
          </li>
        ))}
        {lines.length > SHOWN && (
          <li>
            <a class="row" href={address}>
              and {count(lines.length - SHOWN)} more
            </a>
          </li>
        )}
      </ul>
    </Card>
  );
}

const SHOWN = 6;
const ORDER = ["closed", "healthy", "half_open", "suspect", "degraded", "recovering", "validating", "open", "failed", "unhealthy", "isolated", "quarantined", "disabled", "metrics_only", "unknown"];

function States({ shown }: { shown: SummaryView }) {
  return (
    <Card title="By state">
      <Bar name="Circuits" counts={shown.circuits} address={to("circuits")} />
      <Bar name="Targets" counts={shown.targets} address={to("services")} />
      <Bar name="Services" counts={shown.services} address={to("services")} />
    </Card>
  );
}

function Bar({ name, counts, address }: { name: string; counts: Record<string, number>; address: string }) {
  const listed = Object.entries(counts)
    .filter(([, number]) => number > 0)
    .sort(([one], [two]) => ORDER.indexOf(one) - ORDER.indexOf(two));
  const total = listed.reduce((sum, [, number]) => sum + number, 0);
  return (
    <div class="bar">
      <div class="bar-head">
        <a href={address}>{name}</a>
        <b>{count(total)}</b>
      </div>
      <div class="bar-track" aria-hidden="true">
        {listed.map(([state, number]) => (
          <span key={state} class={`tone-${lookOf(state).tone}`} style={{ flexGrow: number }} />
        ))}
      </div>
      <div class="bar-words">
        {listed.length === 0 ? <span class="muted">none</span> : null}
        {listed.map(([state, number]) => (
          <span key={state} data-count={state}>
            <Shape shape={lookOf(state).shape} tone={lookOf(state).tone} size={12} /> {count(number)} {lookOf(state).word}
          </span>
        ))}
      </div>
    </div>
  );
}

function Lately() {
  const listed = facts.value.slice(0, 16);
  return (
    <Card title="Lately">
      {listed.length === 0 ? (
        <Empty>Nothing has happened since you opened this page.</Empty>
      ) : (
        <ol class="feed">
          {listed.map((fact) => (
            <li key={fact.id}>
              <span class="feed-what">{words(fact.event).replace(".", ": ")}</span>
              <span class="feed-who">{told(fact)}</span>
              <When fact={fact} />
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

function When({ fact }: { fact: Record<string, unknown> }) {
  const told = fact["at"] ?? fact["since"];
  // What processes tell bears seconds since 1970.
  const at = typeof told === "number" ? new Date(told * 1000).toISOString() : told;
  return typeof at === "string" && !Number.isNaN(Date.parse(at)) ? <time title={inUtc(at)}>{clock(at)}</time> : null;
}

function told(fact: Record<string, unknown>): string {
  const subject = fact["circuit"] ?? fact["target"] ?? fact["name"] ?? fact["policy"] ?? fact["service"] ?? fact["subject"] ?? "";
  if (/^(host|fallback)\./.test(String(fact["event"]))) return `${String(subject)}: ${String(fact["host"] ?? fact["kind"] ?? "")}`;
  const change = typeof fact["new"] === "string" ? ` → ${lookOf(fact["new"]).word}` : typeof fact["state"] === "string" ? ` → ${words(fact["state"])}` : "";
  return `${String(subject)}${change}`;
}
