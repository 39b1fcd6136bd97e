import { useMutation } from "@connectrpc/connect-query";
import { Anchor, Button, Group, Table, Text } from "@mantine/core";
import { IconCamera } from "@tabler/icons-react";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useSnapshots } from "../api/lists";
import { useMay } from "../api/session";
import { type Snapshot, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { State } from "../parts/Badges";
import { Wrong } from "../parts/CodeForm";
import { bytes, count, counted, words } from "../parts/format";
import { kept } from "../parts/Kept";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";
import { Wide } from "../parts/Wide";
import { readable } from "../theme";

// Snapshots lists an org's snapshots, newest first.
export function Snapshots() {
  const { connectionId } = useParams({ from: "/signed-in/orgs/$connectionId/snapshots" });
  const list = useSnapshots(connectionId);
  const take = <TakeNow connectionId={connectionId} />;
  return (
    <Page
      title="Snapshots"
      about="The org as it was, moment by moment. Each is sealed under a key of your account's own."
      actions={take}
    >
      <Query of={list}>
        {(data) => {
          const all = data.pages.flatMap((p) => p.snapshots);
          if (all.length === 0) {
            return (
              <Empty icon={IconCamera} title="No snapshot yet" action={take}>
                The first one reads the whole org. It takes seconds to minutes, and nothing in the org
                changes.
              </Empty>
            );
          }
          return (
            <>
              <SnapshotTable of={all} />
              <More {...list} />
            </>
          );
        }}
      </Query>
    </Page>
  );
}

// TakeNow takes a snapshot and shows how it goes.
function TakeNow({ connectionId }: { connectionId: string }) {
  const navigate = useNavigate();
  const may = useMay("take_snapshot");
  const take = useMutation(SnapshotService.method.takeSnapshot, {
    onSuccess: (r) =>
      r.snapshot && navigate({ to: "/snapshots/$snapshotId", params: { snapshotId: r.snapshot.id } }),
  });
  if (!may) return null;
  return (
    <Group gap="sm">
      {take.error && <Wrong error={take.error} />}
      <Button
        leftSection={<IconCamera size={16} />}
        loading={take.isPending}
        onClick={() => take.mutate({ connectionId })}
      >
        Take a snapshot now
      </Button>
    </Group>
  );
}

function SnapshotTable({ of }: { of: Snapshot[] }) {
  return (
    <Wide minWidth={760}>
      <Table highlightOnHover verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Taken</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>Because</Table.Th>
            <Table.Th ta="right">Objects</Table.Th>
            <Table.Th ta="right">Stored</Table.Th>
            <Table.Th>Gaps</Table.Th>
            <Table.Th>Kept</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {of.map((s) => (
            <Table.Tr key={s.id}>
              <Table.Td>
                <Anchor
                  renderRoot={(p) => (
                    <Link to="/snapshots/$snapshotId" params={{ snapshotId: s.id }} {...p} />
                  )}
                >
                  <Time at={s.createdAt} />
                </Anchor>
              </Table.Td>
              <Table.Td>
                <State of={s.state} />
              </Table.Td>
              <Table.Td>{reasons[s.trigger] ?? words(s.trigger)}</Table.Td>
              <Table.Td ta="right" className="numeric">
                {count(s.objects)}
              </Table.Td>
              <Table.Td ta="right" className="numeric">
                {bytes(s.storedBytes)}
              </Table.Td>
              <Table.Td>
                <Gaps of={s} />
              </Table.Td>
              <Table.Td>
                <Text size="sm">
                  {kept(s)}
                  {s.keptUntil && " until "}
                  {s.keptUntil && <Time at={s.keptUntil} />}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}

const reasons: Record<string, string> = {
  schedule: "the schedule",
  manual: "somebody asked",
  verify: "a comparison",
};

function Gaps({ of }: { of: Snapshot }) {
  const n = of.types.reduce((sum, t) => sum + t.gaps.filter((g) => g.reason !== "not_licensed").length, 0);
  return (
    <Text size="sm" c={n ? readable("orange") : "dimmed"}>
      {n ? counted(n, "gap") : "none"}
    </Text>
  );
}
