// What the platform tells people by itself: what fires, what is silenced, and silences to set and end.

import { useState } from "preact/hooks";

import { ask, at } from "../api/client";
import type { AlertPage, AlertShown, SilencePage, SilenceShown } from "../api/types";
import { confirm } from "../parts/dialog";
import { Card, Empty, Page, Trouble } from "../parts/frame";
import { Ago, At, Severity, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { to } from "../router";
import { may, now, storyVersion } from "../store";
import { plural } from "../words";

const REFRESH = 5;

export function AlertsView() {
  const turn = Math.floor(now.value / 1000 / REFRESH);
  const [changed, setChanged] = useState(0);
  const marks = [turn, changed, storyVersion.value];
  const alerts = useReading(() => ask<AlertPage>("/alerts", { query: { limit: 200 } }), marks);
  const silences = useReading(() => ask<SilencePage>("/silences", { query: { limit: 200 } }), marks);
  const listed = alerts.value?.items ?? [];
  const firing = listed.filter((item) => item.state === "firing");
  return (
    <Page title="Alerts" lead={`${plural(firing.length, "alert fires", "alerts fire")}. Each is told once, in groups, and so is its end.`}>
      {alerts.trouble !== null && <Trouble again={alerts.again}>{alerts.trouble}</Trouble>}
      <Card title="Now">
        {listed.length === 0 ? (
          <Empty>{alerts.value === null ? "Loading …" : "Nothing fires, and nothing is about to."}</Empty>
        ) : (
          <ul class="rows">
            {listed.map((item) => (
              <Alert key={item.fingerprint} item={item} changed={() => setChanged(changed + 1)} />
            ))}
          </ul>
        )}
      </Card>
      <Card title="Silences">
        {(silences.value?.items ?? []).length === 0 ? (
          <Empty>Nothing is silenced.</Empty>
        ) : (
          <ul class="rows">
            {silences.value?.items.map((item) => (
              <Silenced key={item.id} item={item} changed={() => setChanged(changed + 1)} />
            ))}
          </ul>
        )}
      </Card>
    </Page>
  );
}

function Alert({ item, changed }: { item: AlertShown; changed: () => void }) {
  const firing = item.state === "firing";
  return (
    <li class="row" data-alert={item.name}>
      <State
        state={item.muted ? "silenced" : item.state}
        look={item.muted ? { tone: "idle", shape: "dash", word: "silenced" } : firing ? { tone: "bad", shape: "triangle", word: "firing" } : { tone: "warn", shape: "half", word: "pending" }}
      />
      <Severity level={item.severity} />
      <span class="grow">
        <b>{item.name}</b> {item.service !== null && <a href={to("services", item.service)}>{item.service}</a>}
        <small>{item.summary}</small>
      </span>
      <span class="muted">
        <Ago at={item.since} />
      </span>
      {may("recovery.start", item.service) && !item.muted && (
        <button type="button" class="quiet" onClick={() => silence(item, changed)}>
          Silence …
        </button>
      )}
    </li>
  );
}

function silence(item: AlertShown, changed: () => void): void {
  const until = new Date(Date.now() + 4 * 3_600_000).toISOString();
  const matchers = [
    { label: "name", value: item.name, match: "exact" },
    ...(item.service === null ? [] : [{ label: "service", value: item.service, match: "exact" }]),
    ...(item.target === null ? [] : [{ label: "target", value: item.target, match: "exact" }]),
  ];
  confirm({
    title: `Silence ${item.name}${item.service === null ? "" : ` of ${item.service}`} for 4 hours?`,
    consequence: "Nobody is told that it fires. What has been told already is still told to be over.",
    action: "Silence",
    reason: "needed",
    run: async (reason) => {
      await ask("/silences", { method: "POST", body: { matchers, until, reason } });
      changed();
    },
    done: "It is silenced.",
  });
}

function Silenced({ item, changed }: { item: SilenceShown; changed: () => void }) {
  const words = item.matchers.map((matcher) => `${matcher.label} ${matcher.value}${matcher.match === "prefix" ? "…" : ""}`).join(", ");
  const end = () =>
    confirm({
      title: "End this silence?",
      consequence: `People are told of ${words} again from now on.`,
      action: "End it",
      run: async () => {
        await ask(at("silences", item.id), { method: "DELETE" });
        changed();
      },
      done: "The silence is over.",
    });
  return (
    <li class="row">
      <span class="grow">
        <b>{words}</b>
        <small>
          {item.reason} – {item.created_by}
        </small>
      </span>
      <span class="muted">
        until <At at={item.until} />
      </span>
      {may("recovery.start", item.service) && (
        <button type="button" class="quiet" onClick={end}>
          End …
        </button>
      )}
    </li>
  );
}

