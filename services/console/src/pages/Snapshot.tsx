import { Alert, Anchor, Button, Card, Group, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import {
  IconAlertTriangle,
  IconArrowsDiff,
  IconFolderOpen,
  IconHourglass,
  IconSearch,
} from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { sentence } from "../api/problem";
import { useMay } from "../api/session";
import { ended } from "../api/snapshots";
import { useSnapshot } from "../api/watch";
import type { Gap, Snapshot, SnapshotType } from "../gen/imago/v1/snapshot_pb";
import { State } from "../parts/Badges";
import { Download } from "../parts/Download";
import { bytes, capital, count, counted, date, moment, span, words } from "../parts/format";
import { Kept } from "../parts/Kept";
import { Page } from "../parts/Page";
import { Rows } from "../parts/Rows";
import { Failed, Loading } from "../parts/States";
import { Time, useNow } from "../parts/Time";
import { Underway } from "../parts/Underway";
import { Fact } from "./Overview";

// SnapshotPage shows one snapshot: as it is taken, type by type; then what it holds and lacks.
export function SnapshotPage() {
  const { snapshotId } = useParams({ from: "/signed-in/snapshots/$snapshotId" });
  const { data: s, error } = useSnapshot(snapshotId);
  if (error)
    return (
      <Page title="Snapshot">
        <Failed error={error} />
      </Page>
    );
  if (!s) return <Loading />;
  const taken = date(s.createdAt);
  return (
    <Page
      title={`Snapshot of ${taken ? moment(taken) : "?"}`}
      crumbs={[
        {
          label: "Snapshots",
          link: { to: "/orgs/$connectionId/snapshots", params: { connectionId: s.connectionId } },
        },
      ]}
      actions={<Doors of={s} />}
    >
      <Stack gap="lg">
        <How of={s} />
        {ended(s) && <Kept snapshotId={s.id} />}
        <Missing of={s} />
        <Types of={s} />
        {ended(s) && <Download of={s} />}
      </Stack>
    </Page>
  );
}

function Doors({ of: s }: { of: Snapshot }) {
  const may = useMay("open_snapshot");
  if (!may || !ended(s)) return null;
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconArrowsDiff size={16} />}
        renderRoot={(p) => (
          <Link
            to="/orgs/$connectionId/compare"
            params={{ connectionId: s.connectionId }}
            search={{ after: s.id }}
            {...p}
          />
        )}
      >
        Compare
      </Button>
      <Button
        leftSection={<IconFolderOpen size={16} />}
        renderRoot={(p) => <Link to="/snapshots/$snapshotId/browse" params={{ snapshotId: s.id }} {...p} />}
      >
        Browse
      </Button>
    </>
  );
}

function How({ of: s }: { of: Snapshot }) {
  const now = useNow(1_000);
  const began = date(s.startedAt);
  const took = began && (date(s.endedAt) ?? now).getTime() - began.getTime();
  const done = s.types.filter((t) => t.done).length;
  return (
    <Card withBorder padding="lg">
      <Stack gap="md">
        <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }}>
          <Fact name="State">
            <State of={s.state} />
          </Fact>
          <Fact name="Objects">{count(s.objects)}</Fact>
          <Fact name="Stored">
            {bytes(s.storedBytes)} of {bytes(s.plainBytes)}
          </Fact>
          <Fact name="Requests">{count(s.calls)}</Fact>
          <Fact name={s.endedAt ? "Took" : "Since"}>
            {took == null ? "not begun" : span(Math.max(0, took))}
          </Fact>
          <Fact name="Types">
            {done} of {s.types.length}
          </Fact>
        </SimpleGrid>
        {s.state === "running" && <Underway of={s} />}
        {s.waitsUntil && !s.endedAt && (
          <Alert color="yellow" icon={<IconHourglass />} p="sm">
            {s.waitsFor
              ? `${capital(s.waitsFor)}; it goes on `
              : "The org's rate limit is used up to our share; it goes on "}
            <Time at={s.waitsUntil} />.
          </Alert>
        )}
        {s.problem && (
          <Alert color="red" icon={<IconAlertTriangle />} role="alert">
            {capital(sentence(s.problem))}
          </Alert>
        )}
      </Stack>
    </Card>
  );
}

