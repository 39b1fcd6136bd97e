import { createClient } from "@connectrpc/connect";
import { useMutation } from "@connectrpc/connect-query";
import {
  Accordion,
  Alert,
  Button,
  Checkbox,
  Group,
  Loader,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import {
  IconArrowBackUp,
  IconArrowsDiff,
  IconEqual,
  IconHelp,
  IconRefresh,
  IconSearch,
} from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useSnapshots } from "../api/lists";
import { sentence } from "../api/problem";
import { useMay } from "../api/session";
import { ended } from "../api/snapshots";
import { transport } from "../api/transport";
import { useSnapshot } from "../api/watch";
import { type Change, type CompareSummary, type Gap, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { Op } from "../parts/Badges";
import { Wrong } from "../parts/CodeForm";
import { Fields } from "../parts/Fields";
import { capital, count, counted, date, moment, words } from "../parts/format";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty, Failed } from "../parts/States";
import { Virtual } from "../parts/Virtual";

const from = "/signed-in/orgs/$connectionId/compare";
const snapshots = createClient(SnapshotService, transport);

// Differences is all that a comparison told.
interface Differences {
  changes: Change[];
  unknown: Gap[];
  summary?: CompareSummary;
}

async function compare(
  before: string,
  after: string,
  restoreId: string,
  signal: AbortSignal,
): Promise<Differences> {
  const all: Differences = { changes: [], unknown: [] };
  const parts = snapshots.compare(
    { beforeSnapshotId: before, afterSnapshotId: after, restoreId },
    { signal },
  );
  for await (const { part } of parts) {
    if (part.case === "change") all.changes.push(part.value);
    if (part.case === "unknown") all.unknown.push(part.value);
    if (part.case === "summary") all.summary = part.value;
  }
  return all;
}

// Compare tells what differs between two snapshots of an org.
export function Compare() {
  const { connectionId } = useParams({ from });
  const search = useSearch({ from });
  const navigate = useNavigate({ from: "/orgs/$connectionId/compare" });
  const list = useSnapshots(connectionId);
  return (
    <Page title="Compare" about="What differs between two moments, object by object and field by field.">
      <Query of={list}>
        {(data) => {
          const all = data.pages.flatMap((p) => p.snapshots).filter(ended);
          if (all.length < 2) {
            const only = all[0];
            return (
              <Empty
                icon={IconArrowsDiff}
                title="There is nothing to compare yet"
                action={only && <WithNow connectionId={connectionId} before={only.id} />}
              >
                A comparison takes two snapshots. This org has {counted(all.length, "snapshot")}.
              </Empty>
            );
          }
          const options = all.map((s) => ({ value: s.id, label: moment(date(s.createdAt) ?? new Date(0)) }));
          const after = search.after ?? all[0]?.id ?? "";
          const older = all[all.findIndex((s) => s.id === after) + 1] ?? all[0];
          const before = search.before ?? older?.id ?? "";
          return (
            <Stack gap="lg">
              <WithNow connectionId={connectionId} before={search.after ?? all[0]?.id ?? ""} />
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <Select
                  label="Before"
                  data={options}
                  value={before}
                  allowDeselect={false}
                  searchable
                  onChange={(id) => id && navigate({ search: { ...search, before: id, after } })}
                />
                <Select
                  label="After"
                  data={options}
                  value={after}
                  allowDeselect={false}
                  searchable
                  onChange={(id) => id && navigate({ search: { ...search, after: id, before } })}
                />
              </SimpleGrid>
              <Result before={before} after={after} restore={search.restore ?? ""} />
            </Stack>
          );
        }}
      </Query>
    </Page>
  );
}

