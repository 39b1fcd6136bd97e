import { Code, Table, Text } from "@mantine/core";
import { IconActivity } from "@tabler/icons-react";
import { useActivity } from "../api/lists";
import { capital, words } from "../parts/format";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";
import { Wide } from "../parts/Wide";

// ActivityPage is the account's own log: who did what in Imago. Each row stands on the
// hash of the one before.
export function ActivityPage() {
  const list = useActivity();
  return (
    <Page
      title="Activity"
      about="Who did what in Imago. The rows are chained: none can be changed or taken out unseen."
    >
      <Query of={list}>
        {(data) => {
          const all = data.pages.flatMap((p) => p.activity);
          if (all.length === 0) return <Empty icon={IconActivity} title="Nothing has happened yet" />;
          return (
            <>
              <Wide minWidth={860}>
                <Table verticalSpacing="xs" highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th ta="right" className="nowrap">
                        No.
                      </Table.Th>
                      <Table.Th>When</Table.Th>
                      <Table.Th>Who</Table.Th>
                      <Table.Th>What</Table.Th>
                      <Table.Th>Of</Table.Th>
                      <Table.Th>From</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {all.map((a) => (
                      <Table.Tr key={String(a.sequence)}>
                        <Table.Td ta="right" className="numeric">
                          {String(a.sequence)}
                        </Table.Td>
                        <Table.Td className="nowrap">
                          <Time at={a.time} />
                        </Table.Td>
                        <Table.Td>{a.actor}</Table.Td>
                        <Table.Td>
                          {capital(words(a.action))}
                          {a.detail && (
                            <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                              {a.detail}
                            </Text>
                          )}
                        </Table.Td>
                        <Table.Td className="nowrap">
                          {words(a.targetType)} <Code>{a.targetId.slice(-8)}</Code>
                        </Table.Td>
                        <Table.Td className="nowrap">{a.sourceIp}</Table.Td>
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