// gapWords says what a reason means to who reads it.
const gapWords: Record<string, string> = {
  forbidden: "The service app may not read it",
  not_licensed: "Not in this org",
  truncated: "The org gave less than there is",
  failed: "Could not be read",
};

// Missing lists what the snapshot lacks. A gap is never a deletion.
function Missing({ of: s }: { of: Snapshot }) {
  const all = s.types.flatMap((t) => t.gaps.map((gap) => ({ title: t.title, gap })));
  const real = all.filter((g) => g.gap.reason !== "not_licensed");
  const absent = all.length - real.length;
  if (all.length === 0) return null;
  return (
    <Stack gap="xs" component="section" aria-label="Gaps">
      <Title order={2}>
        {real.length ? `${counted(real.length, "gap")}: what this snapshot lacks` : "No gaps"}
      </Title>
      {real.length > 0 && (
        <Alert color="orange" icon={<IconAlertTriangle />}>
          <Stack gap={4}>
            {real.map(({ title, gap }) => (
              <GapLine key={`${gap.type}/${gap.parent}`} title={title} gap={gap} />
            ))}
          </Stack>
        </Alert>
      )}
      {absent > 0 && (
        <Text size="sm" c="dimmed">
          {counted(absent, "type")} of Okta's {absent === 1 ? "is" : "are"} not in this org, which has no
          licence for {absent === 1 ? "it" : "them"}.
        </Text>
      )}
    </Stack>
  );
}

// why is the reason of a gap, with what is known of it.
function why(title: string, gap: Gap): string {
  const detail = gap.detail.replace(`${title}: `, "");
  return detail ? capital(detail) : (gapWords[gap.reason] ?? words(gap.reason));
}

function GapLine({ title, gap }: { title: string; gap: Gap }) {
  return (
    <Text size="sm">
      <b>{title}</b>
      {gap.parent && ` of ${gap.parent}`}: {why(title, gap)}.
    </Text>
  );
}

function Types({ of: s }: { of: Snapshot }) {
  const [search, setSearch] = useState("");
  const wanted = s.types.filter((t) => t.gaps.every((g) => g.reason !== "not_licensed"));
  const shown = wanted.filter((t) =>
    `${t.title} ${t.type} ${t.family}`.toLowerCase().includes(search.toLowerCase()),
  );
  return (
    <Stack gap="xs" component="section" aria-label="What it holds">
      <Group justify="space-between">
        <Title order={2}>What it holds</Title>
        <TextInput
          aria-label="Filter the types"
          placeholder="Filter"
          size="sm"
          leftSection={<IconSearch size={14} />}
          value={search}
          onChange={(e) => setSearch(e.currentTarget.value)}
        />
      </Group>
      <Rows
        label="Types"
        of={shown}
        by={(t) => t.type}
        columns={[
          { name: "Type", cell: (t) => <TypeName of={t} snapshot={s} /> },
          { name: "Family", cell: (t) => t.family },
          { name: "Objects", number: true, cell: (t) => count(t.objects) },
          { name: "Requests", number: true, cell: (t) => count(t.calls) },
          {
            name: "Read",
            cell: (t) => (t.gaps.length ? "with gaps" : t.done ? "whole" : s.endedAt ? "not read" : "…"),
          },
        ]}
      />
    </Stack>
  );
}

function TypeName({ of: t, snapshot: s }: { of: SnapshotType; snapshot: Snapshot }) {
  const may = useMay("open_snapshot");
  if (!may || !ended(s) || t.objects === 0n) return t.title;
  return (
    <Anchor
      inherit
      renderRoot={(p) => (
        <Link
          to="/snapshots/$snapshotId/browse"
          params={{ snapshotId: s.id }}
          search={{ type: t.type }}
          {...p}
        />
      )}
    >
      {t.title}
    </Anchor>
  );
}
