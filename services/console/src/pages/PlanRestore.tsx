import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Card, CloseButton, Code, Group, Radio, Stack, Text, Title } from "@mantine/core";
import { IconArrowBackUp, IconRoute } from "@tabler/icons-react";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useSnapshotTypes } from "../api/snapshots";
import { RestoreService } from "../gen/imago/v1/restore_pb";
import { SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { Wrong } from "../parts/CodeForm";
import { counted, date, moment } from "../parts/format";
import { Page } from "../parts/Page";
import { Empty } from "../parts/States";

const from = "/signed-in/snapshots/$snapshotId/restore";

// PlanRestore is where a choice becomes a plan. Nothing is written to the org here.
export function PlanRestore() {
  const { snapshotId } = useParams({ from });
  const keys = useSearch({ from }).keys ?? [];
  const snapshot = useQuery(
    SnapshotService.method.getSnapshot,
    { snapshotId },
    { select: (r) => r.snapshot },
  );
  const taken = date(snapshot.data?.createdAt);
  return (
    <Page
      title="Restore"
      about={taken && `From the snapshot of ${moment(taken)}`}
      crumbs={[{ label: "Snapshot", link: { to: "/snapshots/$snapshotId", params: { snapshotId } } }]}
    >
      {keys.length === 0 ? (
        <Empty icon={IconArrowBackUp} title="Nothing is chosen">
          Choose what to put back where you see it: at a change, in a comparison, or in a snapshot.
        </Empty>
      ) : (
        <Choice keys={keys} snapshotId={snapshotId} />
      )}
    </Page>
  );
}

function Choice({ keys, snapshotId }: { keys: string[]; snapshotId: string }) {
  const navigate = useNavigate({ from: "/snapshots/$snapshotId/restore" });
  const [reach, setReach] = useState("all");
  const plan = useMutation(RestoreService.method.planRestore, {
    onSuccess: (r) =>
      r.restore && navigate({ to: "/restores/$restoreId", params: { restoreId: r.restore.id } }),
  });
  return (
    <Stack gap="lg" maw={760}>
      <Card withBorder padding="md" component="section" aria-label="What you chose">
        <Title order={2} mb="xs">
          {counted(keys.length, "object")}
        </Title>
        {keys.map((key) => (
          <Chosen
            key={key}
            of={key}
            snapshotId={snapshotId}
            drop={() => navigate({ search: { keys: keys.filter((k) => k !== key) }, replace: true })}
          />
        ))}
      </Card>
      <Radio.Group label="How far" value={reach} onChange={setReach}>
        <Stack gap="xs" mt="xs">
          <Radio
            value="all"
            label="With what hangs on it"
            description="Members, assignments, rules and the like, and what it needs to exist. You see all of it in the plan."
          />
          <Radio
            value="only"
            label="Only what I chose"
            description="What it needs and is missing is told in the plan."
          />
        </Stack>
      </Radio.Group>
      {plan.error && <Wrong error={plan.error} />}
      <Group>
        <Button
          leftSection={<IconRoute size={16} />}
          loading={plan.isPending}
          onClick={() => plan.mutate({ snapshotId, selection: { keys, only: reach === "only" } })}
        >
          Make a plan
        </Button>
        <Text size="sm" c="dimmed">
          The plan compares your choice with the org as it is now. Nothing is written.
        </Text>
      </Group>
    </Stack>
  );
}

function Chosen({ of: key, snapshotId, drop }: { of: string; snapshotId: string; drop: () => void }) {
  const titles = useSnapshotTypes(snapshotId);
  const object = useQuery(SnapshotService.method.getResource, { snapshotId, key });
  const type = key.split("/")[0] ?? "";
  const label = object.data?.summary?.label ?? key;
  return (
    <Group justify="space-between" wrap="nowrap">
      <Group gap="xs">
        <Text>{label}</Text>
        <Text size="sm" c="dimmed">
          {titles.get(type) ?? type}
        </Text>
        {object.error && <Code>{key}</Code>}
      </Group>
      <CloseButton aria-label={`Leave out ${label}`} onClick={drop} />
    </Group>
  );
}
