import { useQuery } from "@connectrpc/connect-query";
import {
  Anchor,
  Button,
  Checkbox,
  Code,
  Grid,
  Group,
  NavLink,
  ScrollArea,
  Select,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconArrowBackUp, IconListSearch, IconSearch } from "@tabler/icons-react";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { useResources, useSearchHits } from "../api/lists";
import { useMay } from "../api/session";
import {
  type ResourceSummary,
  type SearchHit,
  type Snapshot,
  SnapshotService,
  type SnapshotType,
} from "../gen/imago/v1/snapshot_pb";
import { count, date, moment } from "../parts/format";
import { Moments } from "../parts/Moments";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty, Failed, Loading } from "../parts/States";
import { Virtual } from "../parts/Virtual";

const from = "/signed-in/snapshots/$snapshotId/browse";

// Browse walks through a snapshot: families and types at the left, their objects at the right.
export function Browse() {
  const { snapshotId } = useParams({ from });
  const asked = new Date(useSearch({ from }).at ?? "");
  const snapshot = useQuery(
    SnapshotService.method.getSnapshot,
    { snapshotId },
    { select: (r) => r.snapshot },
  );
  return (
    <Query of={snapshot} page="Browse">
      {(s) => {
        const taken = date(s.createdAt);
        return (
          <Page
            title="Browse"
            about={taken && shows(taken, asked)}
            actions={<Moments connectionId={s.connectionId} shown={s} />}
            crumbs={[
              {
                label: "Snapshots",
                link: { to: "/orgs/$connectionId/snapshots", params: { connectionId: s.connectionId } },
              },
              {
                label: taken ? moment(taken) : s.id,
                link: { to: "/snapshots/$snapshotId", params: { snapshotId } },
              },
            ]}
          >
            <Finder of={s} />
          </Page>
        );
      }}
    </Query>
  );
}

// shows says what moment one looks at: a snapshot's, or one after it, before the next.
function shows(taken: Date, asked: Date): string {
  if (Number.isNaN(asked.getTime())) return `The org as it was on ${moment(taken)}`;
  return `The org on ${moment(asked)}, as the snapshot of ${moment(taken)} has it`;
}

// Finder looks through the whole snapshot; without a word, one walks through its types.
function Finder({ of: s }: { of: Snapshot }) {
  const { find = "", fields = false } = useSearch({ from });
  const navigate = useNavigate({ from: "/snapshots/$snapshotId/browse" });
  const [typed, setTyped] = useState(find);
  const [deep, setDeep] = useState(fields);
  const look = useDebouncedCallback(
    (value: string, all: boolean) =>
      navigate({
        search: ({ at }) => (value ? { at, find: value, fields: all || undefined } : { at }),
        replace: true,
      }),
    250,
  );
  return (
    <>
      <Group gap="md">
        <TextInput
          aria-label="Search the whole snapshot"
          placeholder="Search all types by name or ID"
          type="search"
          flex={1}
          miw={240}
          leftSection={<IconListSearch size={16} />}
          value={typed}
          onChange={(e) => {
            setTyped(e.currentTarget.value);
            look(e.currentTarget.value.trim(), deep);
          }}
        />
        <Checkbox
          label="In all fields, too"
          checked={deep}
          onChange={(e) => {
            setDeep(e.currentTarget.checked);
            look(typed.trim(), e.currentTarget.checked);
          }}
        />
      </Group>
      {find ? <Hits of={s} find={find} fields={fields} /> : <Tree of={s} />}
    </>
  );
}

