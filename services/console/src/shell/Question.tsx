import { Stack, Text } from "@mantine/core";
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
        <CodeForm email={p.email} onDone={done} />
      </Stack>
    </Dialog>
  );
}
