import { useMutation } from "@connectrpc/connect-query";
import {
  Accordion,
  Alert,
  Button,
  Card,
  Checkbox,
  Code,
  Group,
  List,
  Progress,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconAlertTriangle,
  IconCheck,
  IconPlayerPlay,
  IconRoute,
  IconShieldCheck,
} from "@tabler/icons-react";
import { useNavigate, useParams } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useState } from "react";
import { useConnection } from "../api/connections";
import { sentence } from "../api/problem";
import { useMay } from "../api/session";
import { useRestore } from "../api/watch";
import { type Plan, type Restore, RestoreService, type Step } from "../gen/imago/v1/restore_pb";
import { Op, State } from "../parts/Badges";
import { Wrong } from "../parts/CodeForm";
import { SwitchDemoApp } from "../parts/Demo";
import { Dialog } from "../parts/Dialog";
import { Fields } from "../parts/Fields";
import { capital, count, counted } from "../parts/format";
import { Page } from "../parts/Page";
import { Failed, Loading } from "../parts/States";
import { doing, told } from "../parts/step";
import { Time } from "../parts/Time";
import { Virtual } from "../parts/Virtual";
import { Fact } from "./Overview";

const Graph = lazy(() => import("./RestoreGraph"));

// RestorePage leads through one restore: the plan, its approval, the window for writing,
// the writing itself, the receipt.
export function RestorePage() {
  const { restoreId } = useParams({ from: "/signed-in/restores/$restoreId" });
  const [round, setRound] = useState(0);
  const { data: r, error } = useRestore(restoreId, round);
  if (error && !r)
    return (
      <Page title="Restore">
        <Failed error={error} again={() => setRound(round + 1)} />
      </Page>
    );
  if (!r) return <Loading />;
  return (
    <Page
      title="Restore"
      about={<State of={r.state} />}
      crumbs={[
        {
          label: "Restores",
          link: { to: "/orgs/$connectionId/restores", params: { connectionId: r.connectionId } },
        },
      ]}
    >
      {r.problem && (
        <Alert color="red" icon={<IconAlertTriangle />} role="alert">
          {sentence(r.problem)}
        </Alert>
      )}
      <Next of={r} again={() => setRound(round + 1)} />
      <Facts of={r} />
      {r.receipt && <ReceiptCard of={r} />}
      {r.plan && <PlanCard of={r} plan={r.plan} />}
    </Page>
  );
}

function Facts({ of: r }: { of: Restore }) {
  return (
    <SimpleGrid cols={{ base: 2, sm: 4 }}>
      <Fact name="Planned">
        <Time at={r.createdAt} />
      </Fact>
      <Fact name="Approved">
        {r.approvedBy ? (
          <>
            {r.approvedBy}, <Time at={r.approvedAt} />
          </>
        ) : (
          "not yet"
        )}
      </Fact>
      <Fact name="Writing since">
        <Time at={r.windowOpenedAt} none="nothing written" />
      </Fact>
      <Fact name="Write window closed">
        <Time at={r.windowClosedAt} none={r.windowOpenedAt ? "not yet" : "never opened"} />
      </Fact>
    </SimpleGrid>
  );
}

// Next says what happens now, and what a person has to do for it.
function Next({ of: r, again }: { of: Restore; again: () => void }) {
  switch (r.state) {
    case "planning":
      return <Busy>The plan is being made: your choice is compared with the org as it is now.</Busy>;
    case "planned":
      return <Approve of={r} again={again} />;
    case "approved":
      return <Apply of={r} again={again} />;
    case "waiting":
      return <Activate of={r} />;
    case "applying":
    case "verifying":
      return <Going of={r} />;
    case "closing":
      return <Deactivate of={r} again={again} />;
    default:
      return null;
  }
}

function Busy({ children }: { children: React.ReactNode }) {
  return (
    <Stack gap="xs" role="status">
      <Text>{children}</Text>
      <Progress value={100} animated aria-label="Under way" />
    </Stack>
  );
}

