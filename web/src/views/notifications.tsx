// Through whom people are told: each channel with what came of its last message, a test of it, and how alerts are grouped.

import { useState } from "preact/hooks";

import { ApiError, ask, at } from "../api/client";
import type { AlertTiming, ChannelList, ChannelShown, ChannelTested } from "../api/types";
import { confirm, type Question } from "../parts/dialog";
import { Card, Facts, Trouble } from "../parts/frame";
import { Ago, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { to } from "../router";
import { mayEverywhere, now, storyVersion } from "../store";
import { type Look, span } from "../words";

const REFRESH = 5;
const EXAMPLE = `[[notifications]]
kind = "slack"
url = "{env:SLACK_WEBHOOK}"`;

export function Notifications() {
  const [turn, setTurn] = useState(0);
  const marks = [turn, Math.floor(now.value / 1000 / REFRESH), storyVersion.value];
  const { value, trouble, again } = useReading(() => ask<ChannelList>("/alerts/channels"), marks);
  return (
    <Card title="Notifications" aside={<a href={to("alerts")}>Alerts and silences</a>}>
      {trouble !== null && <Trouble again={again}>{trouble}</Trouble>}
      {value !== null && value.items.length === 0 && <Nobody />}
      {value !== null && value.items.length > 0 && (
        <ul class="rows">
          {value.items.map((item) => (
            <Channel key={item.name} item={item} changed={() => setTurn(turn + 1)} />
          ))}
        </ul>
      )}
      {value !== null && <Timing timing={value.alerting} />}
    </Card>
  );
}

function Nobody() {
  return (
    <>
      <p class="note tone-warn">Nobody is told: the settings file names no channel.</p>
      <p>Write one into the settings file, which is read again when it changes. The secret stays in the environment of the control plane.</p>
      <pre class="code">{EXAMPLE}</pre>
      <p class="muted">
        The kinds are <code>slack</code>, <code>pagerduty</code>, <code>webhook</code> and <code>email</code>; <code>docs/how-to/get-notified.md</code> has an example of each.
      </p>
    </>
  );
}

function lookOfChannel(item: ChannelShown): Look {
  if (item.last_outcome === "given_up") return { tone: "bad", shape: "cross", word: "given up" };
  if (item.waiting > 0) return { tone: "busy", shape: "turn", word: "telling" };
  if (item.last_outcome === "delivered") return { tone: "good", shape: "disc", word: "delivered" };
  return { tone: "idle", shape: "ring", word: "unused" };
}

function Channel({ item, changed }: { item: ChannelShown; changed: () => void }) {
  const figures = [
    `${item.sent} sent`,
    item.given_up > 0 && `${item.given_up} given up`,
    item.dropped > 0 && `${item.dropped} dropped`,
    item.waiting > 0 && `${item.waiting} waiting`,
  ].filter(Boolean);
  return (
    <li class="row channel" data-channel={item.name}>
      <State state={item.last_outcome ?? "unused"} look={lookOfChannel(item)} />
      <span class="grow">
        <b>{item.name}</b> <span class="muted">{item.host ?? "address kept as a secret"}</span>
        <small>
          {item.least_severity === 4 ? "everything" : `severity ${item.least_severity} and worse`} · {figures.join(", ")}
          {item.last_error !== null && ` · ${item.last_error}`}
        </small>
      </span>
      <span class="muted ago">
        <Ago at={item.last_at} />
      </span>
      {mayEverywhere("recovery.start") && (
        <button type="button" class="quiet" aria-label={`Send a test through ${item.name}`} onClick={() => confirm(test(item, changed))}>
          Send test …
        </button>
      )}
    </li>
  );
}

function test(item: ChannelShown, changed: () => void): Question {
  const question: Question = {
    title: `Send a test through ${item.name}?`,
    consequence: `Whoever listens there gets a real message that says it is a test.${item.kind === "pagerduty" ? " It opens an incident of the lowest severity, which you resolve there." : ""}`,
    action: "Send",
    run: async () => {
      const came = await ask<ChannelTested>(at("alerts", "channels", item.name, "test"), { method: "POST" });
      changed();
      if (!came.delivered) throw new ApiError(200, "not_delivered", `It was not delivered: ${came.answer}.`);
      question.done = `Delivered after ${span(came.seconds)}: ${came.answer}.`;
    },
  };
  return question;
}

function Timing({ timing }: { timing: AlertTiming }) {
  if (!timing.enabled) return <p class="note tone-warn">Alerts are switched off in the settings file; incidents are told all the same.</p>;
  return (
    <Facts
      rows={[
        ["Alerts are gathered for", span(timing.group_window)],
        ["They are over after", `${span(timing.settle)} without their cause`],
        ["People are reminded after", span(timing.repeat_interval)],
      ]}
    />
  );
}
