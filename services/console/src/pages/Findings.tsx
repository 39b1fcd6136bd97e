import { Anchor, Card, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { IconBellCheck } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useFindings } from "../api/lists";
import type { Finding } from "../gen/imago/v1/drift_pb";
import { Severity, State } from "../parts/Badges";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";

// Findings is what changed that somebody should hear about, newest first.
export function Findings() {
  const { connectionId } = useParams({ from: "/signed-in/orgs/$connectionId/changes" });
  const list = useFindings(connectionId);
  const [shown, setShown] = useState("open");
  return (
    <Page
      title="Changes"
      about="What changed in the org that somebody should hear about: what, who, when, from where."
      actions={
        <SegmentedControl
          aria-label="Which findings"
          value={shown}
          onChange={setShown}
          data={[
            { value: "open", label: "Open" },
            { value: "all", label: "All" },
          ]}
        />
      }
    >
      <Query of={list}>
        {(data) => {
          const all = data.pages
            .flatMap((p) => p.findings)
            .filter((f) => shown === "all" || f.state === "open");
          if (all.length === 0 && !list.hasNextPage) {
            return (
              <Empty
                icon={IconBellCheck}
                title={shown === "open" ? "Nothing is open" : "Nothing was found yet"}
              >
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
        <Group gap="xs" wrap="nowrap">
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
