import { Alert, Button, Stack } from "@mantine/core";
import { IconFingerprint } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Refused } from "../api/passkey";
import { Wrong } from "./CodeForm";
import { capital } from "./format";

// PasskeyButton has the browser ask for a passkey.
export function PasskeyButton<T>(p: {
  label: string;
  act: () => Promise<T>;
  onDone: (given: T) => void;
  main?: boolean;
}) {
  const ask = useMutation({ mutationFn: p.act, onSuccess: p.onDone });
  return (
    <Stack gap="xs">
      <Button
        variant={p.main ? "filled" : "default"}
        leftSection={<IconFingerprint size={16} />}
        loading={ask.isPending}
        onClick={() => ask.mutate()}
      >
        {p.label}
      </Button>
      {ask.error instanceof Refused ? (
        <Alert color="orange" role="alert" p="xs">
          {capital(ask.error.message)}
        </Alert>
      ) : (
        ask.error && <Wrong error={ask.error} />
      )}
    </Stack>
  );
}
