// One circuit: how it stands, what decided that, how it went, how it is configured, and what can be done.

import { useEffect, useState } from "preact/hooks";

import { close, isolate, reset } from "../actions";
import { ask, at } from "../api/client";
import type { CircuitDetail, HistoryView, OnReplica } from "../api/types";
import { ChartFigure } from "../parts/chart";
import { Decision, Strip } from "../parts/evidence";
import { Card, Empty, Facts, Figure, Page, Trouble } from "../parts/frame";
import { Ago, At, Countdown, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { type Column, Table } from "../parts/table";
import { StateBand } from "../parts/timeline";
import { to } from "../router";
import { circuits, may, now, resetVersion } from "../store";
import { count, lookOf, NONE, rate, reasonOf, share, span } from "../words";
import { CapacityCard } from "./capacity";
import { CircuitConfiguration } from "./circuit-configuration";

const SPANS: readonly (readonly [string, number])[] = [
  ["5 min", 300],
  ["1 h", 3600],
  ["6 h", 21_600],
  ["24 h", 86_400],
];
const REFRESH = 2000;

export function CircuitView({ name }: { name: string }) {
  const live = circuits.value.get(name);
  const [seconds, setSeconds] = useState(300);
  const [turn, setTurn] = useState(0);
  const [readAt, setReadAt] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setTurn((number) => number + 1), REFRESH);
    return () => clearInterval(timer);
  }, []);
  const detail = useReading(
    () => ask<CircuitDetail>(at("circuit-breakers", name)).finally(() => setReadAt(Date.now())),
    [name, live?.state, live?.revision, turn, resetVersion.value],
  );
  const shown = detail.value;
  if (shown === null) return detail.trouble === null ? <Page title={name}>Loading …</Page> : <Page title={name}><Trouble again={detail.again}>{detail.trouble}</Trouble></Page>;
  const state = live?.state ?? shown.state;
  const row = live ?? shown;
  return (
    <Page
      title={name}
      lead={
        <>
          <State state={state} /> {reasonOf(row.why)}
        </>
      }
      aside={
        row.operable && (
          <div class="buttons">
            {state !== "isolated" && (
              <button type="button" class="danger" onClick={() => isolate(row)}>
                Isolate
              </button>
            )}
            {state !== "closed" && (
              <button type="button" class="primary" onClick={() => close(row)}>
                Close
              </button>
            )}
            <button type="button" class="quiet" onClick={() => reset(row)}>
              Reset
            </button>
          </div>
        )
      }
    >
      {shown.order && (
        <p class="note tone-held">
          Held by {shown.order.by}: {shown.order.order} <Ago at={shown.order.since} />. {shown.order.reason}
        </p>
      )}
      <Figures shown={shown} state={state} readAt={live?.received ?? readAt} probe={row.next_probe} />
      <Card
        title="Course"
        aside={
          <div class="switch" role="group" aria-label="Span of time">
            {SPANS.map(([word, number]) => (
              <button type="button" key={word} aria-pressed={seconds === number} onClick={() => setSeconds(number)}>
                {word}
              </button>
            ))}
          </div>
        }
      >
        <StateBand changes={shown.transitions} present={state} seconds={seconds} />
        <Course name={name} seconds={seconds} turn={seconds > 3600 ? 0 : turn} />
      </Card>
      <div class="columns">
        <div class="column wide">
          <Card title="What decided its state">
            <Deciding shown={shown} />
          </Card>
          <Card title="Changes of state">
            {shown.transitions.length === 0 ? (
              <Empty>It has been {lookOf(state).word} all the time that is remembered.</Empty>
            ) : (
              <ol class="changes">
                {shown.transitions.slice(0, 40).map((change) => (
                  <li key={`${change.at}${change.replica}${change.new}`}>
                    <At at={change.at} />
                    <State state={change.old} />
                    <span aria-hidden="true">→</span>
                    <State state={change.new} />
                    <span class="grow">{change.reason}</span>
                    <span class="muted" title={change.replica}>
                      {change.replica.slice(0, 8)}
                    </span>
                    {change.evidence !== null && <Strip evidence={change.evidence} />}
                  </li>
                ))}
              </ol>
            )}
          </Card>
        </div>
        <div class="column">
          <CapacityCard name={name} turn={turn} />
          <CircuitConfiguration shown={shown} />
        </div>
      </div>
    </Page>
  );
}

