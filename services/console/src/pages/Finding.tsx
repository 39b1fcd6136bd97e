import { useQuery } from "@connectrpc/connect-query";
import { Button, Card, Group, List, Table, Text, Title } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useMay } from "../api/session";
import { DriftService, type Finding } from "../gen/imago/v1/drift_pb";
import { Op, Severity, State } from "../parts/Badges";
import { Fields } from "../parts/Fields";
import { date, moment } from "../parts/format";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Verdict } from "../parts/Verdict";

// FindingPage is one finding: what changed, who did it, and the way to put it back.
export function FindingPage() {
  const { findingId } = useParams({ from: "/signed-in/changes/$findingId" });
  const finding = useQuery(DriftService.method.getFinding, { findingId }, { select: (r) => r.finding });
  return (
    <Query of={finding} page="Change">
      {(f) => <Shown of={f} />}
    </Query>
  );
}

function Shown({ of: f }: { of: Finding }) {
  return (
    <Page
      title={f.title}
      about={f.sentence}
      crumbs={[
        {
          label: "Changes",
          link: { to: "/orgs/$connectionId/changes", params: { connectionId: f.connectionId } },
        },
      ]}
      actions={<Revert of={f} />}
    >
      <Group gap="xs">
        <Severity of={f.severity} />
        <State of={f.state} />
        {f.change && <Op of={f.change.op} />}
      </Group>
      <Origin of={f} />
      {f.consequences.length > 0 && (
        <Card withBorder padding="md" component="section" aria-label="What happened with it">
          <Title order={2} mb="xs">
            What happened with it
          </Title>
          <List size="sm">
            {f.consequences.map((c) => (
              <List.Item key={c}>{c}</List.Item>
            ))}
          </List>
        </Card>
      )}
      {f.change && f.change.fields.length > 0 && (
        <Card withBorder padding="md" component="section" aria-label="What differs">
          <Fields of={f.change.fields} />
        </Card>
      )}
      <Verdict of={f} />
    </Page>
  );
}

function Revert({ of: f }: { of: Finding }) {
  const may = useMay("plan_restore");
  const key = f.change?.key;
  if (!may || !key || !f.snapshotId) return null;
  return (
    <Button
      leftSection={<IconArrowBackUp size={16} />}
      renderRoot={(p) => (
        <Link
          to="/snapshots/$snapshotId/restore"
          params={{ snapshotId: f.snapshotId }}
          search={{ keys: [key] }}
          {...p}
        />
      )}
    >
      Revert this change
    </Button>
  );
}

// Origin is who, when, from where, and the log's own event for who wants to look it up.
function Origin({ of: f }: { of: Finding }) {
  const a = f.attribution;
  const at = date(a?.time ?? f.foundAt);
  const rows: [string, string | undefined][] = [
    [
      "Who",
      a?.actor
        ? `${a.actor}${a.certain ? "" : " (probably: the log leaves a doubt)"}`
        : "The log names nobody",
    ],
    ["When", at && moment(at)],
    ["From", [a?.ip, a?.place].filter(Boolean).join(", ")],
    ["With", a?.userAgent],
    ["Event", [a?.event, a?.eventId].filter(Boolean).join(" ")],
    ["Rule", f.rule],
  ];
  return (
    <Card withBorder padding="md" component="section" aria-label="Who did it">
      <Table variant="vertical" layout="fixed" withRowBorders={false} verticalSpacing={4}>
        <Table.Tbody>
          {rows
            .filter(([, v]) => v)
            .map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th w={100} scope="row">
                  {name}
                </Table.Th>
                <Table.Td>
                  <Text size="sm">{value}</Text>
                </Table.Td>
              </Table.Tr>
            ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}
