import { Code, Text } from "@mantine/core";
import type { Field } from "../gen/imago/v1/snapshot_pb";
import { Rows } from "./Rows";

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
    <Rows
      label="What differs"
      fixed
      of={of}
      by={(f) => f.path}
      columns={[
        { name: "Field", width: "30%", cell: (f) => f.path },
        { name: before, cell: (f) => <Value of={f.before} mark="del" /> },
        { name: after, cell: (f) => <Value of={f.after} mark="ins" /> },
      ]}
    />
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
