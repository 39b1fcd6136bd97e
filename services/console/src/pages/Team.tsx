import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Badge, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconMailForward, IconUserPlus } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { fieldProblem } from "../api/problem";
import { useMay, useSession } from "../api/session";
import { type Invitation, type Member, TeamService } from "../gen/imago/v1/team_pb";
import { Wrong } from "../parts/CodeForm";
import { Confirmed } from "../parts/Confirmed";
import { capital, date } from "../parts/format";
import { Page } from "../parts/Page";
import { Query } from "../parts/Query";
import { Acts, Rows } from "../parts/Rows";
import { Time, useNow } from "../parts/Time";
import { Section } from "./Settings";

// The roles from most to least, and what each is for.
const roles = ["owner", "admin", "operator", "auditor", "viewer"];
const purposes: Record<string, string> = {
  owner: "everything, with deleting the account",
  admin: "everything but deleting the account",
  operator: "snapshots, changes and plans; approves none",
  auditor: "reads everything, changes nothing",
  viewer: "sees states, and nothing of the directory",
};

// useStale has the team asked for anew.
function useStale() {
  const queries = useQueryClient();
  return () =>
    queries.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: TeamService, cardinality: "finite" }),
    });
}

// useRoles gives the roles that who is signed in may give: none above their own.
function useRoles() {
  const own = useSession().role;
  return roles.slice(roles.indexOf(own)).map((r) => ({ value: r, label: capital(r) }));
}

// Team is who is in the account, as what, and who is asked in.
export function Team() {
  const may = useMay("edit_members");
  const account = useSession().accountName;
  const members = useQuery(TeamService.method.listMembers);
  return (
    <Page title="Team" about={`Who is in ${account}, and what each may do.`}>
      {may && <Invite />}
      <Section title="Members">
        <Query of={members}>{(l) => <Members of={l.members} />}</Query>
      </Section>
      {may && <Invitations />}
    </Page>
  );
}

function Invite() {
  const stale = useStale();
  const choices = useRoles();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState("operator");
  const invite = useMutation(TeamService.method.createInvitation, {
    onSuccess: () => {
      setEmail("");
      return stale();
    },
  });
  const submit = (e: FormEvent) => {
    e.preventDefault();
    invite.mutate({ email, role });
  };
  const wrong = fieldProblem(invite.error, "email") ?? fieldProblem(invite.error, "role");
  return (
    <Section
      title="Ask somebody in"
      about="By a mail whose link works for seven days, for that address alone."
    >
      <form onSubmit={submit} noValidate>
        <Group align="flex-start" gap="sm">
          <TextInput
            label="Mail address"
            type="email"
            required
            flex="1 1 260px"
            value={email}
            onChange={(e) => setEmail(e.currentTarget.value)}
            error={wrong}
          />
          <Select
            label="Role"
            flex="1 1 260px"
            allowDeselect={false}
            data={choices}
            renderOption={({ option }) => (
              <Stack gap={0}>
                <Text size="sm">{option.label}</Text>
                <Text size="xs" c="dimmed">
                  {purposes[option.value]}
                </Text>
              </Stack>
            )}
            value={role}
            onChange={(r) => r && setRole(r)}
          />
          <Button type="submit" mt={25} leftSection={<IconUserPlus size={16} />} loading={invite.isPending}>
            Invite
          </Button>
        </Group>
      </form>
      {invite.error && !wrong && <Wrong error={invite.error} />}
    </Section>
  );
}

function Members({ of }: { of: Member[] }) {
  return (
    <Rows
      label="Members"
      of={of}
      by={(m) => m.userId}
      columns={[
        {
          name: "Who",
          cell: (m) => (
            <>
              {m.email}{" "}
              {m.me && (
                <Text span size="sm" c="dimmed">
                  (you)
                </Text>
              )}
            </>
          ),
        },
        { name: "Role", cell: (m) => <RoleOf of={m} /> },
        { name: "Since", cell: (m) => <Time at={m.joinedAt} /> },
        { name: "What can be done", silent: true, action: true, cell: (m) => <Ending of={m} /> },
      ]}
    />
  );
}

// useChangeable tells whether who is signed in may change another member.
function useChangeable(m: Member): boolean {
  const may = useMay("edit_members");
  const above = roles.indexOf(m.role) < roles.indexOf(useSession().role);
  return may && !m.me && !above;
}

