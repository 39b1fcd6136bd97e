import { Button, Divider, Stack, Text } from "@mantine/core";
import { IconExternalLink } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import { onEntered, useMethods } from "../api/sso";
import type { Want } from "../api/transport";
import { CodeForm } from "../parts/CodeForm";
import { Dialog } from "../parts/Dialog";
import StepUp from "../parts/StepUp";

// Question asks for a new sign-in, or for proof. It ends with whether it was given.
export default function Question(p: { want: Want; email: string; onEnd: (yes: boolean) => void }) {
  const done = () => p.onEnd(true);
  if (p.want === "step_up") {
    return (
      <Dialog opened onClose={() => p.onEnd(false)} title="Is it you?" closing="Do not go on">
        <StepUp email={p.email} onDone={done} />
      </Dialog>
    );
  }
  return (
    <Dialog
      opened
      onClose={() => window.location.assign("/sign-in")}
      title="Sign in again to go on"
      closing="Go to the sign-in page"
    >
      <Stack gap="sm">
        <Text size="sm">Your session has ended. Nothing that you typed is lost.</Text>
        <CodeForm email={p.email} onDone={done} others={<Elsewhere onDone={done} />} />
      </Stack>
    </Dialog>
  );
}

// Elsewhere leads to the sign-in page in another tab, for who comes by an identity provider:
// this page stays as it is, and goes on when they are in.
function Elsewhere({ onDone }: { onDone: () => void }) {
  const methods = useMethods();
  const done = useRef(onDone);
  useEffect(() => {
    done.current = onDone;
  });
  useEffect(() => onEntered(() => done.current()), []);
  if (!methods?.provider && !methods?.sso) return null;
  return (
    <>
      <Divider label="or" my="sm" />
      <Button
        component="a"
        href="/sign-in"
        target="_blank"
        rel="noopener"
        variant="default"
        fullWidth
        leftSection={<IconExternalLink size={16} />}
      >
        Sign in by your company, in another tab
      </Button>
    </>
  );
}
