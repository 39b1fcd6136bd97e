import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Alert, Badge, Button, Group, Progress, SimpleGrid, Stack, Text } from "@mantine/core";
import { IconCheck, IconCreditCard, IconInfinity, IconInfoCircle } from "@tabler/icons-react";
import { useSearch } from "@tanstack/react-router";
import { useBilling } from "../api/billing";
import { leave } from "../api/leave";
import { useMay } from "../api/session";
import {
  type BillingLimits,
  type BillingPlan,
  BillingService,
  type GetBillingResponse,
} from "../gen/imago/v1/billing_pb";
import { Wrong } from "../parts/CodeForm";
import { count, counted, date, day } from "../parts/format";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Acts, Rows } from "../parts/Rows";
import { Empty } from "../parts/States";
import { Fact } from "./Overview";
import { Section } from "./Settings";

// Billing is what the account pays for, what it has of that, and the way to change it. Cards
// and invoices are Stripe's: this page leads there and back.
export function Billing() {
  const { checkout } = useSearch({ from: "/signed-in/billing" });
  // Stripe tells of a checkout within seconds; until then this page asks.
  const billing = useBilling(checkout === "done" ? 2_000 : undefined);
  return (
    <Page title="Billing">
      <Query of={billing}>
        {(b) =>
          b.plan === "self_hosted" ? (
            <Empty icon={IconInfinity} title="Nothing is limited here">
              This installation is your own: it sells nothing, and limits nothing.
            </Empty>
          ) : (
            <>
              {checkout === "done" && <Bought of={b} />}
              <Warning of={b} />
              <Standing of={b} />
              <Plans of={b} />
            </>
          )
        }
      </Query>
    </Page>
  );
}

const live = ["trialing", "active", "past_due"];

function Bought({ of: b }: { of: GetBillingResponse }) {
  if (live.includes(b.subscriptionState)) {
    return (
      <Alert color="green" icon={<IconCheck />} role="status">
        Thank you. {b.title} is yours.
      </Alert>
    );
  }
  return (
    <Alert color="blue" icon={<IconInfoCircle />} role="status">
      Waiting for word from Stripe. This takes some seconds.
    </Alert>
  );
}

const warnings: Record<string, (when: string) => { color: string; title: string; text: string }> = {
  trial_ends: (when) => ({
    color: "yellow",
    title: `Your trial ends on ${when}`,
    text: "Choose a plan to keep its limits. Without one, the Free plan's hold after; older snapshots stay for 30 days.",
  }),
  payment_failed: (when) => ({
    color: "red",
    title: "A payment failed",
    text: `See to the card in the portal. From ${when} on, the Free plan's limits hold. Restores are never limited.`,
  }),
  limited: () => ({
    color: "red",
    title: "The Free plan's limits hold: a payment failed too long ago",
    text: "See to the card in the portal. Restores are never limited.",
  }),
  ends: (when) => ({
    color: "yellow",
    title: `Your subscription ends on ${when}`,
    text: "Take it up again in the portal to keep its limits.",
  }),
  data_expires: (when) => ({
    color: "orange",
    title: `Older snapshots are forgotten on ${when}`,
    text: "They are beyond what the plan keeps. Choose a greater plan to keep them.",
  }),
};

function Warning({ of: b }: { of: GetBillingResponse }) {
  const until = date(b.until);
  const said = warnings[b.warning]?.(until ? day(until) : "that day");
  if (!said) return null;
  return (
    <Alert color={said.color} icon={<IconInfoCircle />} title={said.title}>
      {said.text}
    </Alert>
  );
}

function Standing({ of: b }: { of: GetBillingResponse }) {
  const may = useMay("edit_billing");
  const [trial, period] = [date(b.trialEndsAt), date(b.periodEndsAt)];
  return (
    <Section title={`${b.title} plan`} aside={may && b.canPortal && <Portal />}>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="lg">
        <Used name="Connections" has={b.connections} most={b.limits?.connections ?? 0} />
        <Used name="Members" has={b.members} most={b.limits?.members ?? 0} />
        <Fact name="Snapshots are kept">{kept(b.retentionDays)}</Fact>
        {period && b.subscriptionState ? (
          <Fact name="Paid until">{day(period)}</Fact>
        ) : (
          trial && <Fact name={trial > new Date() ? "Trial until" : "Trial ended"}>{day(trial)}</Fact>
        )}
      </SimpleGrid>
      {!may && (
        <Text size="sm" c="dimmed">
          An owner or admin of the account can change the plan.
        </Text>
      )}
    </Section>
  );
}