function Ending({ of: m }: { of: Member }) {
  const changeable = useChangeable(m);
  return <Acts>{m.me ? <Leave /> : changeable && <Remove of={m} />}</Acts>;
}

function RoleOf({ of: m }: { of: Member }) {
  return useChangeable(m) ? <RoleChoice of={m} /> : m.role;
}

function RoleChoice({ of: m }: { of: Member }) {
  const stale = useStale();
  const choices = useRoles();
  const update = useMutation(TeamService.method.updateMember, { onSuccess: stale });
  return (
    <Stack gap={4}>
      <Select
        aria-label={`Role of ${m.email}`}
        size="xs"
        maw={180}
        allowDeselect={false}
        disabled={update.isPending}
        data={choices}
        value={update.isPending ? update.variables.role : m.role}
        onChange={(role) => role && role !== m.role && update.mutate({ userId: m.userId, role })}
      />
      {update.error && <Wrong error={update.error} />}
    </Stack>
  );
}

function Remove({ of: m }: { of: Member }) {
  const stale = useStale();
  const remove = useMutation(TeamService.method.removeMember, { onSuccess: stale });
  return (
    <Confirmed
      label="Remove"
      title={`Remove ${m.email}?`}
      text="Their sessions end at once. What they did stays in the activity log."
      of={remove}
      onYes={() => remove.mutate({ userId: m.userId })}
    />
  );
}

function Leave() {
  const leave = useMutation(TeamService.method.leaveAccount, {
    onSuccess: () => window.location.assign("/sign-in"),
  });
  return (
    <Confirmed
      label="Leave"
      title="Leave this account?"
      text="You are signed out, and need an invitation to come back."
      of={leave}
      onYes={() => leave.mutate({})}
    />
  );
}

function Invitations() {
  const list = useQuery(
    TeamService.method.listInvitations,
    {},
    // One that is under way has its mail in a moment.
    { refetchInterval: (q) => (q.state.data?.invitations.some((i) => !i.sentAt) ? 2_000 : false) },
  );
  return (
    <Section title="Invitations">
      <Query of={list} lines={2}>
        {(l) =>
          l.invitations.length === 0 ? (
            <Text c="dimmed">None is open.</Text>
          ) : (
            <Rows
              label="Invitations"
              of={l.invitations}
              by={(i) => i.id}
              columns={[
                { name: "Who", cell: (i) => <Invited of={i} /> },
                { name: "Role", cell: (i) => i.role },
                { name: "State", cell: (i) => <Sent of={i} /> },
                { name: "What can be done", silent: true, action: true, cell: (i) => <Reconsider of={i} /> },
              ]}
            />
          )
        }
      </Query>
    </Section>
  );
}

function Invited({ of: i }: { of: Invitation }) {
  return (
    <>
      {i.email}
      <Text size="xs" c="dimmed">
        {i.invitedBy ? `by ${i.invitedBy}` : "by somebody who is no member any more: send it again"}
      </Text>
    </>
  );
}

function Reconsider({ of: i }: { of: Invitation }) {
  const stale = useStale();
  const resend = useMutation(TeamService.method.resendInvitation, { onSuccess: stale });
  const revoke = useMutation(TeamService.method.revokeInvitation, { onSuccess: stale });
  const error = resend.error ?? revoke.error;
  return (
    <Acts>
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<IconMailForward size={14} />}
        loading={resend.isPending}
        onClick={() => resend.mutate({ invitationId: i.id })}
      >
        Send again
      </Button>
      <Button
        size="compact-sm"
        variant="default"
        loading={revoke.isPending}
        onClick={() => revoke.mutate({ invitationId: i.id })}
      >
        Revoke
      </Button>
      {error && <Wrong error={error} />}
    </Acts>
  );
}

function Sent({ of: i }: { of: Invitation }) {
  const now = useNow();
  const expires = date(i.expiresAt);
  if (expires && expires < now) {
    return (
      <Badge color="gray" variant="light" tt="none">
        expired
      </Badge>
    );
  }
  if (!i.sentAt) return <>on its way</>;
  return (
    <>
      sent <Time at={i.sentAt} />
    </>
  );
}
