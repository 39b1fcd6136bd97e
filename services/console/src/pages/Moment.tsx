import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { Navigate, useParams, useSearch } from "@tanstack/react-router";
import { SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { Moments } from "../parts/Moments";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";

const from = "/signed-in/orgs/$connectionId/browse";

// Moment leads to the snapshot that was current at a moment, now if none is named: an
// address that can be kept, and sent, before anybody knows which snapshot that is.
export function Moment() {
  const { connectionId } = useParams({ from });
  const { at } = useSearch({ from });
  const then = at ? new Date(at) : undefined;
  const known = then && then <= new Date(); // no snapshot shows what is to come
  const found = useQuery(SnapshotService.method.getSnapshot, {
    snapshotId: "latest",
    connectionId,
    at: known ? timestampFromDate(then) : undefined,
  });
  return (
    <Page title="Browse" actions={<Moments connectionId={connectionId} />}>
      <Query of={found}>
        {({ snapshot: s }) =>
          s && (
            <Navigate
              replace
              to="/snapshots/$snapshotId/browse"
              params={{ snapshotId: s.id }}
              search={{ at: known ? at : undefined }}
            />
          )
        }
      </Query>
    </Page>
  );
}
