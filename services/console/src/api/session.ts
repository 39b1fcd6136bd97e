import { Code, ConnectError } from "@connectrpc/connect";
import { callUnaryMethod, createConnectQueryKey } from "@connectrpc/connect-query";
import { type QueryClient, queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { type Session, SignInService } from "../gen/imago/v1/sign_in_pb";
import { door } from "./transport";

const sessionKey = createConnectQueryKey({
  schema: SignInService.method.whoAmI,
  input: {},
  transport: door,
  cardinality: "finite",
});

export const sessionQuery = queryOptions({
  queryKey: [...sessionKey],
  queryFn: async () => (await callUnaryMethod(door, SignInService.method.whoAmI, {})).session as Session,
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

// useSession gives who is signed in; below the signed-in route there always is somebody.
export function useSession(): Session {
  return useSuspenseQuery(sessionQuery).data;
}

// useMay tells whether the role of who is signed in allows an action. It only hides what
// the server would refuse.
export function useMay(action: string): boolean {
  return useSession().actions.includes(action);
}
