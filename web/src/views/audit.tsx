// The audit log: searched, verified, exported.

import { useState } from "preact/hooks";

import { ApiError, ask, ROOT } from "../api/client";
import type { AuditPage, AuditShown, Verdict } from "../api/types";
import { Facts, Page, Trouble } from "../parts/frame";
import { At, State } from "../parts/marks";
import { useReading } from "../parts/reading";
import { type Column, Table } from "../parts/table";
import { keep, query } from "../router";
import { may, storyVersion } from "../store";
import { count, NONE, plural } from "../words";

const COLUMNS: readonly Column<AuditShown>[] = [
  { name: "#", cell: (row) => row.sequence, order: (row) => row.sequence, right: true },
  { name: "At", cell: (row) => <At at={row.at} />, order: (row) => row.at },
  { name: "Who", cell: (row) => row.personal?.subject ?? row.actor, order: (row) => row.actor },
  { name: "What", cell: (row) => <code>{row.action}</code>, order: (row) => row.action },
  { name: "On", cell: (row) => row.target, order: (row) => row.target, grow: true },
  { name: "Outcome", cell: (row) => <State state={row.outcome} look={{ tone: row.outcome === "allowed" ? "good" : row.outcome === "refused" ? "held" : "bad", shape: row.outcome === "allowed" ? "disc" : row.outcome === "refused" ? "square" : "cross", word: row.outcome }} />, order: (row) => row.outcome },
  { name: "Why", cell: (row) => <span class="clip" title={row.reason ?? ""}>{row.reason ?? ""}</span>, grow: true, extra: true },
];
const WORDS = ["actor", "action", "target", "service"] as const;
const OUTCOMES = ["allowed", "refused", "failed"];

export function AuditView() {
  const wanted = Object.fromEntries([...WORDS, "outcome"].map((name) => [name, query.value.get(name) ?? ""]));
  const [cursors, setCursors] = useState<string[]>([]);
  const [open, setOpen] = useState<number | null>(null);
  const cursor = cursors.at(-1);
  const found = useReading(() => ask<AuditPage>("/audit", { query: { ...wanted, limit: 100, cursor } }), [JSON.stringify(wanted), cursor, cursor === undefined ? storyVersion.value : 0]);
  const rows = found.value?.items ?? [];
  const chosen = rows.find((row) => row.sequence === open);
  const next = found.value?.next_cursor ?? null;
  const filter = (name: string, value: string) => {
    setCursors([]);
    keep(name, value);
  };
  return (
    <Page title="Audit log" lead="Every change, who made it and why; each record seals the one before." aside={<Tools />}>
      <div class="filters">
        {WORDS.map((name) => (
          <input key={name} type="search" placeholder={name[0]?.toUpperCase() + name.slice(1)} aria-label={name} value={wanted[name] ?? ""} onChange={(event) => filter(name, event.currentTarget.value)} />
        ))}
        <select aria-label="Outcome" value={wanted["outcome"] ?? ""} onChange={(event) => filter("outcome", event.currentTarget.value)}>
          <option value="">Every outcome</option>
          {OUTCOMES.map((item) => (
            <option key={item}>{item}</option>
          ))}
        </select>
      </div>
      {found.trouble !== null && <Trouble again={found.again}>{found.trouble}</Trouble>}
      {chosen && <Record row={chosen} />}
      <Table caption="Audit log" rows={rows} columns={COLUMNS} nameOf={(row) => String(row.sequence)} onOpen={(row) => setOpen(open === row.sequence ? null : row.sequence)} empty={found.value === null ? "Loading …" : "No record fits."} />
      <div class="buttons">
        {cursors.length > 0 && (
          <button type="button" class="quiet" onClick={() => setCursors(cursors.slice(0, -1))}>
            Newer
          </button>
        )}
        {next !== null && (
          <button type="button" class="quiet" onClick={() => setCursors([...cursors, next])}>
            Older
          </button>
        )}
      </div>
    </Page>
  );
}

function Record({ row }: { row: AuditShown }) {
  return (
    <section class="card">
      <div class="card-body">
        <Facts
          rows={[
            ["Record", `${row.sequence}${row.count > 1 ? ` (stands for ${row.count})` : ""}`],
            ["Who", row.actor],
            ["From", row.personal?.address ?? NONE],
            ["Request", row.request_id ?? NONE],
            ["Why", row.reason ?? NONE],
            ["Hash", <code key="h">{row.hash}</code>],
          ]}
        />
        {(row.before !== null || row.after !== null) && (
          <div class="before-after">
            <pre class="code">{row.before === null ? "nothing before" : JSON.stringify(row.before, null, 2)}</pre>
            <pre class="code">{row.after === null ? "nothing after" : JSON.stringify(row.after, null, 2)}</pre>
          </div>
        )}
      </div>
    </section>
  );
}

function Tools() {
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [told, setTold] = useState<string | null>(null);
  const verify = async () => {
    setTold("Verifying …");
    setVerdict(null);
    try {
      setVerdict(await ask<Verdict>("/audit/verify", { method: "POST" }));
      setTold(null);
    } catch (error) {
      setTold(error instanceof ApiError ? error.told : "This did not work.");
    }
  };
  return (
    <div class="buttons">
      <span role="status">
        {told}
        {verdict && (
          <State
            state={verdict.ok ? "intact" : "broken"}
            look={verdict.ok ? { tone: "good", shape: "disc", word: `intact: ${plural(verdict.records, "record")}, ${plural(verdict.checkpoints, "checkpoint")}` } : { tone: "bad", shape: "cross", word: `broken at ${count(verdict.first_bad)}: ${verdict.problem}` }}
          />
        )}
      </span>
      {may("audit.verify") && (
        <button type="button" class="primary" onClick={() => void verify()}>
          Verify
        </button>
      )}
      {may("audit.export") && (
        <a class="button quiet" href={`${ROOT}/audit/export`} download="audit.ndjson">
          Export
        </a>
      )}
    </div>
  );
}
