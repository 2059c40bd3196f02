// How a circuit is configured: what is in force, its history, and a change that is tried on recorded calls before it is made.

import { useState } from "preact/hooks";

import { ApiError, ask, at } from "../api/client";
import type { CircuitDetail, ConfigurationView, DefaultsView, DiffView, MetricsDryRunView, OutcomeView, RevisionPage } from "../api/types";
import { confirm } from "../parts/dialog";
import { Card, Empty, Facts, Trouble } from "../parts/frame";
import { Ago, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { may } from "../store";
import { count, plural, span, words } from "../words";

type Values = Record<string, unknown>;

export function CircuitConfiguration({ shown }: { shown: CircuitDetail }) {
  const [editing, setEditing] = useState(false);
  const configured = shown.configured;
  const service = configured?.service ?? shown.services[0] ?? null;
  const changeable = may("circuits.configure", service) && configured?.source !== "file";
  const defaults = useReading(() => ask<DefaultsView>("/config/defaults"), []);
  const kind = defaults.value?.configurations["circuit_breaker"];
  return (
    <>
      <Card
        title="Configuration"
        aside={
          changeable &&
          !editing && (
            <button type="button" class="quiet" onClick={() => setEditing(true)}>
              {configured ? "Change" : "Configure"}
            </button>
          )
        }
      >
        {configured === null ? (
          <Empty>The applications' code configures it; nothing is set here.</Empty>
        ) : (
          <>
            <p class="muted">
              revision {configured.revision} by {configured.changed_by} <Ago at={configured.changed_at} />
              {configured.reason && `: ${configured.reason}`}
              {configured.source === "file" && ". It comes from the settings file, and is changed there."}
            </p>
            {!editing && kind && <InForce values={configured.configuration ?? {}} kind={kind} />}
          </>
        )}
        {editing && kind && <Editor shown={shown} kind={kind} service={service} close={() => setEditing(false)} />}
      </Card>
      {configured !== null && may("policies.read") && <Revisions name={shown.name} present={configured.revision} />}
    </>
  );
}

function InForce({ values, kind }: { values: Values; kind: ConfigurationView }) {
  const changed = Object.entries(values).filter(([name, value]) => name !== "name" && JSON.stringify(value) !== JSON.stringify(kind.fields[name]?.default));
  return changed.length === 0 ? (
    <Empty>Every field has its default.</Empty>
  ) : (
    <Facts rows={changed.map(([name, value]) => [words(name), <code key={name}>{`${show(value)} ${kind.fields[name]?.unit ?? ""}`}</code>] as const)} />
  );
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

const FIRST = ["failure_threshold", "recovery_timeout", "success_threshold", "timeout", "window_kind", "window", "failure_rate", "minimum_calls", "slow_call_duration", "slow_call_rate", "open_backoff", "ramp"];

function Editor({ shown, kind, service, close }: { shown: CircuitDetail; kind: ConfigurationView; service: string | null; close: () => void }) {
  // What the change rests on: whoever changes it meanwhile is not overwritten, but makes this one fail.
  const [begun] = useState(shown.configured);
  const before: Values = begun?.configuration ?? Object.fromEntries(Object.entries(kind.fields).map(([name, field]) => [name, field.default]));
  const [texts, setTexts] = useState<Record<string, string>>(() => Object.fromEntries(FIRST.map((name) => [name, before[name] === null || before[name] === undefined ? "" : show(before[name])])));
  const [trouble, setTrouble] = useState<string | null>(null);
  const [tried, setTried] = useState<MetricsDryRunView | null>(null);
  const proposed = (): Values => ({ ...before, name: shown.name, ...Object.fromEntries(FIRST.map((name) => [name, read(texts[name] ?? "")])) });
  const attempt = async (run: () => Promise<void>) => {
    setTrouble(null);
    try {
      await run();
    } catch (error) {
      setTrouble(error instanceof ApiError ? error.told : "This did not work.");
    }
  };
  const tryIt = () =>
    attempt(async () => {
      const since = new Date(Date.now() - 3_600_000).toISOString();
      setTried(await ask<MetricsDryRunView>(`${at("circuit-breakers", shown.name)}/dry-run`, { method: "POST", body: { configuration: proposed(), since } }));
    });
  const save = () => {
    const configuration = proposed();
    const revision = begun?.revision;
    confirm({
      title: `Put this configuration of ${shown.name} in force?`,
      consequence: `${plural(shown.replicas, "process takes", "processes take")} it over within about a second. Calls under way end by the former one.`,
      action: "Put in force",
      reason: "welcome",
      run: async (reason) => {
        const body = { configuration, service, reason: reason || null };
        await (revision === undefined
          ? ask("/circuit-breakers", { method: "POST", body })
          : ask(at("circuit-breakers", shown.name), { method: "PUT", body, revision }));
        close();
      },
      done: "The configuration is in force.",
    });
  };
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      {FIRST.map((name) => {
        const field = kind.fields[name];
        return field === undefined ? null : (
          <label class="field" key={name}>
            <span>
              {words(name)} {field.unit && <em>{field.unit}</em>}
            </span>
            <input value={texts[name] ?? ""} placeholder={show(field.default)} aria-describedby={`allowed-${name}`} onInput={(event) => setTexts({ ...texts, [name]: event.currentTarget.value })} />
            <small id={`allowed-${name}`}>{field.allowed}</small>
          </label>
        );
      })}
      {trouble !== null && <Trouble>{trouble}</Trouble>}
      {tried !== null && <Tried tried={tried} />}
      <div class="buttons">
        <button type="button" class="quiet" onClick={close}>
          Leave it
        </button>
        <button type="button" class="quiet" onClick={() => void tryIt()}>
          Try on the last hour
        </button>
        <button type="submit" class="primary">
          Put in force …
        </button>
      </div>
    </form>
  );
}

function read(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "null") return null;
  const number = Number(trimmed);
  return Number.isNaN(number) ? trimmed : number;
}

