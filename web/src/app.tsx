// The frame around every view: where one is, whether what is shown is live, and who one is.

import { useEffect, useRef } from "preact/hooks";

import { Dialogs } from "./parts/dialog";
import { Shape } from "./parts/marks";
import { choice, type Choice } from "./parts/theme";
import { Toasts } from "./parts/toasts";
import { path, to } from "./router";
import { connected, heardAt, isStale, may, now, session, summary, unreachable } from "./store";
import { AlertsView } from "./views/alerts";
import { AuditView } from "./views/audit";
import { CapacityListView, CapacityView } from "./views/capacity";
import { CircuitView } from "./views/circuit";
import { CircuitsView } from "./views/circuits";
import { IncidentView } from "./views/incident";
import { IncidentsView } from "./views/incidents";
import { OverviewView } from "./views/overview";
import { RecoveriesView } from "./views/recoveries";
import { ServiceView } from "./views/service";
import { ServicesView } from "./views/services";
import { SettingsView } from "./views/settings";
import { SignInView, signOut } from "./views/sign-in";
import { span } from "./words";

interface Entry {
  name: string;
  parts: string[];
  permission: string;
  icon: string;
}

const ENTRIES: readonly Entry[] = [
  { name: "Overview", parts: [], permission: "health.read", icon: "M3 11l7-7 7 7M5 9.5V17h10V9.5" },
  { name: "Circuits", parts: ["circuits"], permission: "circuits.read", icon: "M2 10h4l2-5 4 10 2-5h4" },
  { name: "Services", parts: ["services"], permission: "services.read", icon: "M10 3v5M10 8L4.5 12M10 8l5.5 4M3 12h3v4H3zM14 12h3v4h-3zM8.5 2h3v3h-3z" },
  { name: "Capacity", parts: ["capacity"], permission: "metrics.read", icon: "M3 14a7 7 0 0 1 14 0M10 14l3.5-4.5M3 17h14" },
  { name: "Incidents", parts: ["incidents"], permission: "recovery.read", icon: "M10 3l8 14H2zM10 8.5v4M10 14.8v.2" },
  { name: "Recoveries", parts: ["recoveries"], permission: "recovery.read", icon: "M16.5 10a6.5 6.5 0 1 1-2-4.7M16.5 2.5v4h-4" },
  { name: "Alerts", parts: ["alerts"], permission: "health.read", icon: "M5 14V9a5 5 0 0 1 10 0v5l1.5 2h-13zM8.5 17.5h3" },
  { name: "Audit", parts: ["audit"], permission: "audit.read", icon: "M5 2.5h7l3 3V17.5H5zM8 9h5M8 12h5" },
  { name: "Settings", parts: ["settings"], permission: "health.read", icon: "M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4" },
];

export function App() {
  const known = session.value;
  if (known === null) return <Waiting />;
  if (!known.signed_in || path.value[0] === "sign-in") return <SignInView />;
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={toMain}>
        Skip to content
      </a>
      <Rail />
      <div class="stage">
        <TopBar />
        <main id="main">
          <View />
        </main>
      </div>
      <Dialogs />
      <Toasts />
    </div>
  );
}

function toMain(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("main h1")?.focus();
}

function Waiting() {
  return (
    <div class="waiting" role="status">
      {unreachable.value ?? "Loading …"}
    </div>
  );
}

function View() {
  const [view, ...rest] = path.value;
  const name = rest.join("/");
  const last = useRef<string | null>(null);
  const place = path.value.join("/");
  useEffect(() => {
    const heading = document.querySelector<HTMLElement>("main h1");
    document.title = heading?.textContent ? `${heading.textContent} · ScrollIntel` : "ScrollIntel";
    if (last.current !== null && last.current !== place) {
      scrollTo(0, 0);
      heading?.focus({ preventScroll: true });
    }
    last.current = place;
  }, [place]);
  if (!may("events.read"))
    return (
      <>
        <h1 tabIndex={-1}>You hold no role here</h1>
        <p>You have signed in, and nothing is shown to you before somebody gives you a role.</p>
      </>
    );
  switch (view) {
    case undefined:
      return <OverviewView />;
    case "circuits":
      return name ? <CircuitView key={name} name={name} /> : <CircuitsView />;
    case "services":
      return name ? <ServiceView key={name} name={name} /> : <ServicesView />;
    case "capacity":
      return name ? <CapacityView key={name} name={name} /> : <CapacityListView />;
    case "incidents":
      return name ? <IncidentView key={name} id={name} /> : <IncidentsView />;
    case "recoveries":
      return <RecoveriesView />;
    case "alerts":
      return <AlertsView />;
    case "audit":
      return <AuditView />;
    case "settings":
      return <SettingsView />;
    default:
      return (
        <>
          <h1 tabIndex={-1}>There is no such page</h1>
          <p>
            <a href={to()}>To the overview</a>
          </p>
        </>
      );
  }
}

function Rail() {
  const open = summary.value?.incidents.length ?? 0;
  const refusing = summary.value?.refusing.length ?? 0;
  const badges: Record<string, number> = { Incidents: open, Circuits: refusing };
  return (
    <nav class="rail" aria-label="Views">
      <a class="brand" href={to()} aria-label="ScrollIntel, overview">
        <img src="/favicon.svg" alt="" width="28" height="28" />
        <span>ScrollIntel</span>
      </a>
      <ul>
        {ENTRIES.filter((entry) => may(entry.permission)).map((entry) => (
          <li key={entry.name}>
            <a href={to(...entry.parts)} aria-current={(path.value[0] ?? "") === (entry.parts[0] ?? "") ? "page" : undefined}>
              <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
                <path d={entry.icon} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" />
              </svg>
              <span>{entry.name}</span>
              {(badges[entry.name] ?? 0) > 0 && <b class="badge">{badges[entry.name]}</b>}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function TopBar() {
  const known = session.value;
  return (
    <header class="topbar">
      <Live />
      <div class="topbar-end">
        <label class="theme">
          <span class="hidden">Colours</span>
          <select value={choice.value} onChange={(event) => (choice.value = event.currentTarget.value as Choice)}>
            <option value="system">System</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        {known?.identity && (
          <span class="who" title={known.identity.id}>
            {known.identity.name ?? known.identity.id}
          </span>
        )}
        {known?.access === "enforced" && (
          <button type="button" class="quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        )}
      </div>
    </header>
  );
}

function Live() {
  if (isStale.value) {
    const age = Math.max(1, Math.round((now.value - heardAt.value) / 1000));
    return (
      <div class="live stale" role="status" data-live="stale">
        <Shape shape="triangle" tone="bad" size={14} />
        Stale since {span(age)}: the connection is lost, what you see is of then
      </div>
    );
  }
  if (summary.value?.stale)
    return (
      <div class="live stale" role="status" data-live="stored">
        <Shape shape="triangle" tone="warn" size={14} />
        The database is away: what you see is from memory, changes wait
      </div>
    );
  return (
    <div class="live" role="status" data-live={connected.value ? "live" : "connecting"}>
      <Shape shape={connected.value ? "disc" : "ring"} tone={connected.value ? "good" : "idle"} size={12} />
      {connected.value ? "Live" : "Connecting …"}
    </div>
  );
}
