import { Anchor, Table } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useRestores } from "../api/lists";
import { State } from "../parts/Badges";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";
import { Wide } from "../parts/Wide";

// Restores lists what was put back, or is on its way.
export function Restores() {
  const { connectionId } = useParams({ from: "/signed-in/orgs/$connectionId/restores" });
  const list = useRestores(connectionId);
  return (
    <Page title="Restores" about="Every plan, who approved it, and what became of it.">
      <Query of={list}>
        {(data) => {
          const all = data.pages.flatMap((p) => p.restores);
          if (all.length === 0) {
            return (
              <Empty icon={IconArrowBackUp} title="Nothing was restored yet">
                Choose what to put back where you see it: at a change, in a comparison, or in a snapshot.
              </Empty>
            );
          }
          return (
            <>
              <Wide minWidth={520}>
                <Table verticalSpacing="sm" highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Planned</Table.Th>
                      <Table.Th>State</Table.Th>
                      <Table.Th>Approved by</Table.Th>
                      <Table.Th>Ended</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {all.map((r) => (
                      <Table.Tr key={r.id}>
                        <Table.Td>
                          <Anchor
                            renderRoot={(p) => (
                              <Link to="/restores/$restoreId" params={{ restoreId: r.id }} {...p} />
                            )}
                          >
                            <Time at={r.createdAt} />
                          </Anchor>
                        </Table.Td>
                        <Table.Td>
                          <State of={r.state} />
                        </Table.Td>
                        <Table.Td>{r.approvedBy || "nobody"}</Table.Td>
                        <Table.Td>
                          <Time at={r.endedAt} none="not yet" />
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Wide>
              <More {...list} />
            </>
          );
        }}
      </Query>
    </Page>
  );
}
