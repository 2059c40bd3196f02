// One incident: what failed, what that costs, what was done and when, and what can be done now.

import { acknowledge, cancelIncident, cancelRecovery, decide } from "../actions";
import { ask, at } from "../api/client";
import type { ApprovalPage, ApprovalView, IncidentStory, RecoveryView } from "../api/types";
import { Card, Empty, Facts, Page, Trouble } from "../parts/frame";
import { Ago, At, Severity, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { to } from "../router";
import { may, resetVersion, storyVersion } from "../store";
import { clock, inUtc, lookOfIncident, NONE, span, words } from "../words";

export function IncidentView({ id }: { id: string }) {
  const marks = [id, storyVersion.value, resetVersion.value];
  const { value, trouble, again } = useReading(() => ask<IncidentStory>(at("incidents", id)), marks);
  const questions = useReading(() => ask<ApprovalPage>("/approvals", { query: { all: true } }), marks);
  if (value === null) return <Page title="Incident">{trouble === null ? "Loading …" : <Trouble again={again}>{trouble}</Trouble>}</Page>;
  const mine = (questions.value?.items ?? []).filter((item) => item.incident === id);
  const startable = may("recovery.start", value.service);
  return (
    <Page
      title={`${value.target} ${words(value.failure_type)}`}
      lead={
        <>
          <Severity level={value.severity} /> <State state={value.state} look={lookOfIncident(value.state)} /> {value.detail}
        </>
      }
      aside={
        startable &&
        value.ended_at === null && (
          <div class="buttons">
            {value.acknowledged_at === null && (
              <button type="button" class="primary" onClick={() => acknowledge(value)}>
                I look after it …
              </button>
            )}
            <button type="button" class="danger" onClick={() => cancelIncident(value)}>
              End it …
            </button>
          </div>
        )
      }
    >
      {mine.filter((item) => item.decision === null).map((item) => <Asked key={item.id} item={item} />)}
      <Phases story={value} />
      <div class="columns">
        <div class="column wide">
          <Card title="Timeline">
            {value.timeline.length === 0 ? (
              <Empty>The timeline is not at hand while the database is away.</Empty>
            ) : (
              <ol class="timeline">
                {value.timeline.map((event, index) => (
                  <li key={`${event.at}${index}`} data-kind={event.kind}>
                    <time dateTime={event.at} title={inUtc(event.at)}>
                      {clock(event.at)}
                    </time>
                    <b>{words(event.kind)}</b>
                    <span class="grow">{event.detail}</span>
                    <span class="muted">{event.actor}</span>
                  </li>
                ))}
              </ol>
            )}
          </Card>
          {value.recoveries.map((recovery) => (
            <Run key={recovery.id} run={recovery} />
          ))}
        </div>
        <div class="column">
          <Impact story={value} />
          <Card title="About">
            <Facts
              rows={[
                ["Service", <a key="s" href={to("services", value.service)}>{value.service}</a>],
                ["Group", value.group ?? NONE],
                ["Held for", value.root ? <a key="r" href={to("incidents", value.root)}>{value.root}</a> : NONE],
                ["Attempts", value.attempts],
                ["Relapses", value.relapses],
                ["Looked after by", value.acknowledged_by ?? "nobody"],
                ["Number", <code key="n">{value.id}</code>],
              ]}
            />
          </Card>
          {mine.filter((item) => item.decision !== null).map((item) => (
            <Card title="Asked" key={item.id}>
              <p>
                {item.decision} by {item.decided_by} <Ago at={item.decided_at} />
                {item.confirmed_twice && ", who confirmed it for a second person as well"}. {item.reason}
              </p>
            </Card>
          ))}
        </div>
      </div>
    </Page>
  );
}

export function Asked({ item }: { item: ApprovalView }) {
  const actions = item.plan["actions"];
  return (
    <Card title="A plan waits for a person" class="asks" aside={<span class="muted">no answer by <At at={item.expires_at} /> means no</span>}>
      <p>{item.why}</p>
      <p>
        <b>{String(item.plan["strategy"] ?? "")}</b>
        {item.plan["reason"] ? `, because ${String(item.plan["reason"])}` : ""}
      </p>
      {Array.isArray(actions) && (
        <ul>
          {actions.map((action) => (
            <li key={String(action)}>{typeof action === "string" ? action : JSON.stringify(action)}</li>
          ))}
        </ul>
      )}
      {item.answers.length > 0 && (
        <div class="buttons">
          {item.answers.includes("approve") && (
            <button type="button" class="danger" onClick={() => decide(item, "approve")}>
              Approve …
            </button>
          )}
          {item.answers.includes("refuse") && (
            <button type="button" class="quiet" onClick={() => decide(item, "refuse")}>
              Refuse …
            </button>
          )}
        </div>
      )}
      {!item.answers.includes("approve") && (
        <p class="muted">{item.answers.length > 0 ? "You have asked for it, so somebody else with the role approver has to agree." : "Somebody with the role approver has to answer."}</p>
      )}
    </Card>
  );
}

const PHASES: readonly (readonly [string, keyof IncidentStory, keyof IncidentStory])[] = [
  ["declared", "detected_at", "declared_at"],
  ["first step", "declared_at", "recovering_at"],
  ["acted", "recovering_at", "acted_at"],
  ["proven healthy", "acted_at", "validated_at"],
];

function Phases({ story }: { story: IncidentStory }) {
  return (
    <ol class="phases" aria-label="From detection to proof">
      <li class="reached">
        <b>detected</b>
        <At at={story.detected_at} />
      </li>
      {PHASES.map(([name, from, to]) => {
        const [start, end] = [story[from] as string | null, story[to] as string | null];
        return (
          <li key={name} class={end ? "reached" : ""}>
            <b>{name}</b>
            <span>{start && end ? `+ ${span(Math.max(0, Date.parse(end) - Date.parse(start)) / 1000)}` : NONE}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Impact({ story }: { story: IncidentStory }) {
  const impact = story.impact as { sentence?: string; affected?: { service: string; degraded: boolean; path: string[] }[]; inputs?: Record<string, unknown> };
  return (
    <Card title="Impact">
      <p>{impact.sentence ?? "It has not been assessed."}</p>
      {impact.affected && impact.affected.length > 0 && (
        <ul class="rows">
          {impact.affected.map((item) => (
            <li key={item.service} class="row">
              <State state={item.degraded ? "degraded" : "failed"} look={item.degraded ? { tone: "warn", shape: "half", word: "worse" } : { tone: "bad", shape: "cross", word: "down" }} />
              <a href={to("services", item.service)}>{item.service}</a>
              <span class="muted">over {item.path.join(" → ")}</span>
            </li>
          ))}
        </ul>
      )}
      <details>
        <summary>What the verdict rests on</summary>
        <Facts rows={Object.entries(impact.inputs ?? {}).map(([name, value]) => [words(name), value === null ? NONE : typeof value === "object" ? JSON.stringify(value) : String(value)] as const)} />
      </details>
    </Card>
  );
}

export function Run({ run }: { run: RecoveryView }) {
  return (
    <Card
      title={
        <>
          Recovery {run.strategy ? `by ${run.strategy}` : ""} <State state={run.outcome ?? run.status} />
        </>
      }
      aside={
        <>
          <span class="muted">{run.duration === null ? "runs" : `took ${span(run.duration)}`}</span>
          {run.finished_at === null && may("recovery.start", run.service) && (
            <button type="button" class="danger" onClick={() => cancelRecovery(run)}>
              Cancel …
            </button>
          )}
        </>
      }
    >
      {run.detail && <p>{run.detail}</p>}
      <ol class="steps">
        {run.steps.map((step, index) => (
          <li key={`${step.started_at}${index}`} class={step.succeeded === null ? "runs" : step.succeeded ? "did" : "failed"}>
            <State
              state={step.succeeded === null ? "running" : step.succeeded ? "finished" : "failed"}
              look={step.succeeded === null ? { tone: "busy", shape: "turn", word: step.step } : { tone: step.succeeded ? "good" : "bad", shape: step.succeeded ? "disc" : "cross", word: step.step }}
            />
            <span class="muted">{step.strategy}</span>
            <span class="grow">
              {step.detail}
              {step.verify_rounds > 1 && ` (${step.verify_rounds} rounds)`}
            </span>
            <span class="muted">{span(step.duration)}</span>
          </li>
        ))}
      </ol>
      <p class="muted small">
        asked for by {run.requested_by} <Ago at={run.started_at} />
        {run.reason && `: ${run.reason}`} · <code>{run.id}</code>
      </p>
    </Card>
  );
}
