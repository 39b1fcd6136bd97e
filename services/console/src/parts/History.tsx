import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { Anchor, Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { SnapshotService, type Version } from "../gen/imago/v1/snapshot_pb";
import { Op } from "./Badges";
import { Fields } from "./Fields";
import { date, moment } from "./format";
import { Query } from "./Query";

// History is how one object changed from snapshot to snapshot, once it is asked for: every
// one of them is opened for it.
export function History({ snapshotId, objectKey }: { snapshotId: string; objectKey: string }) {
  const [asked, ask] = useState(false);
  const snapshot = useQuery(SnapshotService.method.getSnapshot, { snapshotId });
  const connectionId = snapshot.data?.snapshot?.connectionId ?? "";
  if (!asked || !connectionId) {
    return (
      <Group>
        <Button variant="default" disabled={!connectionId} onClick={() => ask(true)}>
          Show how it changed
        </Button>
      </Group>
    );
  }
  return <Versions connectionId={connectionId} objectKey={objectKey} />;
}

function Versions({ connectionId, objectKey }: { connectionId: string; objectKey: string }) {
  const list = useInfiniteQuery(
    SnapshotService.method.listVersions,
    { connectionId, key: objectKey, pageSize: 20, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined },
  );
  return (
    <Query of={list}>
      {(data) => {
        const all = data.pages.flatMap((p) => p.versions);
        return (
          <Stack gap="sm" component="section" aria-label="How it changed">
            <Title order={2}>How it changed</Title>
            {all.length === 0 && <Text c="dimmed">The snapshots that were looked into know no change.</Text>}
            {all.map((v) => (
              <One key={v.snapshotId} of={v} objectKey={objectKey} />
            ))}
            {list.hasNextPage && (
              <Group>
                <Button
                  variant="default"
                  loading={list.isFetchingNextPage}
                  onClick={() => list.fetchNextPage()}
                >
                  Look further back
                </Button>
              </Group>
            )}
          </Stack>
        );
      }}
    </Query>
  );
}

function One({ of: v, objectKey }: { of: Version; objectKey: string }) {
  const taken = date(v.takenAt);
  const changed = date(v.changedAt);
  const when = taken ? moment(taken) : v.snapshotId;
  return (
    <Card withBorder padding="md" component="article" aria-label={when}>
      <Stack gap="xs">
        <Group gap="sm">
          {v.op && <Op of={v.op} />}
          {v.op === "delete" ? (
            <Text size="sm">{when}</Text>
          ) : (
            <Anchor
              size="sm"
              renderRoot={(p) => (
                <Link
                  to="/snapshots/$snapshotId/object"
                  params={{ snapshotId: v.snapshotId }}
                  search={{ key: objectKey }}
                  {...p}
                />
              )}
            >
              {when}
            </Anchor>
          )}
          <Text size="sm" c="dimmed">
            {v.op === "" && "already there in the oldest snapshot"}
            {v.actor && `by ${v.actor}`}
            {changed && ` at ${moment(changed)}`}
          </Text>
          {v.findingIds.map((id) => (
            <Anchor
              key={id}
              size="sm"
              renderRoot={(p) => <Link to="/changes/$findingId" params={{ findingId: id }} {...p} />}
            >
              the finding
            </Anchor>
          ))}
        </Group>
        <Fields of={v.fields} />
      </Stack>
    </Card>
  );
}
