import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useQuery } from "@connectrpc/connect-query";
import { Anchor, Button, Card, Group, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconBellCheck, IconFilterOff, IconUser } from "@tabler/icons-react";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useFindings } from "../api/lists";
import { useMay } from "../api/session";
import type { Finding } from "../gen/imago/v1/drift_pb";
import { SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { Severity, State } from "../parts/Badges";
import { capital } from "../parts/format";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";
import type { Filtering } from "../router";

const from = "/signed-in/orgs/$connectionId/changes";

// shelves are where findings lie, by what was said of them.
const shelves: Record<string, { label: string; states: string[]; empty: string }> = {
  open: { label: "Open", states: ["open"], empty: "Nothing is open" },
  snoozed: { label: "Snoozed", states: ["snoozed"], empty: "Nothing is snoozed" },
  settled: {
    label: "Seen to",
    states: ["acknowledged", "accepted", "resolved"],
    empty: "Nothing was seen to yet",
  },
  all: { label: "All", states: [], empty: "Nothing was found yet" },
};

// Findings is what changed that somebody should hear about, newest first.
export function Findings() {
  const { connectionId } = useParams({ from });
  const search = useSearch({ from });
  const shown = shelves[search.shelf ?? "open"] ?? { label: "", states: [], empty: "Nothing is here" };
  const list = useFindings(connectionId, {
    states: shown.states,
    severities: search.severity ? [search.severity] : [],
    types: search.type ? [search.type] : [],
    actor: search.actor ?? "",
    since: midnight(search.since),
    until: midnight(search.until, 1),
  });
  return (
    <Page
      title="Changes"
      about="What changed in the org that somebody should hear about: what, who, when, from where."
    >
      <Filter />
      <Query of={list}>
        {(data) => {
          const all = data.pages.flatMap((p) => p.findings);
          if (all.length === 0 && !list.hasNextPage) {
            return (
              <Empty icon={IconBellCheck} title={narrowed(search) ? "Nothing matches" : shown.empty}>
                {narrowed(search)
                  ? "No change fits all that you chose."
                  : "The org's log is read all the time. What weakens it or takes access away shows here within seconds."}
              </Empty>
            );
          }
          return (
            <Stack gap="sm">
              {all.map((f) => (
                <Line key={f.id} of={f} />
              ))}
              <More {...list} />
            </Stack>
          );
        }}
      </Query>
    </Page>
  );
}

// narrowed tells whether more than a shelf is chosen.
function narrowed(s: Filtering): boolean {
  return Boolean(s.severity || s.type || s.actor || s.since || s.until);
}

// midnight is when a day of the browser's time zone begins, or one some days later.
function midnight(day: string | undefined, later = 0): Timestamp | undefined {
  const at = new Date(`${day}T00:00`);
  if (Number.isNaN(at.getTime())) return undefined;
  at.setDate(at.getDate() + later);
  return timestampFromDate(at);
}

// Filter says which findings are shown; it stands in the address, so that it can be sent.
function Filter() {
  const search = useSearch({ from });
  const navigate = useNavigate({ from: "/orgs/$connectionId/changes" });
  const show = (more: Filtering) => navigate({ search: { ...search, ...more }, replace: true });
  return (
    <Stack gap="sm">
      <SegmentedControl
        aria-label="Which findings"
        value={search.shelf ?? "open"}
        onChange={(shelf) => show({ shelf: shelf === "open" ? undefined : shelf })}
        data={Object.entries(shelves).map(([value, { label }]) => ({ value, label }))}
        style={{ alignSelf: "flex-start" }}
      />
      <Group gap="sm" align="flex-end">
        <Select
          label="Severity"
          placeholder="Any"
          clearable
          flex="1 1 120px"
          maw={200}
          value={search.severity ?? null}
          data={["critical", "high", "medium", "low"].map((value) => ({ value, label: capital(value) }))}
          onChange={(severity) => show({ severity: severity ?? undefined })}
        />
        <OfType chosen={search.type} choose={(type) => show({ type })} />
        <ByWhom key={search.actor} chosen={search.actor} choose={(actor) => show({ actor })} />
        <Day label="Since" of={search.since} choose={(since) => show({ since })} />
        <Day label="Until" of={search.until} choose={(until) => show({ until })} />
        {narrowed(search) && (
          <Button
            variant="subtle"
            leftSection={<IconFilterOff size={16} />}
            onClick={() => navigate({ search: { shelf: search.shelf }, replace: true })}
          >
            Show all
          </Button>
        )}
      </Group>
    </Stack>
  );
}

// OfType offers the types that the newest snapshot holds.
function OfType({ chosen, choose }: { chosen?: string; choose: (type?: string) => void }) {
  const { connectionId } = useParams({ from });
  const newest = useQuery(SnapshotService.method.getSnapshot, { snapshotId: "latest", connectionId });
  const types = newest.data?.snapshot?.types ?? [];
  const families = [...Map.groupBy(types, (t) => t.family)].sort(([a], [b]) => a.localeCompare(b));
  const data = families.map(([family, of]) => ({
    group: capital(family),
    items: of.map((t) => ({ value: t.type, label: t.title })),
  }));
  return (
    <Select
      label="Type"
      placeholder="Any"
      clearable
      searchable
      flex="1 1 160px"
      maw={260}
      value={chosen ?? null}
      data={data.length ? data : chosen ? [chosen] : []}
      onChange={(type) => choose(type ?? undefined)}
    />
  );
}

function ByWhom({ chosen, choose }: { chosen?: string; choose: (actor?: string) => void }) {
  const may = useMay("open_snapshot");
  const [typed, setTyped] = useState(chosen ?? "");
  if (!may) return null;
  const submit = (e?: FormEvent) => {
    e?.preventDefault();
    if (typed.trim() !== (chosen ?? "")) choose(typed.trim() || undefined);
  };
  return (
    <form onSubmit={submit} style={{ flex: "2 1 200px", maxWidth: 320 }}>
      <TextInput
        label="By whom"
        placeholder="A login, name or ID, in full"
        leftSection={<IconUser size={16} />}
        value={typed}
        onChange={(e) => setTyped(e.currentTarget.value)}
        onBlur={() => submit()}
      />
    </form>
  );
}

function Day(p: { label: string; of?: string; choose: (day?: string) => void }) {
  return (
    <TextInput
      type="date"
      label={p.label}
      flex="1 1 130px"
      maw={170}
      value={p.of ?? ""}
      onChange={(e) => p.choose(e.currentTarget.value || undefined)}
    />
  );
}

function Line({ of: f }: { of: Finding }) {
  return (
    <Card withBorder padding="md" component="article" aria-label={f.title}>
      <Group justify="space-between" align="flex-start" wrap="nowrap">
        <Stack gap={4}>
          <Anchor
            fw={600}
            renderRoot={(p) => <Link to="/changes/$findingId" params={{ findingId: f.id }} {...p} />}
          >
            {f.title}
          </Anchor>
          {f.sentence && <Text size="sm">{f.sentence}</Text>}
          <Who of={f} />
        </Stack>
        <Group gap="xs" justify="flex-end">
          <Severity of={f.severity} />
          {f.state !== "open" && <State of={f.state} />}
        </Group>
      </Group>
    </Card>
  );
}

// Who says who did it, when and from where, as the org's log says.
export function Who({ of: f }: { of: Finding }) {
  const a = f.attribution;
  return (
    <Text size="sm" c="dimmed">
      {a?.actor ? (a.certain ? a.actor : `probably ${a.actor}`) : "The log names nobody"}
      {a?.ip && ` · ${a.ip}`}
      {a?.place && ` · ${a.place}`}
      {" · "}
      <Time at={a?.time ?? f.foundAt} />
    </Text>
  );
}
