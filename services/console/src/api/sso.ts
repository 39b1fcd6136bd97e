import { createClient } from "@connectrpc/connect";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { SignInService } from "../gen/imago/v1/sign_in_pb";
import { SsoService } from "../gen/imago/v1/sso_pb";
import { leave } from "./leave";
import { door } from "./transport";

// Under what this tab keeps that it has sent somebody to an identity provider. What comes
// back is taken of the tab that began, and once.
const kept = "imago.sso";

// Sent is somebody who went to an identity provider.
interface Sent {
  providerId: string;
  clientSecret: string;
  to?: string; // where they were going
}

// useMethods tells by what else than mailed codes people can sign in here.
export function useMethods() {
  const methods = useQuery(
    SignInService.method.getSignInMethods,
    {},
    { transport: door, staleTime: Number.POSITIVE_INFINITY },
  );
  return methods.data;
}

// useLeave sends the browser to a company's identity provider or, without a name, to the
// installation's own.
export function useLeave(to?: string) {
  return useMutation(SsoService.method.beginSso, {
    transport: door,
    onSuccess: ({ url, providerId, clientSecret }) => {
      sessionStorage.setItem(kept, JSON.stringify({ providerId, clientSecret, to } satisfies Sent));
      leave(url);
    },
  });
}

// take gives what this tab kept of whom it sent to a provider, and forgets it.
export function take(providerId: string): Sent | undefined {
  const text = sessionStorage.getItem(kept);
  sessionStorage.removeItem(kept);
  const sent: Sent | undefined = text ? JSON.parse(text) : undefined;
  return sent?.providerId === providerId ? sent : undefined;
}

const sso = createClient(SsoService, door);

// finish turns what a provider sent the browser back with into a session, and tells which
// second factor it waits for.
export async function finish(sent: Sent, back: URLSearchParams): Promise<string> {
  const field = (name: string) => back.get(name) ?? "";
  const done = await sso.finishSso({
    providerId: sent.providerId,
    clientSecret: sent.clientSecret,
    state: field("state"),
    code: field("code"),
    issuer: field("iss"),
    error: field("error"),
    cookie: true,
  });
  return done.secondFactor;
}

// Pages of one browser have one session: each tells the others when somebody has come in.
const word = "imago.session";

// entered tells the browser's other pages.
export function entered() {
  const pages = new BroadcastChannel(word);
  pages.postMessage("entered");
  pages.close();
}

// onEntered has a page told; what it gives ends that.
export function onEntered(fn: () => void): () => void {
  const pages = new BroadcastChannel(word);
  pages.onmessage = fn;
  return () => pages.close();
}
