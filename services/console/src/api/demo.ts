import { useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ConnectionService } from "../gen/imago/v1/connection_pb";
import { useMay } from "./session";

// useDemo makes the account's demo org and goes there; undefined where there is none to be
// had, or it is not this person's to make.
export function useDemo() {
  const may = useMay("edit_connection");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const offered = useQuery(
    ConnectionService.method.listConnections,
    { pageSize: 100 },
    { select: (r) => r.demoOffered },
  );
  const create = useMutation(ConnectionService.method.createDemo, {
    onSuccess: async (r) => {
      await queries.invalidateQueries();
      if (r.connection)
        await navigate({ to: "/orgs/$connectionId", params: { connectionId: r.connection.id } });
    },
  });
  return may && offered.data ? create : undefined;
}

// useSwitchDemoApp does in a demo org what an admin does in Okta.
export function useSwitchDemoApp() {
  return useMutation(ConnectionService.method.switchDemoApp);
}
