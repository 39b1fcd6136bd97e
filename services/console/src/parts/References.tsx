import { useQuery } from "@connectrpc/connect-query";
import { Anchor, Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useSnapshotTypes } from "../api/snapshots";
import { type ResourceSummary, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { Query } from "./Query";

// References lists what an object refers to, or what refers to it, as links.
export function References({
  title,
  of,
  snapshotId,
}: {
  title: string;
  of: ResourceSummary[];
  snapshotId: string;
}) {
  const titles = useSnapshotTypes(snapshotId);
  if (of.length === 0) return null;
  return (
    <Stack gap="xs" component="section" aria-label={title}>
      <Title order={2}>{title}</Title>
      <Card withBorder padding="sm">
        {of.map((r) => (
          <Group key={r.key} gap="0 12px" py={4}>
            <Text size="sm" c="dimmed" w={{ base: "100%", sm: 180 }}>
              {titles.get(r.key.split("/")[0] ?? "") ?? r.key.split("/")[0]}
            </Text>
            <Anchor
              size="sm"
              renderRoot={(p) => (
                <Link
                  to="/snapshots/$snapshotId/object"
                  params={{ snapshotId }}
                  search={{ key: r.key }}
                  {...p}
                />
              )}
            >
              {r.label || r.key}
            </Anchor>
            {r.parentLabel && (
              <Text size="sm" c="dimmed">
                {r.parentLabel}
              </Text>
            )}
          </Group>
        ))}
      </Card>
    </Stack>
  );
}

// ReferencedBy finds what refers to an object once it is asked for: the whole snapshot is
// looked through, and the look stands in the activity log.
export function ReferencedBy({ snapshotId, objectKey }: { snapshotId: string; objectKey: string }) {
  const [asked, ask] = useState(false);
  const found = useQuery(
    SnapshotService.method.getResource,
    { snapshotId, key: objectKey, referencedBy: true },
    { enabled: asked, staleTime: Number.POSITIVE_INFINITY },
  );
  if (!asked) {
    return (
      <Group>
        <Button variant="default" onClick={() => ask(true)}>
          Find what refers to it
        </Button>
      </Group>
    );
  }
  return (
    <Query of={found}>
      {(o) => (
        <>
          {o.referencedBy.length === 0 && <Text c="dimmed">Nothing in this snapshot refers to it.</Text>}
          <References title="What refers to it" of={o.referencedBy} snapshotId={snapshotId} />
          {o.referencedByMore && (
            <Text size="sm" c="dimmed">
              There are more than these {o.referencedBy.length}.
            </Text>
          )}
        </>
      )}
    </Query>
  );
}
