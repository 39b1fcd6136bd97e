import { useQuery } from "@connectrpc/connect-query";
import { Button, Card, Code, Collapse, CopyButton, Group, Stack, Table, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconArrowBackUp, IconCheck, IconCopy } from "@tabler/icons-react";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useMay } from "../api/session";
import { useSnapshotTypes } from "../api/snapshots";
import { type GetResourceResponse, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { readable } from "../parts/Fields";
import { History } from "../parts/History";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { ReferencedBy, References } from "../parts/References";

// ObjectPage shows one object as it was: its fields to read, what it refers to, and on
// request the JSON that the provider sent.
export function ObjectPage() {
  const { snapshotId } = useParams({ from: "/signed-in/snapshots/$snapshotId/object" });
  const { key } = useSearch({ from: "/signed-in/snapshots/$snapshotId/object" });
  const object = useQuery(SnapshotService.method.getResource, { snapshotId, key });
  return (
    <Query of={object} page="Object">
      {(o) => <Shown of={o} snapshotId={snapshotId} objectKey={key} />}
    </Query>
  );
}

function Shown({
  of: o,
  snapshotId,
  objectKey,
}: {
  of: GetResourceResponse;
  snapshotId: string;
  objectKey: string;
}) {
  const may = useMay("plan_restore");
  const type = objectKey.split("/")[0] ?? "";
  const titles = useSnapshotTypes(snapshotId);
  const title = titles.get(type) ?? type;
  const params = { snapshotId };
  return (
    <Page
      title={o.summary?.label || objectKey}
      about={o.summary?.parentLabel ? `${title}, of ${o.summary.parentLabel}` : title}
      crumbs={[
        { label: "Snapshot", link: { to: "/snapshots/$snapshotId", params } },
        { label: title, link: { to: "/snapshots/$snapshotId/browse", params, search: { type } } },
      ]}
      actions={
        may && (
          <Button
            leftSection={<IconArrowBackUp size={16} />}
            renderRoot={(p) => (
              <Link
                to="/snapshots/$snapshotId/restore"
                params={params}
                search={{ keys: [objectKey] }}
                {...p}
              />
            )}
          >
            Restore this
          </Button>
        )
      }
    >
      <FieldsOf body={o.body} />
      <References title="It refers to" of={o.references} snapshotId={snapshotId} />
      <ReferencedBy key={`by ${objectKey}`} snapshotId={snapshotId} objectKey={objectKey} />
      <History key={objectKey} snapshotId={snapshotId} objectKey={objectKey} />
      <Raw body={o.body} />
    </Page>
  );
}

// leaves lists an object's fields as paths and values, in the order of the paths.
export function leaves(value: unknown, path = ""): [string, string][] {
  if (value === null || typeof value !== "object") return [[path, readable(JSON.stringify(value))]];
  if (Array.isArray(value) && value.every((v) => v === null || typeof v !== "object")) {
    return [[path, value.length ? value.map(String).join(", ") : "none"]];
  }
  const entries = Object.entries(value).filter(([k]) => k !== "_links" && k !== "_embedded");
  if (entries.length === 0) return path ? [[path, "none"]] : [];
  return entries.flatMap(([k, v]) => leaves(v, path ? `${path}.${k}` : k));
}

function FieldsOf({ body }: { body: string }) {
  const rows = leaves(JSON.parse(body)).sort(([a], [b]) => a.localeCompare(b));
  return (
    <Card withBorder padding="md" component="section" aria-label="Fields">
      <Table layout="fixed" verticalSpacing={6}>
        <Table.Tbody>
          {rows.map(([path, value]) => (
            <Table.Tr key={path}>
              <Table.Th scope="row" w="35%" fw={500}>
                {path}
              </Table.Th>
              <Table.Td>
                <Text size="sm" style={{ whiteSpace: "pre-wrap" }}>
                  {value}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}

function Raw({ body }: { body: string }) {
  const [open, { toggle }] = useDisclosure(false);
  return (
    <Stack gap="xs" align="flex-start">
      <Group gap="xs">
        <Button variant="subtle" size="compact-sm" onClick={toggle} aria-expanded={open}>
          {open ? "Hide the JSON" : "Show the JSON that the org sent"}
        </Button>
        <CopyButton value={body}>
          {({ copied, copy }) => (
            <Button
              variant="subtle"
              size="compact-sm"
              onClick={copy}
              leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
            >
              {copied ? "Copied" : "Copy it"}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Collapse expanded={open} w="100%">
        <Code block>{JSON.stringify(JSON.parse(body), null, 2)}</Code>
      </Collapse>
    </Stack>
  );
}
