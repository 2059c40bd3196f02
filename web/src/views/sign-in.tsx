// Signing in: with a token, or at the identity provider.

import { useState } from "preact/hooks";

import { ApiError, ask, ROOT } from "../api/client";
import { go, query, to } from "../router";
import { ended, session } from "../store";

const PROBLEMS: Record<string, string> = {
  provider_off: "There is no identity provider to sign in at.",
  provider_unavailable: "The identity provider does not answer. Try again, or sign in with a token.",
  provider_busy: "Too many people are signing in at this moment. Try again.",
  provider_refused: "The identity provider did not let you in.",
  state_mismatch: "That took too long, or began in another window. Try again.",
  rate_limited: "There were too many wrong attempts. Wait a minute.",
};

export async function signOut(): Promise<void> {
  try {
    await ask("/session", { method: "DELETE" });
  } catch {
    // Whatever the server says, this page forgets everything.
  }
  ended();
}

export function SignInView() {
  const known = session.value;
  const [token, setToken] = useState("");
  const [runs, setRuns] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(() => {
    const problem = query.value.get("problem");
    return problem === null ? null : (PROBLEMS[problem] ?? "The identity provider's answer cannot be used. Try again.");
  });
  const signIn = async (event: Event) => {
    event.preventDefault();
    setRuns(true);
    setTrouble(null);
    try {
      await ask("/session", { method: "POST", body: { token: token.trim() } });
      setToken("");
      if (location.hash.startsWith("#/sign-in")) go(to());
      ended();
    } catch (error) {
      setTrouble(error instanceof ApiError ? (error.status === 401 ? "This token is not valid." : error.told) : "This did not work.");
    }
    setRuns(false);
  };
  return (
    <main class="sign-in">
      <form class="card" onSubmit={(event) => void signIn(event)}>
        <div class="card-body">
          <img src="/favicon.svg" alt="" width="44" height="44" />
          <h1 tabIndex={-1}>ScrollIntel</h1>
          <p class="muted">What is broken, why, what is being done, and what to press.</p>
          {known?.ways.includes("provider") && (
            <a class="button primary" href={`${ROOT}/session/provider`}>
              Sign in at the identity provider
            </a>
          )}
          <label class="field">
            <span>API token</span>
            <input type="password" autocomplete="off" required value={token} onInput={(event) => setToken(event.currentTarget.value)} />
            <small>
              <code>scrollintel tokens create</code> makes one. It is exchanged for a session, and not kept in the browser.
            </small>
          </label>
          {trouble !== null && (
            <p class="trouble" role="alert">
              {trouble}
            </p>
          )}
          <button type="submit" class="primary" disabled={runs || token.trim() === ""}>
            {runs ? "…" : "Sign in"}
          </button>
        </div>
      </form>
    </main>
  );
}