function Tried({ tried }: { tried: MetricsDryRunView }) {
  const rows: readonly (readonly [string, (outcome: OutcomeView) => string])[] = [
    ["openings", (outcome) => count(outcome.openings)],
    ["time open", (outcome) => span(outcome.seconds_open)],
    ["calls refused", (outcome) => count(outcome.refused)],
    ["failures avoided", (outcome) => count(outcome.failures_avoided)],
    ["successes lost", (outcome) => count(outcome.successes_lost)],
  ];
  return (
    <div class="tried">
      <h3>On the calls of the last hour</h3>
      <table>
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">What</span>
            </th>
            <th scope="col">In force</th>
            <th scope="col">Proposed</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, of]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{tried.present === null ? "–" : of(tried.present)}</td>
              <td>{of(tried.proposed)}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">at the end</th>
            <td>{tried.present === null ? "–" : <State state={tried.present.final_state} />}</td>
            <td>
              <State state={tried.proposed.final_state} />
            </td>
          </tr>
        </tbody>
      </table>
      {tried.assumptions.map((text) => (
        <p class="muted small" key={text}>
          {text}
        </p>
      ))}
    </div>
  );
}

function Revisions({ name, present }: { name: string; present: number }) {
  const { value } = useReading(() => ask<RevisionPage>(`${at("policies", name)}/revisions`), [name, present]);
  const [picked, setPicked] = useState<number | null>(null);
  const diff = useReading(
    () => (picked === null || picked < 2 ? Promise.resolve(null) : ask<DiffView>(`${at("policies", name)}/diff`, { query: { from: picked - 1, to: picked } })),
    [picked],
  );
  if (value === null || value.items.length < 2) return null;
  return (
    <Card title="History">
      <ol class="revisions">
        {value.items.map((item) => (
          <li key={item.revision}>
            <button type="button" class="quiet" aria-expanded={picked === item.revision} onClick={() => setPicked(picked === item.revision ? null : item.revision)}>
              revision {item.revision}
            </button>
            <span class="grow">{item.reason ?? ""}</span>
            <span class="muted">
              {item.changed_by} <Ago at={item.changed_at} />
            </span>
            {picked === item.revision && (
              <ul class="diff">
                {item.revision === 1 ? <li>the first one</li> : null}
                {diff.value?.differences.map((change) => (
                  <li key={change.field}>
                    <code>{change.field}</code> <del>{show(change.old)}</del> <ins>{show(change.new)}</ins>
                  </li>
                ))}
              </ul>
            )}
          </li>
        ))}
      </ol>
    </Card>
  );
}