// Hits is what a search of the whole snapshot found.
function Hits({ of: s, find, fields }: { of: Snapshot; find: string; fields: boolean }) {
  const list = useSearchHits(s.id, { search: find, fields });
  return (
    <Query of={list}>
      {(data) => {
        const all = data.pages.flatMap((p) => p.hits);
        if (all.length === 0 && !list.hasNextPage) {
          return (
            <Empty icon={IconListSearch} title="Nothing matches">
              {fields
                ? "No name, ID or field of this snapshot holds it."
                : "Search looks at names and IDs; let it look at all fields, too."}
            </Empty>
          );
        }
        return (
          <Stack gap={0} component="section" aria-label="What was found">
            {all.map((h) => (
              <Hit key={`${h.resource?.key} ${h.path}`} of={h} snapshotId={s.id} />
            ))}
            <More {...list} />
          </Stack>
        );
      }}
    </Query>
  );
}

function Hit({ of: h, snapshotId }: { of: SearchHit; snapshotId: string }) {
  const key = h.resource?.key ?? "";
  return (
    <Group gap="0 12px" py={8} px="xs" className="row">
      <Text size="sm" c="dimmed" w={{ base: "100%", sm: 180 }}>
        {h.typeTitle}
      </Text>
      <Anchor
        renderRoot={(p) => (
          <Link to="/snapshots/$snapshotId/object" params={{ snapshotId }} search={{ key }} {...p} />
        )}
      >
        {h.resource?.label || key}
      </Anchor>
      {h.resource?.parentLabel && (
        <Text size="sm" c="dimmed">
          {h.resource.parentLabel}
        </Text>
      )}
      {h.path && (
        <Text size="sm">
          {h.path}: <Code>{h.value}</Code>
        </Text>
      )}
    </Group>
  );
}

function Tree({ of: s }: { of: Snapshot }) {
  const { type } = useSearch({ from });
  const filled = useMemo(() => s.types.filter((t) => t.objects > 0n), [s]);
  const shown = filled.find((t) => t.type === type) ?? families(filled)[0]?.[1][0];
  if (!shown) {
    return (
      <Empty icon={IconListSearch} title="This snapshot holds nothing">
        Look at its gaps: they say what could not be read, and why.
      </Empty>
    );
  }
  return (
    <Grid gap="xl">
      <Grid.Col span={{ base: 12, md: 3 }}>
        <Families of={filled} shown={shown.type} />
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 9 }}>
        <Objects key={shown.type} snapshot={s} of={shown} />
      </Grid.Col>
    </Grid>
  );
}

function families(types: SnapshotType[]): [string, SnapshotType[]][] {
  return [...Map.groupBy(types, (t) => t.family)].sort(([a], [b]) => a.localeCompare(b));
}

function Families({ of, shown }: { of: SnapshotType[]; shown: string }) {
  const navigate = useNavigate({ from: "/snapshots/$snapshotId/browse" });
  const groups = families(of);
  return (
    <>
      <Select
        hiddenFrom="md"
        label="Type"
        searchable
        allowDeselect={false}
        value={shown}
        data={groups.map(([group, ts]) => ({
          group,
          items: ts.map((t) => ({ value: t.type, label: `${t.title} (${count(t.objects)})` })),
        }))}
        onChange={(type) => type && navigate({ search: ({ at }) => ({ at, type }) })}
      />
      <ScrollArea.Autosize mah="75vh" visibleFrom="md" component="nav" aria-label="Types">
        {groups.map(([family, types]) => (
          <Stack key={family} gap={0} mb="sm">
            <Text size="xs" fw={600} c="dimmed" px="sm" py={4} tt="capitalize">
              {family}
            </Text>
            {types.map((t) => (
              <NavLink
                key={t.type}
                label={t.title}
                active={t.type === shown}
                aria-current={t.type === shown ? "page" : undefined}
                rightSection={
                  <Text size="xs" className="numeric">
                    {count(t.objects)}
                  </Text>
                }
                py={4}
                renderRoot={(p) => (
                  <Link
                    from="/snapshots/$snapshotId/browse"
                    to="."
                    search={({ at }) => ({ at, type: t.type })}
                    {...p}
                  />
                )}
              />
            ))}
          </Stack>
        ))}
      </ScrollArea.Autosize>
    </>
  );
}