// WithNow compares a snapshot with the org as it is now: another one is taken for it, as the
// api itself asks no org.
function WithNow({ connectionId, before }: { connectionId: string; before: string }) {
  const may = useMay("take_snapshot");
  const [taking, setTaking] = useState("");
  const take = useMutation(SnapshotService.method.takeSnapshot, {
    onSuccess: (r) => r.snapshot && setTaking(r.snapshot.id),
  });
  if (!may) return null;
  if (taking) return <Reading snapshotId={taking} before={before} over={() => setTaking("")} />;
  return (
    <Group gap="sm">
      <Button
        variant="default"
        leftSection={<IconRefresh size={16} />}
        loading={take.isPending}
        onClick={() => take.mutate({ connectionId, trigger: "verify" })}
      >
        Compare with the org as it is now
      </Button>
      {take.error && <Wrong error={take.error} />}
    </Group>
  );
}

// Reading shows how the org is read, and then what differs.
function Reading({ snapshotId, before, over }: { snapshotId: string; before: string; over: () => void }) {
  const navigate = useNavigate({ from: "/orgs/$connectionId/compare" });
  const queries = useQueryClient();
  const { data: s, error } = useSnapshot(snapshotId);
  const done = s && ended(s);
  useEffect(() => {
    if (!done) return;
    void queries
      .invalidateQueries()
      .then(() => navigate({ search: { before, after: snapshotId } }))
      .then(over);
  }, [done, before, snapshotId, over, navigate, queries]);
  if (error) return <Failed error={error} />;
  if (s?.state === "failed") {
    return (
      <Alert color="red" role="alert">
        {s.problem ? capital(sentence(s.problem)) : "The org could not be read."}
      </Alert>
    );
  }
  if (done) return null;
  return (
    <Group role="status">
      <Loader size="sm" />
      <Text>Reading the org: {counted(s?.objects ?? 0n, "object")} so far…</Text>
    </Group>
  );
}

function Result({ before, after, restore }: { before: string; after: string; restore: string }) {
  const found = useQuery({
    queryKey: ["compare", before, after, restore],
    queryFn: ({ signal }) => compare(before, after, restore, signal),
    staleTime: Number.POSITIVE_INFINITY, // snapshots never change
  });
  if (found.error) return <Failed error={found.error} again={() => void found.refetch()} />;
  if (!found.data) {
    return (
      <Group role="status">
        <Loader size="sm" />
        <Text>Comparing…</Text>
      </Group>
    );
  }
  return <Found of={found.data} before={before} />;
}

function Found({ of, before }: { of: Differences; before: string }) {
  const [search, setSearch] = useState("");
  const [ops, setOps] = useState<string[]>([]);
  const [chosen, setChosen] = useState<string[]>([]);
  const shown = of.changes.filter(
    (c) =>
      (ops.length === 0 || ops.includes(c.op)) &&
      `${c.label} ${c.parentLabel} ${c.typeTitle} ${c.key}`.toLowerCase().includes(search.toLowerCase()),
  );
  if (of.changes.length === 0) {
    return (
      <>
        <Unknown of={of.unknown} />
        <Empty icon={IconEqual} title="No difference">
          {of.summary && `${counted(of.summary.compared, "object")} compared.`}
        </Empty>
      </>
    );
  }
  return (
    <Stack gap="md">
      <Unknown of={of.unknown} />
      <Group justify="space-between" align="flex-end">
        <Group>
          <TextInput
            aria-label="Filter the changes"
            placeholder="Filter by name, type or ID"
            leftSection={<IconSearch size={16} />}
            value={search}
            onChange={(e) => setSearch(e.currentTarget.value)}
          />
          <Checkbox.Group value={ops} onChange={setOps} aria-label="Which changes">
            <Group gap="md">
              <Checkbox value="create" label={`Created ${count(of.summary?.created ?? 0n)}`} />
              <Checkbox value="update" label={`Changed ${count(of.summary?.updated ?? 0n)}`} />
              <Checkbox value="delete" label={`Deleted ${count(of.summary?.deleted ?? 0n)}`} />
            </Group>
          </Checkbox.Group>
        </Group>
        <Revert keys={chosen} snapshotId={before} />
      </Group>
      <Groups of={shown} chosen={chosen} choose={setChosen} />
    </Stack>
  );
}

