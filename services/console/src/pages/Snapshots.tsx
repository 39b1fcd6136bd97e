import { useMutation } from "@connectrpc/connect-query";
import { Anchor, Button, Group, Switch, Text } from "@mantine/core";
import { IconCamera } from "@tabler/icons-react";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
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
import { type Column, Rows } from "../parts/Rows";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";
import { readable } from "../theme";

// Snapshots lists an org's snapshots, newest first.
export function Snapshots() {
  const { connectionId } = useParams({ from: "/signed-in/orgs/$connectionId/snapshots" });
  const [points, setPoints] = useState(false);
  const list = useSnapshots(connectionId, points);
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
              <Switch
                label="Show points: what the org's log named between snapshots of the whole org"
                checked={points}
                onChange={(e) => setPoints(e.currentTarget.checked)}
              />
              <Rows label="Snapshots" spacing="sm" of={all} by={(s) => s.id} columns={columns} />
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

const columns: Column<Snapshot>[] = [
  {
    name: "Taken",
    cell: (s) => (
      <Anchor
        inherit
        renderRoot={(p) => <Link to="/snapshots/$snapshotId" params={{ snapshotId: s.id }} {...p} />}
      >
        <Time at={s.createdAt} />
      </Anchor>
    ),
  },
  { name: "State", cell: (s) => <State of={s.state} /> },
  { name: "Because", cell: (s) => reasons[s.trigger] ?? words(s.trigger) },
  { name: "Objects", number: true, cell: (s) => count(s.objects) },
  { name: "Stored", number: true, cell: (s) => bytes(s.storedBytes) },
  { name: "Gaps", cell: (s) => <Gaps of={s} /> },
  {
    name: "Kept",
    cell: (s) => (
      <>
        {kept(s)}
        {s.keptUntil && " until "}
        {s.keptUntil && <Time at={s.keptUntil} />}
      </>
    ),
  },
];

const reasons: Record<string, string> = {
  schedule: "the schedule",
  manual: "somebody asked",
  verify: "a comparison",
  change: "something changed",
};

function Gaps({ of }: { of: Snapshot }) {
  const n = of.types.reduce((sum, t) => sum + t.gaps.filter((g) => g.reason !== "not_licensed").length, 0);
  return (
    <Text size="sm" c={n ? readable("orange") : "dimmed"}>
      {n ? counted(n, "gap") : "none"}
    </Text>
  );
}
