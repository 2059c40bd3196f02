// The control plane itself: how it stands, tokens, roles, and who is told of what.

import { useState } from "preact/hooks";

import { ApiError, ask, at } from "../api/client";
import type { HealthView, PlatformView, ReplicaPage, RoleBindingPage, RoleList, TokenMade, TokenPage, TokenShown } from "../api/types";
import { confirm } from "../parts/dialog";
import { Card, Empty, Facts, Page, Trouble } from "../parts/frame";
import { Ago, At, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { type Column, Table } from "../parts/table";
import { may, session, summary } from "../store";
import { count, NONE, span, words } from "../words";
import { Notifications } from "./notifications";

export function SettingsView() {
  return (
    <Page title="Settings" lead={`scrollintel ${session.value?.version ?? ""}`}>
      <Platform />
      {may("health.read") && <Notifications />}
      {may("tokens.read") && <Tokens />}
      {may("roles.read") && <Roles />}
      <Processes />
    </Page>
  );
}

function Platform() {
  const { value, trouble, again } = useReading(() => ask<HealthView>("/health"), [summary.value?.storage, summary.value?.stale]);
  if (value === null) return trouble === null ? null : <Trouble again={again}>{trouble}</Trouble>;
  const shown: PlatformView = value.platform;
  const problems = [...shown.problems, ...Object.entries(shown.background_errors).map(([name, text]) => `${name}: ${text}`)];
  return (
    <Card title="Control plane" aside={<State state={shown.status} />}>
      {problems.map((text) => (
        <p class="note tone-bad" key={text}>
          {text}
        </p>
      ))}
      <Facts
        rows={[
          ["Up", span(shown.uptime)],
          ["Database", `${shown.storage.dialect}, ${shown.storage.state}`],
          ["Changes written", count(shown.storage.changes)],
          ["Audit records", `${count(shown.audit.records)}, ${shown.audit.intact ? "intact" : "broken"}`],
          ["Checkpoint", <At key="c" at={shown.audit.checkpoint.at} />],
          ["Keys", `${shown.keys.state}${shown.keys.rotating ? ", rotating" : ""}`],
          ["Access", shown.access],
        ]}
      />
    </Card>
  );
}

const TOKENS: readonly Column<TokenShown>[] = [
  { name: "State", cell: (row) => <State state={row.state} />, order: (row) => row.state },
  { name: "Name", cell: (row) => row.name, order: (row) => row.name, grow: true },
  { name: "May", cell: (row) => row.bindings.map((item) => `${item.role} of ${item.services.join(", ")}`).join("; "), extra: true },
  { name: "Used", cell: (row) => <Ago at={row.last_used_at} />, order: (row) => row.last_used_at ?? "", right: true, extra: true },
  { name: "Ends", cell: (row) => <At at={row.expires_at} />, order: (row) => row.expires_at, right: true },
];

function Tokens() {
  const [turn, setTurn] = useState(0);
  const [made, setMade] = useState<TokenMade | null>(null);
  const { value, trouble, again } = useReading(() => ask<TokenPage>("/tokens", { query: { limit: 200 } }), [turn]);
  const revoke = (token: TokenShown) =>
    confirm({
      title: `Revoke the token ${token.name}?`,
      consequence: "Whoever uses it is refused from now on, running streams included. It cannot be taken back.",
      action: "Revoke",
      dangerous: true,
      run: async () => {
        await ask(at("tokens", token.id), { method: "DELETE" });
        setTurn(turn + 1);
      },
      done: "The token is revoked.",
    });
  const columns: readonly Column<TokenShown>[] = may("tokens.write")
    ? [
        ...TOKENS,
        {
          name: "Do",
          right: true,
          cell: (row) =>
            row.state === "valid" && (
              <button type="button" class="quiet" onClick={() => revoke(row)}>
                Revoke …
              </button>
            ),
        },
      ]
    : TOKENS;
  return (
    <Card title="Tokens">
      {trouble !== null && <Trouble again={again}>{trouble}</Trouble>}
      {made !== null && (
        <p class="note tone-good">
          This is shown once. Keep it now: <code class="secret">{made.token}</code>{" "}
          <button type="button" class="quiet" onClick={() => void navigator.clipboard.writeText(made.token)}>
            Copy
          </button>
        </p>
      )}
      {value !== null && <Table caption="Tokens" rows={value.items} columns={columns} nameOf={(row) => row.id} empty="There is no token." />}
      {may("tokens.write") && (
        <Mint
          made={(token) => {
            setMade(token);
            setTurn(turn + 1);
          }}
        />
      )}
    </Card>
  );
}

const ROLES = ["viewer", "operator", "admin", "auditor", "approver", "replica"];

function Mint({ made }: { made: (token: TokenMade) => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState("viewer");
  const [services, setServices] = useState("*");
  const [days, setDays] = useState("90");
  const [trouble, setTrouble] = useState<string | null>(null);
  const mint = async (event: Event) => {
    event.preventDefault();
    setTrouble(null);
    try {
      const listed = services.split(",").map((item) => item.trim()).filter(Boolean);
      made(await ask<TokenMade>("/tokens", { method: "POST", body: { name, bindings: [{ role, services: listed }], expires_in: Number(days) * 86_400 } }));
      setName("");
    } catch (error) {
      setTrouble(error instanceof ApiError ? error.told : "This did not work.");
    }
  };
  return (
    <form class="inline-form" onSubmit={(event) => void mint(event)}>
      <label class="field">
        <span>Name</span>
        <input value={name} required maxLength={200} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>Role</span>
        <select value={role} onChange={(event) => setRole(event.currentTarget.value)}>
          {ROLES.map((item) => (
            <option key={item}>{item}</option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>Services</span>
        <input value={services} required onInput={(event) => setServices(event.currentTarget.value)} />
      </label>
      <label class="field">
        <span>
          Valid for <em>days</em>
        </span>
        <input type="number" min="1" max="365" value={days} onInput={(event) => setDays(event.currentTarget.value)} />
      </label>
      <button type="submit" class="primary">
        Make a token
      </button>
      {trouble !== null && <Trouble>{trouble}</Trouble>}
    </form>
  );
}

function Roles() {
  const roles = useReading(() => ask<RoleList>("/roles"), []);
  const bound = useReading(() => ask<RoleBindingPage>("/role-bindings", { query: { limit: 200 } }), []);
  return (
    <Card title="Roles">
      {bound.value !== null &&
        (bound.value.items.length === 0 ? (
          <Empty>No person or group of an identity provider has a role by the API.</Empty>
        ) : (
          <ul class="rows">
            {bound.value.items.map((item) => (
              <li key={item.id} class="row">
                <b>{item.role}</b>
                <span class="grow">
                  {item.kind} {item.subject ?? item.subject_id} · {item.services.join(", ")}
                </span>
                <span class="muted">
                  <Ago at={item.created_at} />
                </span>
              </li>
            ))}
          </ul>
        ))}
      <details>
        <summary>What each role may do</summary>
        <Facts rows={(roles.value?.items ?? []).map((item) => [item.role, item.permissions.map(words).join(", ") || NONE] as const)} />
      </details>
    </Card>
  );
}

function Processes() {
  const { value } = useReading(() => (may("replicas.read") ? ask<ReplicaPage>("/replicas", { query: { limit: 200 } }) : Promise.resolve(null)), [summary.value?.replicas, summary.value?.stale_replicas]);
  if (value === null) return null;
  return (
    <Card title="Processes that have joined">
      {value.items.length === 0 ? (
        <Empty>None has joined yet. One line of code joins: see the guide.</Empty>
      ) : (
        <ul class="rows">
          {value.items.map((item) => (
            <li key={item.instance} class="row">
              <State state={item.stale ? "suspect" : "healthy"} look={item.stale ? { tone: "warn", shape: "half", word: "stale" } : { tone: "good", shape: "disc", word: "reports" }} />
              <b>{item.service}</b>
              <span class="grow muted">
                {item.host ?? ""} {item.pid === null ? "" : `process ${item.pid}`} · {item.circuits} circuits · version {item.version}
              </span>
              <span class="muted">heard {span(item.age)} ago</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
