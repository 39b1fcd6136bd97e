import { Code, Table, Text } from "@mantine/core";
import type { Field } from "../gen/imago/v1/snapshot_pb";
import { Wide } from "./Wide";

// Fields shows what differs, path by path. Values come from a directory: they are text, and
// never anything that a browser would run.
export function Fields({
  of,
  before = "Before",
  after = "After",
}: {
  of: Field[];
  before?: string;
  after?: string;
}) {
  if (of.length === 0) return null;
  return (
    <Wide minWidth={480}>
      <Table layout="fixed" verticalSpacing="xs" aria-label="What differs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th w="30%">Field</Table.Th>
            <Table.Th>{before}</Table.Th>
            <Table.Th>{after}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {of.map((f) => (
            <Table.Tr key={f.path}>
              <Table.Th scope="row" fw={500}>
                {f.path}
              </Table.Th>
              <Table.Td>
                <Value of={f.before} mark="del" />
              </Table.Td>
              <Table.Td>
                <Value of={f.after} mark="ins" />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}

// Value shows JSON as it is read: text without its quotes, anything else indented.
export function Value({ of, mark }: { of: string; mark?: "del" | "ins" }) {
  if (of === "") return <Text c="dimmed">absent</Text>;
  const color = mark === "del" ? "red.light" : mark === "ins" ? "green.light" : undefined;
  const body = (
    <Code block={of.length > 60} bg={color ? `var(--mantine-color-${color.replace(".", "-")})` : undefined}>
      {readable(of)}
    </Code>
  );
  return mark === "del" ? <del style={{ textDecoration: "none" }}>{body}</del> : body;
}

// readable spells JSON for a person.
export function readable(json: string): string {
  const value: unknown = parse(json);
  return typeof value === "string" ? (value === "" ? '""' : value) : JSON.stringify(value, null, 2);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json; // not JSON: shown as it stands
  }
}