function Used({ name, has, most }: { name: string; has: number; most: number }) {
  return (
    <Fact name={name}>
      {count(has)} of {most === 0 ? "any number" : count(most)}
      {most > 0 && (
        <Progress
          mt={6}
          value={(100 * has) / most}
          color={has >= most ? "orange" : "teal"}
          aria-label={`${name}: ${has} of ${most}`}
        />
      )}
      {most > 0 && has > most && (
        <Text size="xs" c="dimmed" mt={4}>
          More than the plan has: all of them go on, and none can be added.
        </Text>
      )}
    </Fact>
  );
}

function kept(days: number): string {
  return days === 0 ? "for ever" : counted(days, "day");
}

function Portal() {
  const portal = useMutation(BillingService.method.createPortal, { onSuccess: (r) => leave(r.url) });
  return (
    <Stack gap={4} align="flex-end">
      <Button
        variant="default"
        leftSection={<IconCreditCard size={16} />}
        loading={portal.isPending || portal.isSuccess}
        onClick={() => portal.mutate({})}
      >
        Card, invoices, cancel
      </Button>
      {portal.error && <Wrong error={portal.error} />}
    </Stack>
  );
}

const lines: [string, (l: BillingLimits) => string][] = [
  ["Snapshots are kept", (l) => kept(l.retentionDays)],
  ["Scheduled at most", (l) => every(l.scheduleMinutes)],
  ["Connections", (l) => most(l.connections)],
  ["Members", (l) => most(l.members)],
];

function most(n: number): string {
  return n === 0 ? "any number" : count(n);
}

function every(minutes: number): string {
  if (minutes === 0) return "as often as you like";
  if (minutes % 1440 === 0) return minutes === 1440 ? "once a day" : `every ${minutes / 1440} days`;
  return minutes % 60 === 0
    ? minutes === 60
      ? "every hour"
      : `every ${minutes / 60} hours`
    : `every ${minutes} min`;
}

function Plans({ of: b }: { of: GetBillingResponse }) {
  const plans = useQuery(BillingService.method.listPlans);
  return (
    <Section
      title="Plans"
      about="Every plan restores without limit, follows the org's log, and keeps what you have for 30 days after a downgrade."
    >
      <Query of={plans}>
        {(l) => (
          <Rows
            label="Plans"
            spacing="sm"
            of={l.plans}
            by={(p) => p.name}
            columns={[
              {
                name: "Plan",
                cell: (p) => (
                  <Group gap="xs">
                    {p.title}
                    {p.name === b.plan && <Now />}
                  </Group>
                ),
              },
              ...lines.map(([name, say]) => ({
                name,
                cell: (p: BillingPlan) => p.limits && say(p.limits),
              })),
              {
                name: "Choose it",
                silent: true,
                action: true,
                cell: (p) => b.canCheckout && p.sold && <Choose of={p} />,
              },
            ]}
          />
        )}
      </Query>
    </Section>
  );
}

function Now() {
  return (
    <Badge variant="light" color="teal" tt="none">
      yours
    </Badge>
  );
}

function Choose({ of: p }: { of: BillingPlan }) {
  const may = useMay("edit_billing");
  const checkout = useMutation(BillingService.method.createCheckout, { onSuccess: (r) => leave(r.url) });
  if (!may) return null;
  return (
    <Acts>
      {checkout.error && <Wrong error={checkout.error} />}
      <Button
        size="xs"
        loading={checkout.isPending || checkout.isSuccess}
        onClick={() => checkout.mutate({ plan: p.name })}
      >
        Choose {p.title}
      </Button>
    </Acts>
  );
}
