import { useQuery } from "@connectrpc/connect-query";
import { Group, Progress, SimpleGrid, Stack, Text } from "@mantine/core";
import { IconCircle, IconCircleCheck, IconLoader2 } from "@tabler/icons-react";
import { useSnapshots } from "../api/lists";
import { type Snapshot, SnapshotService, type SnapshotType } from "../gen/imago/v1/snapshot_pb";
import { left, share } from "./eta";
import { count, date, span } from "./format";
import { useNow } from "./Time";

// Underway is a snapshot that is being taken: how far it is, how long it goes on, type by
// type. How long is told from the requests that the last one took.
export function Underway({ of: s }: { of: Snapshot }) {
  const now = useNow(1_000);
  const before = useBefore(s);
  const done = s.types.filter((t) => t.done).length;
  const pace = { calls: Number(s.calls), before, done, types: s.types.length };
  const began = date(s.startedAt);
  const rest = began && left(pace, now.getTime() - began.getTime());
  const percent = Math.round(100 * share(pace));
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Text size="sm">
          {done} of {s.types.length} types read
        </Text>
        <Text size="sm" c="dimmed" role="timer">
          {rest === undefined ? "how long is not known yet" : `about ${span(rest)} left`}
        </Text>
      </Group>
      <Progress value={percent} aria-label={`Snapshot: ${percent} % read`} animated />
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 3 }} spacing={4} component="ul" p={0} m={0} aria-label="Types">
        {s.types.map((t) => (
          <Line key={t.type} of={t} />
        ))}
      </SimpleGrid>
    </Stack>
  );
}

// useBefore is how many requests the snapshot before this one took; 0: there is none.
function useBefore(s: Snapshot): number {
  const ended = useSnapshots(s.connectionId)
    .data?.pages.flatMap((p) => p.snapshots)
    .find((b) => b.id !== s.id && (b.state === "complete" || b.state === "partial"));
  const before = useQuery(
    SnapshotService.method.getSnapshot,
    { snapshotId: ended?.id ?? "" },
    { enabled: ended !== undefined },
  );
  return Number(before.data?.snapshot?.calls ?? 0n);
}

const marks = {
  done: { icon: IconCircleCheck, word: "read" },
  busy: { icon: IconLoader2, word: "being read" },
  waits: { icon: IconCircle, word: "not begun" },
};

function Line({ of: t }: { of: SnapshotType }) {
  const mark = marks[t.done ? "done" : t.calls > 0n ? "busy" : "waits"];
  return (
    <Group component="li" gap={6} wrap="nowrap" style={{ listStyle: "none" }}>
      <mark.icon size={14} aria-label={mark.word} role="img" />
      <Text size="sm" truncate>
        {t.title}
      </Text>
      {t.objects > 0n && (
        <Text size="sm" c="dimmed" className="numeric">
          {count(t.objects)}
        </Text>
      )}
    </Group>
  );
}
