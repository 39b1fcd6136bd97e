import { Anchor, Card, Group, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconBellCheck, IconUser } from "@tabler/icons-react";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useFindings } from "../api/lists";
import { useMay } from "../api/session";
import type { Finding } from "../gen/imago/v1/drift_pb";
import { Severity, State } from "../parts/Badges";
import { capital } from "../parts/format";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";

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
  const { shelf = "open", severity, actor } = useSearch({ from });
  const shown = shelves[shelf] ?? { label: "", states: [], empty: "Nothing is here" };
  const list = useFindings(connectionId, {
    states: shown.states,
    severities: severity ? [severity] : [],
    actor: actor ?? "",
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
              <Empty icon={IconBellCheck} title={severity || actor ? "Nothing matches" : shown.empty}>
                The org's log is read all the time. What weakens it or takes access away shows here within
                seconds.
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

// Filter says which findings are shown; it stands in the address, so that it can be sent.
function Filter() {
  const search = useSearch({ from });
  const navigate = useNavigate({ from: "/orgs/$connectionId/changes" });
  const mayOpen = useMay("open_snapshot");
  const [typed, setTyped] = useState(search.actor ?? "");
  const show = (more: typeof search) => navigate({ search: { ...search, ...more }, replace: true });
  const look = useDebouncedCallback((actor: string) => show({ actor: actor || undefined }), 300);
  return (
    <Group gap="sm" align="flex-end">
      <SegmentedControl
        aria-label="Which findings"
        value={search.shelf ?? "open"}
        onChange={(shelf) => show({ shelf: shelf === "open" ? undefined : shelf })}
        data={Object.entries(shelves).map(([value, { label }]) => ({ value, label }))}
      />
      <Select
        aria-label="Severity"
        placeholder="Any severity"
        clearable
        w={160}
        value={search.severity ?? null}
        data={["critical", "high", "medium", "low"].map((value) => ({ value, label: capital(value) }))}
        onChange={(severity) => show({ severity: severity ?? undefined })}
      />
      {mayOpen && (
        <TextInput
          aria-label="Who did it"
          placeholder="By whom: a login, name or ID"
          leftSection={<IconUser size={16} />}
          w={260}
          value={typed}
          onChange={(e) => {
            setTyped(e.currentTarget.value);
            look(e.currentTarget.value.trim());
          }}
        />
      )}
    </Group>
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
