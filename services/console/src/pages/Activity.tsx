import { Code, Text } from "@mantine/core";
import { IconActivity } from "@tabler/icons-react";
import { useActivity } from "../api/lists";
import type { Activity } from "../gen/imago/v1/activity_pb";
import { capital, words } from "../parts/format";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { type Column, Rows } from "../parts/Rows";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";

const columns: Column<Activity>[] = [
  { name: "No.", number: true, cell: (a) => String(a.sequence) },
  { name: "When", cell: (a) => <Time at={a.time} /> },
  { name: "Who", cell: (a) => a.actor },
  {
    name: "What",
    cell: (a) => (
      <>
        {capital(words(a.action))}
        {a.detail && (
          <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {a.detail}
          </Text>
        )}
      </>
    ),
  },
  {
    name: "Of",
    cell: (a) => (
      <>
        {words(a.targetType)} <Code>{a.targetId.slice(-8)}</Code>
      </>
    ),
  },
  { name: "From", cell: (a) => a.sourceIp },
];

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
              <Rows label="Activity" of={all} by={(a) => String(a.sequence)} columns={columns} />
              <More {...list} />
            </>
          );
        }}
      </Query>
    </Page>
  );
}
