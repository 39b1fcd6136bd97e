import { Anchor, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { entered, finish, take } from "../api/sso";
import { SecondFactor, Wrong } from "../parts/CodeForm";
import { Doorway } from "../parts/Doorway";
import { Loading } from "../parts/States";
import { local } from "./SignIn";

// Sso is where an identity provider sends people back to.
export function Sso() {
  const { provider } = useParams({ from: "/sign-in/sso/$provider" });
  // Both are taken once: the code works once, and stands in the address no longer than it must.
  const [[sent, back]] = useState(
    () => [take(provider), new URLSearchParams(window.location.search)] as const,
  );
  const enter = () => {
    entered();
    window.location.replace(local(sent?.to));
  };
  const coming = useMutation({
    mutationFn: async () => sent && (await finish(sent, back)),
    onSuccess: (factor) => factor === "" && enter(),
  });
  const { mutate } = coming;
  useEffect(() => {
    window.history.replaceState(window.history.state, "", window.location.pathname);
    mutate();
  }, [mutate]);
  return (
    <Doorway title="Sign in to Imago">
      <Outcome sent={sent != null} of={coming} onDone={enter} />
    </Doorway>
  );
}

function Outcome(p: { sent: boolean; of: { error: unknown; data: string | undefined }; onDone: () => void }) {
  if (!p.sent) {
    return (
      <Stack gap="sm">
        <Text size="sm">This sign-in did not begin in this tab, or it was finished before.</Text>
        <Again />
      </Stack>
    );
  }
  if (p.of.error != null) {
    return (
      <Stack gap="sm">
        <Wrong error={p.of.error} />
        <Again />
      </Stack>
    );
  }
  if (p.of.data) {
    return (
      <SecondFactor kind={p.of.data} onDone={p.onDone} onBack={() => window.location.assign("/sign-in")} />
    );
  }
  return <Loading lines={2} />;
}

function Again() {
  return (
    <Anchor size="sm" renderRoot={(q) => <Link to="/sign-in" {...q} />}>
      Begin again
    </Anchor>
  );
}
