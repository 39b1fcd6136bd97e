import { Code, ConnectError } from "@connectrpc/connect";
import { callUnaryMethod, createConnectQueryKey } from "@connectrpc/connect-query";
import { type QueryClient, queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { type Session, SignInService } from "../gen/imago/v1/sign_in_pb";
import { door, pageIs } from "./transport";

const sessionKey = createConnectQueryKey({
  schema: SignInService.method.whoAmI,
  input: {},
  transport: door,
  cardinality: "finite",
});

const whoAmI = async () => (await callUnaryMethod(door, SignInService.method.whoAmI, {})).session as Session;

export const sessionQuery = queryOptions({
  queryKey: [...sessionKey],
  queryFn: async () => {
    const session = await whoAmI();
    pageIs(session.accountId);
    return session;
  },
  staleTime: 60_000,
});

// currentSession gives who is signed in, or undefined.
export async function currentSession(queries: QueryClient): Promise<Session | undefined> {
  try {
    return await queries.ensureQueryData(sessionQuery);
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unauthenticated) return undefined;
    throw error;
  }
}

// sameAgain sees to it that the page goes on for who it was for, in its account: a sign-in
// leads to a person's oldest one. For anybody else the console begins anew.
export async function sameAgain(before: Session): Promise<void> {
  if (await isAgain(before).catch(() => false)) return;
  window.location.assign("/");
  await new Promise(() => {}); // nothing is asked any more for the page that goes
}

async function isAgain(before: Session): Promise<boolean> {
  const now = await whoAmI();
  if (now.userId !== before.userId) return false;
  if (now.accountId === before.accountId) return true;
  const { TeamService } = await import("../gen/imago/v1/team_pb");
  const moved = await callUnaryMethod(door, TeamService.method.switchAccount, {
    accountId: before.accountId,
  });
  return moved.secondFactor === "";
}

// useSession gives who is signed in; below the signed-in route there always is somebody.
export function useSession(): Session {
  return useSuspenseQuery(sessionQuery).data;
}

// useMay tells whether the role of who is signed in allows an action. It only hides what
// the server would refuse.
export function useMay(action: string): boolean {
  return useSession().actions.includes(action);
}
