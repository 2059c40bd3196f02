// Requests to the control plane: with a time limit, with the session's token against forged requests, errors as problems.

import type { ProblemViolation } from "./types";

export const ROOT = "/api/v1/fault-tolerance";
const PATIENCE = 15_000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly violations: ProblemViolation[] = [],
  ) {
    super(message);
  }

  /** One text with everything that was wrong. */
  get told(): string {
    const listed = this.violations.map((item) => `${item.field}: must be ${item.allowed}`).join("; ");
    return listed ? `${this.message} (${listed})` : this.message;
  }
}

let forgery: string | null = null;

/** Keep the token that every changing request has to carry. */
export function keepForgeryToken(token: string | null): void {
  forgery = token;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

interface Options {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  query?: Query;
  body?: unknown;
  /** Revision that a change rests on. */
  revision?: number;
  /** Another response than JSON is returned as text. */
  text?: boolean;
}

function address(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const words = new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
  return `${ROOT}${path}${given.length ? `?${words}` : ""}`;
}

const ATTENDED = 60_000;
let touchedAt = Date.now();
for (const event of ["pointerdown", "pointermove", "keydown", "wheel"])
  addEventListener(event, () => (touchedAt = Date.now()), { passive: true, capture: true });

function headersOf(options: Options): Record<string, string> {
  const method = options.method ?? "GET";
  const headers: Record<string, string> = { Accept: options.text ? "*/*" : "application/json" };
  // What the page reads by itself is no sign that somebody is there, so a session that is left alone ends.
  if (Date.now() - touchedAt > ATTENDED) headers["X-ScrollIntel-Background"] = "1";
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.revision !== undefined) headers["If-Match"] = `"${options.revision}"`;
  if (method === "GET") return headers;
  if (forgery !== null) headers["X-CSRF-Token"] = forgery;
  if (method === "POST") headers["Idempotency-Key"] = crypto.randomUUID();
  return headers;
}

async function failure(answer: Response): Promise<ApiError> {
  try {
    const told = (await answer.json()) as { code?: string; detail?: string; title?: string; violations?: ProblemViolation[] };
    return new ApiError(
      answer.status,
      told.code ?? "unknown",
      told.detail ?? told.title ?? `The server answered ${answer.status}.`,
      told.violations ?? [],
    );
  } catch {
    return new ApiError(answer.status, "unknown", `The server answered ${answer.status}.`);
  }
}

/** Send one request; throws `ApiError`, with status 0 when nobody answers. */
export async function ask<T>(path: string, options: Options = {}): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(address(path, options.query), {
      method: options.method ?? "GET",
      headers: headersOf(options),
      body: options.body === undefined ? null : JSON.stringify(options.body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new ApiError(0, "unreachable", "The control plane does not answer.");
  }
  if (!answer.ok) throw await failure(answer);
  if (answer.status === 204) return undefined as T;
  return (options.text ? await answer.text() : await answer.json()) as T;
}

/** Return a path with its parts escaped. */
export function at(...parts: string[]): string {
  return `/${parts.map(encodeURIComponent).join("/")}`;
}