function Revert({ keys, snapshotId }: { keys: string[]; snapshotId: string }) {
  const may = useMay("plan_restore");
  if (!may || keys.length === 0) return null;
  return (
    <Button
      leftSection={<IconArrowBackUp size={16} />}
      renderRoot={(p) => (
        <Link to="/snapshots/$snapshotId/restore" params={{ snapshotId }} search={{ keys }} {...p} />
      )}
    >
      Revert {counted(keys.length, "change")}
    </Button>
  );
}

// Unknown is what cannot be told, because one of the snapshots has a gap there.
function Unknown({ of }: { of: Gap[] }) {
  if (of.length === 0) return null;
  const types = [...new Set(of.map((g) => words(g.type)))];
  return (
    <Alert color="orange" icon={<IconHelp />} title={`${counted(of.length, "part")} cannot be compared`}>
      <Text size="sm">
        A gap is never a deletion: {types.slice(0, 5).join(", ")}
        {types.length > 5 && " and others"}.
      </Text>
    </Alert>
  );
}

function Groups({
  of,
  chosen,
  choose,
}: {
  of: Change[];
  chosen: string[];
  choose: (keys: string[]) => void;
}) {
  const [open, setOpen] = useState<string[]>([]);
  const groups = [...Map.groupBy(of, (c) => c.typeTitle)].sort(([a], [b]) => a.localeCompare(b));
  if (groups.length === 0) return <Text c="dimmed">No change matches the filter.</Text>;
  return (
    <Checkbox.Group value={chosen} onChange={choose} aria-label="Changes to revert">
      <Accordion chevronPosition="left" multiple value={open} onChange={setOpen}>
        {of.length > few ? <Many of={groups} /> : <Sections of={groups} />}
      </Accordion>
    </Checkbox.Group>
  );
}

// few changes are all drawn; of more only those in sight.
const few = 100;

type Grouped = [title: string, changes: Change[]][];

function Sections({ of }: { of: Grouped }) {
  return (
    <Stack gap="lg">
      {of.map(([title, changes]) => (
        <section key={title} aria-label={title}>
          <Heading title={title} changes={changes.length} />
          {changes.map((c) => (
            <Line key={c.key} of={c} />
          ))}
        </section>
      ))}
    </Stack>
  );
}

function Many({ of }: { of: Grouped }) {
  const rows = of.flatMap(([title, changes]) => [{ title, changes: changes.length }, ...changes]);
  return (
    <Virtual
      label="Changes"
      count={rows.length}
      height={52}
      by={(i) => {
        const row = rows[i];
        return row === undefined ? i : "key" in row ? row.key : row.title;
      }}
    >
      {(i) => {
        const row = rows[i];
        if (row === undefined) return null;
        return "key" in row ? <Line of={row} /> : <Heading {...row} />;
      }}
    </Virtual>
  );
}

function Heading({ title, changes }: { title: string; changes: number }) {
  return (
    <Text fw={600} component="h2" my={4}>
      {title}{" "}
      <Text span c="dimmed" fw={400}>
        {count(changes)}
      </Text>
    </Text>
  );
}

function Line({ of: c }: { of: Change }) {
  const may = useMay("plan_restore");
  return (
    <Accordion.Item value={c.key}>
      <Group wrap="nowrap" gap={0}>
        {may && <Checkbox value={c.key} aria-label={`Revert ${c.label}`} ml="md" />}
        <Accordion.Control>
          <Group gap="sm">
            <Op of={c.op} />
            <Text>{c.label}</Text>
            {c.parentLabel && (
              <Text size="sm" c="dimmed">
                {c.parentLabel}
              </Text>
            )}
          </Group>
        </Accordion.Control>
      </Group>
      <Accordion.Panel>
        {c.fields.length ? (
          <Fields of={c.fields} />
        ) : (
          <Text size="sm" c="dimmed">
            {c.key}
          </Text>
        )}
      </Accordion.Panel>
    </Accordion.Item>
  );
}