function Approve({ of: r, again }: { of: Restore; again: () => void }) {
  const [asked, { open, close }] = useDisclosure(false);
  const may = useMay("approve_restore");
  const steps = r.plan?.steps.length ?? 0;
  const approve = useMutation(RestoreService.method.approveRestore, {
    onSuccess: () => {
      close();
      again();
    },
  });
  if (steps === 0)
    return (
      <Alert color="green" icon={<IconCheck />}>
        Everything you chose is already as it was. There is nothing to do.
      </Alert>
    );
  return (
    <Card withBorder padding="md">
      <Group justify="space-between">
        <Text>
          {counted(steps, "step")} {steps === 1 ? "is" : "are"} ready. Nothing was written so far.
        </Text>
        <Group gap="xs">
          <Cancel of={r} again={again} />
          {may ? (
            <Button leftSection={<IconShieldCheck size={16} />} onClick={open}>
              Approve this plan
            </Button>
          ) : (
            <Text size="sm" c="dimmed">
              An owner or an admin approves it.
            </Text>
          )}
        </Group>
      </Group>
      <Dialog opened={asked} onClose={close} title="Approve this plan">
        <Stack>
          <Text size="sm">
            You approve exactly these {counted(steps, "step")}, and what the org looked like when they were
            planned. If the org has changed by then, the step that it concerns is not made.
          </Text>
          <Text size="sm">
            Digest <Code>{r.planDigest.slice(0, 23)}…</Code>
          </Text>
          {approve.error && <Wrong error={approve.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Not yet
            </Button>
            <Button
              loading={approve.isPending}
              onClick={() => approve.mutate({ restoreId: r.id, digest: r.planDigest })}
            >
              Approve
            </Button>
          </Group>
        </Stack>
      </Dialog>
    </Card>
  );
}

function Cancel({ of: r, again }: { of: Restore; again: () => void }) {
  const may = useMay("plan_restore");
  const cancel = useMutation(RestoreService.method.cancelRestore, { onSuccess: again });
  if (!may) return null;
  return (
    <>
      {cancel.error && <Wrong error={cancel.error} />}
      <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate({ restoreId: r.id })}>
        Cancel it
      </Button>
    </>
  );
}

function Apply({ of: r, again }: { of: Restore; again: () => void }) {
  const may = useMay("approve_restore");
  const apply = useMutation(RestoreService.method.applyRestore, { onSuccess: again });
  return (
    <Card withBorder padding="md">
      <Stack gap="sm">
        <Group justify="space-between">
          <Text>
            The plan is approved. Writing begins when you start it and the write app is active in the org.
          </Text>
          <Group gap="xs">
            <Cancel of={r} again={again} />
            {may && (
              <Button
                leftSection={<IconPlayerPlay size={16} />}
                loading={apply.isPending}
                onClick={() => apply.mutate({ restoreId: r.id })}
              >
                Start
              </Button>
            )}
          </Group>
        </Group>
        {apply.error && <Wrong error={apply.error} />}
      </Stack>
    </Card>
  );
}

// WriteApp names the app that somebody switches on and off in the org.
function useWriteApp(r: Restore): string {
  const connection = useConnection(r.connectionId);
  return connection.data?.credentials.find((c) => c.purpose === "write")?.clientId ?? "";
}

function Activate({ of: r }: { of: Restore }) {
  const app = useWriteApp(r);
  const demo = useConnection(r.connectionId).data?.demo;
  return (
    <Alert color="yellow" title="Activate the write app in Okta now" icon={<IconPlayerPlay />}>
      <List type="ordered" size="sm">
        <List.Item>
          In the Okta admin console, open Applications and find “Imago restore” {app && <Code>{app}</Code>}.
        </List.Item>
        <List.Item>Set it to Active. Writing begins within seconds, and this page shows it.</List.Item>
        <List.Item>Afterwards you deactivate it again, and Imago proves that it can write no more.</List.Item>
      </List>
      {demo && <SwitchDemoApp of={r.connectionId} active />}
    </Alert>
  );
}

function Going({ of: r }: { of: Restore }) {
  const steps = r.plan?.steps ?? [];
  const made = steps.filter((s) => s.state === "done" || s.state === "skipped").length;
  return (
    <Stack gap="xs" role="status">
      <Text>
        {r.state === "verifying"
          ? "Everything is written. The org is read again and compared with the snapshot."
          : `${count(made)} of ${counted(steps.length, "step")} made.`}
      </Text>
      <Progress
        value={r.state === "verifying" ? 100 : steps.length ? (100 * made) / steps.length : 0}
        animated
        aria-label="Steps made"
      />
    </Stack>
  );
}

function Deactivate({ of: r, again }: { of: Restore; again: () => void }) {
  const app = useWriteApp(r);
  const demo = useConnection(r.connectionId).data?.demo;
  return (
    <Alert color="yellow" title="Deactivate the write app in Okta now" icon={<IconShieldCheck />}>
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          The restore is done. Set “Imago restore” {app && <Code>{app}</Code>} to Inactive: Imago asks the org
          until it refuses the app, and only then counts the window as closed.
        </Text>
        {demo && <SwitchDemoApp of={r.connectionId} active={false} />}
        <CloseByWord of={r} app={app} again={again} />
      </Stack>
    </Alert>
  );
}

// CloseByWord is for when the org cannot be asked any more.
function CloseByWord({ of: r, app, again }: { of: Restore; app: string; again: () => void }) {
  const may = useMay("approve_restore");
  const [asked, { open, close }] = useDisclosure(false);
  const [typed, setTyped] = useState("");
  const end = useMutation(RestoreService.method.closeRestore, {
    onSuccess: () => {
      close();
      again();
    },
  });
  if (!may) return null;
  return (
    <>
      <Button variant="subtle" size="compact-sm" onClick={open}>
        The org cannot be asked any more
      </Button>
      <Dialog opened={asked} onClose={close} title="Close the window on your word">
        <Stack>
          <Text size="sm">
            Only when the app is deactivated or deleted, and the org cannot confirm it. Type the app's client
            ID{app && ` (${app})`}.
          </Text>
          <TextInput label="Client ID" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} />
          {end.error && <Wrong error={end.error} />}
          <Group justify="flex-end">
            <Button
              color="red"
              loading={end.isPending}
              onClick={() => end.mutate({ restoreId: r.id, clientId: typed })}
            >
              It is closed: I say so
            </Button>
          </Group>
        </Stack>
      </Dialog>
    </>
  );
}

