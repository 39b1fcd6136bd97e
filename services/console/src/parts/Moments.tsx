import { Button, Group, Select, TextInput } from "@mantine/core";
import { IconClockSearch } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useSnapshots } from "../api/lists";
import { ended } from "../api/snapshots";
import type { Snapshot } from "../gen/imago/v1/snapshot_pb";
import { date, moment } from "./format";

// Moments leads to what another snapshot shows, or to what was current at a moment.
export function Moments({ connectionId, shown }: { connectionId: string; shown?: Snapshot }) {
  const { at } = useSearch({ strict: false });
  return (
    <Group gap="sm" align="flex-end">
      <Other connectionId={connectionId} shown={shown} />
      <Moment key={at} connectionId={connectionId} at={at} />
    </Group>
  );
}

function Other({ connectionId, shown }: { connectionId: string; shown?: Snapshot }) {
  const navigate = useNavigate();
  const list = useSnapshots(connectionId);
  const listed = list.data?.pages.flatMap((p) => p.snapshots).filter(ended) ?? [];
  const all = !shown || listed.some((s) => s.id === shown.id) ? listed : [shown, ...listed];
  return (
    <Select
      label="Snapshot"
      w={250}
      searchable
      allowDeselect={false}
      placeholder="Choose one"
      value={shown?.id ?? null}
      data={all.map((s) => ({ value: s.id, label: moment(date(s.createdAt) ?? new Date(0)) }))}
      onChange={(snapshotId) =>
        snapshotId &&
        navigate({
          to: "/snapshots/$snapshotId/browse",
          params: { snapshotId },
          search: (before) => ({ ...before, at: undefined }),
        })
      }
    />
  );
}

// local writes a moment as a field of the browser's time zone takes it.
function local(at: Date): string {
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

function Moment({ connectionId, at }: { connectionId: string; at?: string }) {
  const navigate = useNavigate();
  const asked = new Date(at ?? "");
  const [typed, setTyped] = useState(Number.isNaN(asked.getTime()) ? "" : local(asked));
  const then = new Date(typed);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    void navigate({
      to: "/orgs/$connectionId/browse",
      params: { connectionId },
      search: { at: then.toISOString() },
    });
  };
  return (
    <form onSubmit={submit}>
      <Group gap="xs" align="flex-end">
        <TextInput
          type="datetime-local"
          label="Or a moment"
          step={1}
          max={local(new Date())}
          value={typed}
          onChange={(e) => setTyped(e.currentTarget.value)}
        />
        <Button
          type="submit"
          variant="default"
          leftSection={<IconClockSearch size={16} />}
          disabled={Number.isNaN(then.getTime())}
        >
          Go there
        </Button>
      </Group>
    </form>
  );
}
