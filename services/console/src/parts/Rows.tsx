import { Group, Table } from "@mantine/core";
import type { Key, ReactNode } from "react";
import classes from "./Rows.module.css";

// Column is what a table shows of each row.
export interface Column<T> {
  name: string;
  cell: (row: T) => ReactNode;
  silent?: boolean; // its name is for screen readers alone
  number?: boolean;
  action?: boolean;
  width?: string;
}

// Rows is a table whose first column names each row. On a narrow screen each row is a card
// with the columns' names beside what they hold: nothing scrolls sideways. The roles are
// spelt out, because browsers forget them of a table that is laid out as anything else.
export function Rows<T>(p: {
  label: string;
  of: T[];
  by: (row: T) => Key;
  columns: Column<T>[];
  spacing?: "xs" | "sm";
  fixed?: boolean;
}) {
  const looks = (c: Column<T>) => ({
    "data-end": c.number || c.action || undefined,
    className: c.number ? "numeric" : undefined,
  });
  return (
    <Table
      role="table"
      aria-label={p.label}
      className={classes.table}
      verticalSpacing={p.spacing ?? "xs"}
      layout={p.fixed ? "fixed" : undefined}
    >
      <Table.Thead role="rowgroup">
        <Table.Tr role="row">
          {p.columns.map((c) => (
            <Table.Th key={c.name} role="columnheader" w={c.width} {...looks(c)}>
              {c.silent ? <span className="visually-hidden">{c.name}</span> : c.name}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody role="rowgroup">
        {p.of.map((row) => (
          <Table.Tr key={p.by(row)} role="row">
            {p.columns.map((c, i) =>
              i === 0 ? (
                <Table.Th
                  key={c.name}
                  role="rowheader"
                  scope="row"
                  data-name={c.number ? c.name : undefined}
                  {...looks(c)}
                  className={c.number ? `${classes.name} numeric` : classes.name}
                >
                  {c.cell(row)}
                </Table.Th>
              ) : (
                <Table.Td key={c.name} role="cell" data-name={c.silent ? "" : c.name} {...looks(c)}>
                  <div>{c.cell(row)}</div>
                </Table.Td>
              ),
            )}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

// Acts is what can be done with a row.
export function Acts({ children }: { children: ReactNode }) {
  return (
    <Group gap="xs" className={classes.acts}>
      {children}
    </Group>
  );
}
