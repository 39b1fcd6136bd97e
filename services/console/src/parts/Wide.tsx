import { Table } from "@mantine/core";
import type { ReactNode } from "react";

// Wide lets what needs the width scroll sideways on a narrow screen, by keyboard, too.
export function Wide({ minWidth, children }: { minWidth: number; children: ReactNode }) {
  return (
    <Table.ScrollContainer minWidth={minWidth} scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}>
      {children}
    </Table.ScrollContainer>
  );
}
