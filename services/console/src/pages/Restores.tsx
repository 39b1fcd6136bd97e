import { Anchor } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useRestores } from "../api/lists";
import type { Restore } from "../gen/imago/v1/restore_pb";
import { State } from "../parts/Badges";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { type Column, Rows } from "../parts/Rows";
import { Empty } from "../parts/States";
import { Time } from "../parts/Time";

const columns: Column<Restore>[] = [
  {
    name: "Planned",
    cell: (r) => (
      <Anchor
        inherit
        renderRoot={(p) => <Link to="/restores/$restoreId" params={{ restoreId: r.id }} {...p} />}
      >
        <Time at={r.createdAt} />
      </Anchor>
    ),
  },
  { name: "State", cell: (r) => <State of={r.state} /> },
  { name: "Approved by", cell: (r) => r.approvedBy || "nobody" },
  { name: "Ended", cell: (r) => <Time at={r.endedAt} none="not yet" /> },
];

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
              <Rows label="Restores" spacing="sm" of={all} by={(r) => r.id} columns={columns} />
              <More {...list} />
            </>
          );
        }}
      </Query>
    </Page>
  );
}
