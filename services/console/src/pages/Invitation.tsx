import { useMutation } from "@connectrpc/connect-query";
import { Button, Stack, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter, useRouterState } from "@tanstack/react-router";
import { sessionQuery } from "../api/session";
import { transport } from "../api/transport";
import { SignInService } from "../gen/imago/v1/sign_in_pb";
import { TeamService } from "../gen/imago/v1/team_pb";
import { CodeForm, Wrong } from "../parts/CodeForm";
import { Doorway } from "../parts/Doorway";
import { Loading } from "../parts/States";

// Invitation is where an invitation's mail leads: who is signed in accepts it, who is not
// signs in with it. Its token stands behind the address's #, which no server is sent.
export function Invitation() {
  const token = useRouterState({ select: (s) => s.location.hash });
  const session = useQuery({ ...sessionQuery, retry: false });
  const enter = () => window.location.assign("/");
  return (
    <Doorway title="You are invited">
      {token === "" ? (
        <Text>This address lacks the invitation. Open the link of the mail, whole, or ask for it anew.</Text>
      ) : session.isPending ? (
        <Loading lines={2} />
      ) : session.data ? (
        <Accept token={token} email={session.data.email} onDone={enter} />
      ) : (
        <Stack gap="sm">
          <Text size="sm">Sign in with the address that the invitation came to.</Text>
          <CodeForm invitation={token} onDone={enter} />
        </Stack>
      )}
    </Doorway>
  );
}

function Accept(p: { token: string; email: string; onDone: () => void }) {
  const router = useRouter();
  const queries = useQueryClient();
  const accept = useMutation(TeamService.method.acceptInvitation, {
    transport,
    onSuccess: (r) =>
      r.secondFactor ? router.history.push(`/sign-in?factor=${r.secondFactor}`) : p.onDone(),
  });
  const signOut = useMutation(SignInService.method.signOut, {
    onSuccess: () => queries.resetQueries({ queryKey: sessionQuery.queryKey }),
  });
  return (
    <Stack gap="sm">
      <Text size="sm">
        You are signed in as <b>{p.email}</b>.
      </Text>
      {accept.error && <Wrong error={accept.error} />}
      <Button loading={accept.isPending} onClick={() => accept.mutate({ token: p.token })}>
        Accept the invitation
      </Button>
      <Button
        variant="subtle"
        size="compact-sm"
        loading={signOut.isPending}
        onClick={() => signOut.mutate({})}
      >
        It came to another address
      </Button>
    </Stack>
  );
}
