// The calls that decided a circuit's state: a strip of shapes, and each in words.

import type { Change, DecidingCall, Evidence } from "../api/types";
import { count, inBoth, lookOfCall, NONE, plural, span, words } from "../words";
import { Ago, At, Shape, State } from "./marks";
import { type Column, Table } from "./table";

/** What a call was, in a sentence. */
function told(call: DecidingCall): string {
  const parts = [lookOfCall(call.outcome).word + (call.error === null ? "" : ` (${call.error})`)];
  if (call.seconds !== null) parts.push(`after ${span(call.seconds)}`);
  if (call.at !== null) parts.push(inBoth(call.at));
  return parts.join(", ");
}

export function Strip({ evidence }: { evidence: Evidence }) {
  return (
    <ol class="strip" aria-label="Calls, oldest first">
      {evidence.calls.map((call, index) => {
        const look = lookOfCall(call.outcome);
        return (
          <li key={index} class={`tone-${look.tone}`} data-outcome={call.outcome} title={told(call)}>
            <Shape shape={look.shape} tone={look.tone} size={14} />
            <span class="hidden">{told(call)}</span>
          </li>
        );
      })}
    </ol>
  );
}

const RULES: Record<string, string> = {
  consecutive: "failures in a row",
  count: "the last calls",
  time: "the calls of a stretch of time",
  count_in_time: "failures within a stretch of time",
  probes: "probes after the wait",
};

const COLUMNS: readonly Column<[number, DecidingCall]>[] = [
  { name: "Call", cell: ([, call]) => <State state={call.outcome} look={lookOfCall(call.outcome)} /> },
  { name: "Error", cell: ([, call]) => (call.error === null ? NONE : <code>{call.error}</code>), grow: true },
  { name: "Took", cell: ([, call]) => span(call.seconds), right: true },
  { name: "Ended", cell: ([, call]) => <At at={call.at} />, right: true },
];

/** A change that calls decided, in full. */
export function Decision({ change, evidence }: { change: Change; evidence: Evidence }) {
  const bad = [`${count(evidence.failures)} failed`, ...(evidence.slow ? [`${count(evidence.slow)} slow`] : [])].join(", ");
  return (
    <div class="decision">
      <p>
        <State state={change.new} /> <Ago at={change.at} /> in process <span title={change.replica}>{change.replica.slice(0, 8)}</span>: {change.reason}.
      </p>
      <Strip evidence={evidence} />
      <p class="muted small">
        Weighed: {RULES[evidence.rule] ?? words(evidence.rule)}; {plural(evidence.total, "call")}, {bad}
        {evidence.calls.length < evidence.total && `; ${shownOf(evidence)}`}.
      </p>
      <details>
        <summary>Each of these calls</summary>
        <Table caption="The calls that decided" rows={evidence.calls.map((call, index): [number, DecidingCall] => [index, call])} columns={COLUMNS} nameOf={([index]) => String(index)} empty="None is known by itself." />
        {evidence.spans.length > 0 && <Spans evidence={evidence} />}
      </details>
    </div>
  );
}

function shownOf(evidence: Evidence): string {
  const kept = evidence.calls.length;
  return evidence.rule === "time" ? `of those that failed or were slow the newest ${count(kept)} are shown` : `the newest ${count(kept)} are shown`;
}

function Spans({ evidence }: { evidence: Evidence }) {
  return (
    <ul class="rows">
      {evidence.spans.map((part) => (
        <li key={part.start} class="row">
          <span class="grow">
            from <At at={part.start} />
          </span>
          <span class="muted">
            {plural(part.calls, "call")}, {count(part.failures)} failed, {count(part.slow)} slow
          </span>
        </li>
      ))}
    </ul>
  );
}