function Figures({ shown, state, readAt, probe }: { shown: CircuitDetail; state: string; readAt: number; probe: number | null }) {
  const { counters, response_times: times } = shown;
  const calls = counters.successes + counters.failures;
  return (
    <div class="figures">
      <Figure
        name={state === "open" ? "Next probe" : "In this state"}
        value={state === "open" ? <Countdown seconds={probe} since={readAt} /> : <For since={shown.since} />}
        note={state === "open" ? "then one call finds out" : `as ${lookOf(state).word}`}
      />
      <Figure name="Failing" value={share(calls ? counters.failures / calls : null)} note={`${count(counters.failures)} of ${count(calls)} calls`} />
      <Figure name="Refused" value={count(counters.rejections)} note="calls that did not go out" />
      <Figure
        name="Response times"
        value={span(times.p50)}
        note={
          <>
            median · p95 <b>{span(times.p95)}</b> · p99 <b>{span(times.p99)}</b>
          </>
        }
      />
      <Figure
        name="Besides"
        value={count(counters.slow)}
        note={`slow · ${count(counters.timeouts)} timed out · ${count(counters.late)} late · ${count(counters.ignored)} ignored`}
      />
    </div>
  );
}

function For({ since }: { since: string | null }) {
  return <span>{since === null ? NONE : span(Math.max(0, Math.floor((now.value - Date.parse(since)) / 1000)))}</span>;
}

function Course({ name, seconds, turn }: { name: string; seconds: number; turn: number }) {
  const { value, code, trouble } = useReading(
    () =>
      ask<HistoryView>("/metrics/history", {
        query: { circuit: name, from: new Date(Date.now() - seconds * 1000).toISOString(), resolution: seconds <= 600 ? "1" : "auto" },
      }),
    [name, seconds, turn],
  );
  if (!may("metrics.read")) return null;
  if (value === null) return trouble === null ? null : <Trouble>{code === "access_denied" ? "Other services use this circuit as well, so its totals are not shown to you." : trouble}</Trouble>;
  if (value.buckets.length === 0) return <Empty>No calls were recorded in this span.</Empty>;
  const times = value.buckets.map((bucket) => Date.parse(bucket.start) / 1000);
  const per = value.resolution;
  const numbers = (of: (bucket: HistoryView["buckets"][number]) => number | null) => value.buckets.map(of);
  return (
    <div class="charts">
      <ChartFigure
        label="Calls per second"
        times={times}
        seconds={seconds}
        text={rate}
        series={[
          { name: "succeeded", colour: "--good", values: numbers((bucket) => bucket.successes / per), filled: true },
          { name: "failed", colour: "--bad", values: numbers((bucket) => bucket.failures / per), filled: true },
          { name: "refused", colour: "--held", values: numbers((bucket) => bucket.rejections / per) },
        ]}
      />
      <ChartFigure
        label="Response times"
        times={times}
        seconds={seconds}
        text={span}
        series={[
          { name: "median", colour: "--busy", values: numbers((bucket) => bucket.p50) },
          { name: "p95", colour: "--warn", values: numbers((bucket) => bucket.p95) },
          { name: "p99", colour: "--held", values: numbers((bucket) => bucket.p99) },
        ]}
      />
    </div>
  );
}

const COLUMNS: readonly Column<OnReplica>[] = [
  { name: "State", cell: (row) => <State state={row.state} />, order: (row) => row.state },
  { name: "Process", cell: (row) => (
      <span title={row.replica}>
        {row.replica.slice(0, 8)}
        {row.key !== null && ` · ${row.key}`} <span class="muted">{row.host}</span>
      </span>
    ), order: (row) => row.replica },
  { name: "Because", cell: (row) => row.reason || NONE, grow: true },
  { name: "In a row", cell: (row) => count(row.consecutive_failures), order: (row) => row.consecutive_failures, right: true, extra: true },
  { name: "Failed", cell: (row) => count(row.failures), order: (row) => row.failures, right: true },
  { name: "Heard", cell: (row) => `${span(row.age)} ago${row.stale ? " (stale)" : ""}`, order: (row) => row.age, right: true, extra: true },
];

function Deciding({ shown }: { shown: CircuitDetail }) {
  const decided = shown.transitions.find((change) => change.evidence !== null);
  // What a failed probe decided goes back to what opened the circuit.
  const opened = decided?.new === "open" && decided.old !== "closed" ? shown.transitions.find((change) => change.old === "closed" && change.new === "open") : undefined;
  return (
    <>
      {decided?.evidence && <Decision change={decided} evidence={decided.evidence} />}
      {opened?.evidence && <Decision change={opened} evidence={opened.evidence} />}
      <Facts
        rows={[
          ["Last failure", shown.last_failure ? <>{shown.last_failure.type} <Ago at={shown.last_failure.at} /></> : "none remembered"],
          ["Services", shown.services.length ? shown.services.map((service) => <a key={service} href={to("services", service)}>{service} </a>) : NONE],
        ]}
      />
      <Table caption="By process" rows={shown.on_replicas} columns={COLUMNS} nameOf={(row) => `${row.replica}/${row.key ?? ""}`} empty="No process reports this circuit now." />
    </>
  );
}
