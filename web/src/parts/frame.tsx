// What holds content: cards, figures, notes about what is missing or wrong.

import type { ComponentChildren } from "preact";

import type { Tone } from "../words";

interface CardProps {
  title: ComponentChildren;
  aside?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
  id?: string;
}

export function Card({ title, aside, children, id, ...more }: CardProps) {
  return (
    <section class={`card ${more.class ?? ""}`} id={id}>
      <header class="card-head">
        <h2>{title}</h2>
        {aside !== undefined && <div class="card-aside">{aside}</div>}
      </header>
      <div class="card-body">{children}</div>
    </section>
  );
}

interface FigureProps {
  name: string;
  value: ComponentChildren;
  note?: ComponentChildren;
  tone?: Tone;
  children?: ComponentChildren;
}

export function Figure({ name, value, note, tone, children }: FigureProps) {
  return (
    <div class={`figure ${tone ? `tone-${tone}` : ""}`}>
      <div class="figure-name">{name}</div>
      <div class="figure-main">
        <div class="figure-value">{value}</div>
        {children}
      </div>
      {note !== undefined && <div class="figure-note">{note}</div>}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Trouble({ children, again }: { children: ComponentChildren; again?: () => void }) {
  return (
    <div class="trouble" role="alert">
      <span>{children}</span>
      {again && (
        <button type="button" class="quiet" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Page({ title, lead, aside, children }: { title: ComponentChildren; lead?: ComponentChildren; aside?: ComponentChildren; children: ComponentChildren }) {
  return (
    <>
      <header class="page-head">
        <div>
          <h1 tabIndex={-1}>{title}</h1>
          {lead !== undefined && <p class="lead">{lead}</p>}
        </div>
        {aside !== undefined && <div class="page-aside">{aside}</div>}
      </header>
      {children}
    </>
  );
}