function Objects({ snapshot: s, of: t }: { snapshot: Snapshot; of: SnapshotType }) {
  const { search = "", parent = "" } = useSearch({ from });
  const navigate = useNavigate({ from: "/snapshots/$snapshotId/browse" });
  const [typed, setTyped] = useState(search);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const look = useDebouncedCallback(
    (value: string) =>
      navigate({
        search: ({ at }) => ({ at, type: t.type, search: value || undefined, parent: parent || undefined }),
        replace: true,
      }),
    150,
  );
  const list = useResources(s.id, { type: t.type, parent, search });
  return (
    <Stack gap="sm">
      <Group justify="space-between" align="flex-end">
        <Title order={2}>{t.title}</Title>
        <Choice chosen={chosen} snapshotId={s.id} />
      </Group>
      <TextInput
        aria-label={`Search ${t.title}`}
        placeholder="Search by name or ID"
        type="search"
        leftSection={<IconSearch size={16} />}
        value={typed}
        onChange={(e) => {
          setTyped(e.currentTarget.value);
          look(e.currentTarget.value);
        }}
      />
      {list.error && <Failed error={list.error} again={() => void list.refetch()} />}
      {list.isPending && <Loading lines={8} />}
      {list.data && (
        <Rows
          list={list}
          all={list.data.pages.flatMap((p) => p.resources)}
          snapshotId={s.id}
          chosen={chosen}
          choose={setChosen}
        />
      )}
    </Stack>
  );
}

// Choice is what was ticked, and the way to its restore.
function Choice({ chosen, snapshotId }: { chosen: ReadonlySet<string>; snapshotId: string }) {
  const may = useMay("plan_restore");
  if (!may || chosen.size === 0) return null;
  return (
    <Button
      size="sm"
      leftSection={<IconArrowBackUp size={16} />}
      renderRoot={(p) => (
        <Link
          to="/snapshots/$snapshotId/restore"
          params={{ snapshotId }}
          search={{ keys: [...chosen] }}
          {...p}
        />
      )}
    >
      Restore {count(chosen.size)}
    </Button>
  );
}

const rowHeight = 44;

interface RowsProps {
  list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
  all: ResourceSummary[];
  snapshotId: string;
  chosen: ReadonlySet<string>;
  choose: (chosen: ReadonlySet<string>) => void;
}

// Rows lists objects, of which a type may have a hundred thousand.
function Rows({ list, all, snapshotId, chosen, choose }: RowsProps) {
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (all.length === 0)
    return (
      <Empty icon={IconListSearch} title="Nothing matches">
        Search looks at names and IDs.
      </Empty>
    );
  const toggle = (key: string) => {
    const after = new Set(chosen);
    if (!after.delete(key)) after.add(key);
    choose(after);
  };
  return (
    <Virtual
      label="Objects"
      count={all.length}
      height={rowHeight}
      by={(i) => all[i]?.key ?? i}
      more={hasNextPage}
      onNear={more}
    >
      {(i) => {
        const r = all[i];
        return (
          r && <Row of={r} snapshotId={snapshotId} chosen={chosen.has(r.key)} toggle={() => toggle(r.key)} />
        );
      }}
    </Virtual>
  );
}

function Row(p: { of: ResourceSummary; snapshotId: string; chosen: boolean; toggle: () => void }) {
  const r = p.of;
  return (
    <Group wrap="nowrap" h={rowHeight} gap="sm" px="xs" className="row">
      <Checkbox aria-label={`Choose ${r.label}`} checked={p.chosen} onChange={p.toggle} />
      <Anchor
        truncate
        renderRoot={(q) => (
          <Link
            to="/snapshots/$snapshotId/object"
            params={{ snapshotId: p.snapshotId }}
            search={{ key: r.key }}
            {...q}
          />
        )}
      >
        {r.label}
      </Anchor>
      {r.parentLabel && (
        <Text size="sm" c="dimmed" truncate>
          {r.parentLabel}
        </Text>
      )}
    </Group>
  );
}
