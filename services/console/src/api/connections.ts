import { useQuery } from "@connectrpc/connect-query";
import { ConnectionService } from "../gen/imago/v1/connection_pb";

// useConnections gives the account's connections; there are few.
export function useConnections() {
  return useQuery(
    ConnectionService.method.listConnections,
    { pageSize: 100 },
    { select: (r) => r.connections },
  );
}

// useConnection gives one.
export function useConnection(connectionId: string) {
  return useQuery(ConnectionService.method.getConnection, { connectionId }, { select: (r) => r.connection });
}