function ReceiptCard({ of: r }: { of: Restore }) {
  const receipt = r.receipt;
  if (!receipt) return null;
  return (
    <Card withBorder padding="md" component="section" aria-label="Receipt">
      <Title order={2} mb="sm">
        Receipt
      </Title>
      <SimpleGrid cols={{ base: 2, sm: 5 }}>
        <Fact name="Made">{count(receipt.made)}</Fact>
        <Fact name="Skipped">{count(receipt.skipped)}</Fact>
        <Fact name="Failed">{count(receipt.failed)}</Fact>
        <Fact name="Verified">{count(receipt.verified)}</Fact>
        <Fact name="Differences left">{count(receipt.differences.length)}</Fact>
      </SimpleGrid>
      {receipt.pending > 0 && (
        <Text size="sm" mt="sm">
          {counted(receipt.pending, "thing")} the org makes by itself {receipt.pending === 1 ? "is" : "are"}{" "}
          still to come.
        </Text>
      )}
      {r.closedBy && (
        <Text size="sm" mt="sm">
          The write window is closed on the word of {r.closedBy}.
        </Text>
      )}
    </Card>
  );
}

function PlanCard({ of: r, plan }: { of: Restore; plan: Plan }) {
  const [view, setView] = useState("list");
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const leave = useCallback((keys: string[]) => setLeft((before) => keys.reduce(toggled, before)), []);
  return (
    <Stack gap="md" component="section" aria-label="Plan">
      <Group justify="space-between">
        <Title order={2}>{counted(plan.steps.length, "step")}</Title>
        <Group>
          {r.state === "planned" && left.size > 0 && <Replan of={r} plan={plan} without={left} />}
          <SegmentedControl
            aria-label="How to show the plan"
            value={view}
            onChange={setView}
            data={[
              { value: "list", label: "List" },
              { value: "graph", label: "Graph" },
            ]}
          />
        </Group>
      </Group>
      {plan.identical > 0 && (
        <Text c="dimmed">
          {counted(plan.identical, "object")} of your choice {plan.identical === 1 ? "is" : "are"} already as
          before.
        </Text>
      )}
      {plan.warnings.length > 0 && (
        <Alert color="orange" icon={<IconAlertTriangle />} title={warned(r)}>
          <List size="sm">
            {plan.warnings.map((w) => (
              <List.Item key={w}>{capital(w)}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {view === "graph" ? (
        <Suspense fallback={<Loading />}>
          <Graph steps={plan.steps} choosing={r.state === "planned"} left={left} leave={leave} />
        </Suspense>
      ) : (
        <Steps of={plan.steps} choosing={r.state === "planned"} left={left} leave={leave} />
      )}
      {plan.leftOut.length > 0 && (
        <Card withBorder padding="md">
          <Title order={3} mb="xs">
            Not restored
          </Title>
          <List size="sm">
            {plan.leftOut.map((l) => (
              <List.Item key={l.key}>
                <b>{l.label || l.key}</b>: {l.reason}
              </List.Item>
            ))}
          </List>
        </Card>
      )}
    </Stack>
  );
}

// warned says what the plan's warnings are to who reads them at that time.
function warned(r: Restore): string {
  if (r.state === "planned") return "Before you approve";
  return r.approvedBy ? "What the plan warned of, before it was approved" : "What the plan warned of";
}

function toggled(set: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const after = new Set(set);
  if (!after.delete(key)) after.add(key);
  return after;
}

// Replan makes the plan anew without what was deselected: a plan is approved as it stands,
// or not at all.
function Replan({ of: r, plan, without }: { of: Restore; plan: Plan; without: ReadonlySet<string> }) {
  const navigate = useNavigate();
  const again = useMutation(RestoreService.method.planRestore, {
    onSuccess: (m) =>
      m.restore && navigate({ to: "/restores/$restoreId", params: { restoreId: m.restore.id } }),
  });
  const keys = plan.steps.map((s) => s.key).filter((k) => !without.has(k));
  return (
    <>
      {again.error && <Wrong error={again.error} />}
      <Button
        variant="default"
        leftSection={<IconRoute size={16} />}
        loading={again.isPending}
        disabled={keys.length === 0}
        onClick={() =>
          again.mutate({ snapshotId: r.snapshotId, selection: { keys, exclude: [...without], only: true } })
        }
      >
        Plan again without {count(without.size)}
      </Button>
    </>
  );
}

interface Choosing {
  choosing: boolean;
  left: ReadonlySet<string>;
  leave: (keys: string[]) => void;
}

// Steps lists a plan's steps; of a long plan, those in sight.
function Steps({ of, ...choice }: { of: Step[] } & Choosing) {
  const [open, setOpen] = useState<string[]>([]);
  if (of.length <= 50) {
    return (
      <Accordion chevronPosition="left" multiple value={open} onChange={setOpen}>
        {of.map((s) => (
          <StepItem key={s.n} of={s} {...choice} />
        ))}
      </Accordion>
    );
  }
  return (
    <Accordion chevronPosition="left" multiple value={open} onChange={setOpen}>
      <Virtual label="Steps" count={of.length} height={56} by={(i) => of[i]?.n ?? i}>
        {(i) => {
          const s = of[i];
          return s && <StepItem of={s} {...choice} />;
        }}
      </Virtual>
    </Accordion>
  );
}

function StepItem({ of: s, choosing, left, leave }: { of: Step } & Choosing) {
  return (
    <Accordion.Item value={String(s.n)}>
      <Group wrap="nowrap" gap={0}>
        {choosing && (
          <Checkbox
            ml="md"
            aria-label={`Make step ${s.n}: ${told(s)}`}
            checked={!left.has(s.key)}
            onChange={() => leave([s.key])}
          />
        )}
        <Accordion.Control>
          <StepLine of={s} />
        </Accordion.Control>
      </Group>
      <Accordion.Panel>
        <StepDetail of={s} />
      </Accordion.Panel>
    </Accordion.Item>
  );
}

function StepLine({ of: s }: { of: Step }) {
  const { verb, what } = doing(s);
  return (
    <Group gap="sm">
      <Text className="numeric" c="dimmed" w={28} ta="right">
        {s.n}
      </Text>
      <Op of={s.op} word={verb} />
      <Text>{what}</Text>
      <Text size="sm" c="dimmed">
        {s.typeTitle}
      </Text>
      {s.state && s.state !== "pending" && <State of={s.state} />}
      {s.warnings.length > 0 && <IconAlertTriangle size={16} aria-label="with a warning" />}
    </Group>
  );
}

function StepDetail({ of: s }: { of: Step }) {
  return (
    <Stack gap="sm">
      {s.why && <Text size="sm">{capital(s.why)}.</Text>}
      {s.problem && <Alert color="red">{capital(s.problem)}</Alert>}
      {s.warnings.map((w) => (
        <Alert key={w} color="orange" icon={<IconAlertTriangle />} p="xs">
          {capital(w)}
        </Alert>
      ))}
      {s.after.length > 0 && (
        <Text size="sm" c="dimmed">
          After {s.after.length === 1 ? "step" : "steps"} {s.after.join(", ")}.
        </Text>
      )}
      <Fields of={s.fields} before="Now" after="Then" />
      {s.newId && (
        <Text size="sm">
          New ID <Code>{s.newId}</Code>
        </Text>
      )}
    </Stack>
  );
}
