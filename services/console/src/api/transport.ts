import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { isProblem } from "./problem";

// Want is what a call lacks: a session, or proof of the last ten minutes that it is you.
export type Want = "session" | "step_up";

// ask is how the console asks a person for it. While it does, the calls that were refused
// wait, and are made once more after: no plan and nothing typed is lost. It answers whether
// the person gave it.
type Ask = (want: Want) => Promise<boolean>;

let ask: Ask | undefined;
let asking: Promise<boolean> | undefined;
let given = 0; // how often somebody has

// onWant says who asks; what it gives takes that back.
export function onWant(fn: Ask): () => void {
  ask = fn;
  return () => {
    ask = undefined;
  };
}

// renewed tells that the session has a new token.
export function renewed() {
  given++;
}

function asked(fn: Ask, want: Want): Promise<boolean> {
  asking ??= fn(want)
    .then((yes) => {
      if (yes) renewed();
      return yes;
    })
    .finally(() => {
      asking = undefined;
    });
  return asking;
}

function wanted(error: unknown): Want | undefined {
  if (isProblem(error, "step_up")) return "step_up";
  return ConnectError.from(error).code === Code.Unauthenticated ? "session" : undefined;
}

const again: Interceptor = (next) => async (request) => {
  const before = given;
  try {
    return await next(request);
  } catch (error) {
    const want = wanted(error);
    if (!want || !ask) throw error;
    // Each proof changes the session's token: a call that was under way came with the old one.
    if (before === given && !(await asked(ask, want))) throw error;
    return next(request);
  }
};

const baseUrl = window.location.origin;

// account is the one that this page shows; "": none yet.
let account = "";

// pageIs says which account this page shows, once: a call of it is refused when the browser
// is signed in to another one by then, by another page or another person.
export function pageIs(id: string) {
  account ||= id;
}

const named: Interceptor = (next) => (request) => {
  if (account) request.header.set("Imago-Account", account);
  return next(request);
};

// door speaks for who is on the way in: what it is refused, its form says.
export const door = createConnectTransport({ baseUrl });

// transport speaks for who is signed in.
export const transport = createConnectTransport({ baseUrl, interceptors: [again, named] });
