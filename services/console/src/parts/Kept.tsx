import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Button, Card, Group, List, Stack, Text, Title } from "@mantine/core";
import { IconPin, IconPinnedOff } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "../api/session";
import { type KeptBecause, type Snapshot, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { Wrong } from "./CodeForm";
import { capital, date, moment } from "./format";
import { GiveUp } from "./GiveUp";

const rules: Record<string, string> = {
  newest: "the newest",
  last_complete: "the newest without a gap",
  pinned: "pinned",
  restore: "a restore is about it",
  finding: "a finding points to it",
  plan: "the plan keeps it",
  change: "points of a day are kept",
  locked: "the bucket locks it",
};

// reason spells one reason to keep a snapshot.
function reason(k: KeptBecause): string {
  if (k.rule === "change_hourly") return `the first point of ${k.of}`;
  if (k.rule === "least") return `one of the newest ${k.of}`;
  return rules[k.rule] ?? `${k.rule} of ${k.of}`;
}

// kept says what keeps a snapshot longest: what has no end comes first, and of the others
// each lasts longer than those before it.
export function kept(s: Snapshot): string {
  if (s.givenUpAt) return "given up as lost, and let go within a day";
  const longest = s.keptUntil ? s.keptBecause.at(-1) : s.keptBecause[0];
  if (longest) return reason(longest);
  return s.state === "complete" || s.state === "partial" ? "let go within a day" : "";
}

// focus is for what takes the place of what had the focus.
const focus = (e: HTMLElement | null) => e?.focus();

// Kept says why a snapshot is kept, pins it, and gives it up.
export function Kept({ snapshotId }: { snapshotId: string }) {
  const [giving, setGiving] = useState(false);
  const found = useQuery(SnapshotService.method.getSnapshot, { snapshotId });
  const s = found.data?.snapshot;
  if (!s || !kept(s)) return null;
  const until = date(s.keptUntil);
  return (
    <Card withBorder padding="lg" component="section" aria-label="How long it is kept">
      <Group justify="space-between" align="flex-start">
        <Stack gap={4}>
          <Title order={2}>
            {s.givenUpAt ? "Given up as lost" : until ? `Kept until ${moment(until)}` : "Kept"}
          </Title>
          {s.givenUpAt ? (
            <Text size="sm" tabIndex={-1} ref={giving ? focus : undefined}>
              It is let go within a day. Until then pinning it takes that back.
            </Text>
          ) : (
            <Reasons of={s} />
          )}
        </Stack>
        <Group gap="sm" align="flex-start">
          <GiveUp of={s} onDone={() => setGiving(true)} />
          <Pin of={s} />
        </Group>
      </Group>
    </Card>
  );
}

function Reasons({ of: s }: { of: Snapshot }) {
  if (s.keptBecause.length === 0)
    return <Text size="sm">Nothing keeps it: it is let go within a day. Pin it, if you need it.</Text>;
  return (
    <List size="sm">
      {s.keptBecause.map((k) => {
        const end = date(k.until);
        return (
          <List.Item key={k.rule}>
            {capital(reason(k))}
            {end && `, until ${moment(end)}`}
          </List.Item>
        );
      })}
    </List>
  );
}

function Pin({ of: s }: { of: Snapshot }) {
  const queries = useQueryClient();
  const mayPin = useMay("take_snapshot");
  const mayUnpin = useMay("edit_connection");
  const done = { onSuccess: () => queries.invalidateQueries() };
  const pin = useMutation(SnapshotService.method.pinSnapshot, done);
  const unpin = useMutation(SnapshotService.method.unpinSnapshot, done);
  const pinned = s.pinnedAt != null;
  if (pinned ? !mayUnpin : !mayPin) return null;
  const change = pinned ? unpin : pin;
  return (
    <Stack gap="xs" align="flex-end">
      <Button
        variant="default"
        leftSection={pinned ? <IconPinnedOff size={16} /> : <IconPin size={16} />}
        loading={change.isPending}
        onClick={() => change.mutate({ snapshotId: s.id })}
      >
        {pinned ? "Unpin" : "Pin"}
      </Button>
      {change.error && <Wrong error={change.error} />}
    </Stack>
  );
}
